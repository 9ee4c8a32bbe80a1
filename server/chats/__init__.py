"""Floor 3: a turn from prompt to settled answer, and everybody who follows it."""
