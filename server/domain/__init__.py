"""Floor 0: the rules. Standard library only; no async, clock, randomness or logging."""
