"""Floor 2: what a channel is, says and knows. Its money is the ledger's."""
