"""Free ports on the loopback address, below the range that the kernel hands to clients."""

import random
import socket
from collections.abc import Collection

LOOPBACK = "127.0.0.1"
LOWEST_PORT = 15_000
HIGHEST_PORT = 32_767
"""Linux takes the ports of outgoing connections from 32,768 up: one of those may be taken between two of our starts."""

ATTEMPTS = 200


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now; connections of an earlier server that are still fading do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(exclude: Collection[int] = ()) -> int:
    """A port that nothing listens on, other than those excluded.

    Somebody else may take it before the caller does: start the server, and ask again when it says that it is taken.

    Raises:
        OSError: none of many random candidates was free.
    """
    for _ in range(ATTEMPTS):
        port = random.randint(LOWEST_PORT, HIGHEST_PORT)  # noqa: S311 - no secret hangs on it
        if port not in exclude and is_free(port):
            return port
    raise OSError(f"No free port on {LOOPBACK} between {LOWEST_PORT} and {HIGHEST_PORT}.")
