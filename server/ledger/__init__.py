"""Floor 2: money and credits. Redis admits, Postgres decides (`docs/ledger.md`)."""
