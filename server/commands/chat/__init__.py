"""`tallylight chat`: a channel's chat in a terminal, or for a program that speaks JSON lines."""
