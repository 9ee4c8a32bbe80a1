"""Floor 2: the model. Asks it, reads its stream, counts tokens; `answers` is what other rooms use to run an answer."""
