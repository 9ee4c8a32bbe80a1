"""Gives birth to gateway processes in a tenth of the time that a new Python needs.

`python -m tests.support.gateway_nest` imports and reads everything once; each line on its input,
`{"environment": {…}, "log": "…"}`, forks a process that serves as `tallylight serve` does and says where on its output,
`{"pid": …, "port": …}`. When the input ends, as it does when the tests are gone, so do all of them.
"""

import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping

from server.api.contract import rest_document
from server.app import create_app
from server.config import read_config
from server.llm.tokens import encoding
from server.logs import configure_logs
from server.serving import address_of, listen, serve
from server.ws import asyncapi

DRAIN_SECONDS = 3.0


def main() -> None:
    """Fork a gateway for each line; nobody waits for them, so the system may forget them at once."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    encoding()
    rest_document()
    asyncapi.document()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork() == 0:
            _be_a_gateway(order["environment"], order["log"])
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _be_a_gateway(environment: Mapping[str, str], log: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(environment)
    with listen("127.0.0.1", 0) as listener:
        sys.stdout.write(json.dumps({"pid": os.getpid(), "port": listener.getsockname()[1]}) + "\n")
        sys.stdout.flush()
        _write_to(log)
        configure_logs(json_lines=False, level=logging.INFO)
        config = read_config(os.environ, drain_seconds=DRAIN_SECONDS)
        try:
            serve(create_app(config, own_url=address_of(listener)), listener, drain_seconds=config.drain_seconds)
        finally:
            sys.stderr.flush()
            os._exit(0)


def _write_to(log: str) -> None:
    """Nothing but the log is shared with the nest: its pipes must end with it."""
    nothing, file = os.open(os.devnull, os.O_RDWR), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)


if __name__ == "__main__":
    main()
