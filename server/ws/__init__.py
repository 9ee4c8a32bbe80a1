"""Floor 4: the websocket: frames, sockets, close codes."""
