"""Where a run's metrics go: TensorBoard's files, and Weights & Biases or MLflow if they are asked for."""
