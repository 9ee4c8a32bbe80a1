"""The schema's history, oldest first: one module a revision under `versions`, in SQL.

Revisions only go forward: a step back is the backup of before. Each is one transaction with all that run with it, so a
migration happens whole or not at all. `tests/storage/test_migrations.py` compares their result with `tables`.
"""
