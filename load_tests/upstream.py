"""The model of the load tests as a process of its own: the scripted server, with a stamp in every token.

`python -m load_tests.upstream --port 18431`. It serves until it gets a signal.
"""

import argparse
import asyncio

import uvloop

from load_tests.stamps import stamped
from server.llm.script import Pace
from server.llm.scripted_server import ScriptedServer


async def serve(port: int, pace: Pace) -> None:
    """Serves on that port of loopback until it is cancelled."""
    server = ScriptedServer(pace, retouch=stamped)
    await server.start(port)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await server.stop()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A scripted model on loopback that stamps its tokens.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="tokens a second of each answer")
    parser.add_argument("--delay-ms", type=float, required=True, help="before the first token")
    asked = parser.parse_args()
    uvloop.run(serve(asked.port, Pace(asked.rate, asked.delay_ms)))


if __name__ == "__main__":
    main()
