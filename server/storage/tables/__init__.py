"""The tables of the database: one module a noun, all in one `metadata`.

The names are those of the product's models in snake_case. Use them through their module, which reads well:
`chats.chat`, `people.session`. The migrations build the same schema; a test compares the two.
"""

from server.storage.tables import badges, channels, chats, contributions, entries, guards, people, totals, triggers
from server.storage.tables.base import metadata

__all__ = [
    "badges",
    "channels",
    "chats",
    "contributions",
    "entries",
    "guards",
    "metadata",
    "people",
    "totals",
    "triggers",
]
