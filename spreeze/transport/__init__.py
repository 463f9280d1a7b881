"""What moves between processes: experience and weights through shared memory, small messages through ZMQ."""
