"""Tallylight: fans of a channel chat live with that channel's AI, one credit a chat."""
