"""What algorithms share that learn to adapt: encoders, meta-episodes, the exploiting policy and its learner."""
