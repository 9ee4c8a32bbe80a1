"""Real servers from wheels alone, for one machine: PostgreSQL, Valkey and a small model, each a process of its own.

Beside floor 5: only the command line and the tests use it. Production (`tallylight serve`) never does.
"""
