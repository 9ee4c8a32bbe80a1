"""Floor 3: who is asking, from where, and whether a browser sent it on our behalf."""
