"""Servers that end before they are ready."""


class EndedInItsStart(Exception):
    """The process of a gateway has ended before it was ready, as when Postgres is lost meanwhile."""
