"""A Redis client that waits: for tests of what it answers, not of when it does not."""

from typing import Final

from server.storage.redis import RedisLimits

PATIENT_REDIS: Final = RedisLimits(socket_timeout_seconds=20.0, command_timeout_seconds=20.0)
"""Half a second is nothing on two cores that run other tests too."""
