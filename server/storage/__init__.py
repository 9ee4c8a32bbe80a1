"""Floor 1: Postgres, Redis, the tables, the Lua scripts and the live settings."""
