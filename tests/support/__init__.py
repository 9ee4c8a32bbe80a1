"""What every test may use: real servers, fresh databases, waiting with a deadline."""
