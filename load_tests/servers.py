"""The servers under test, each as a process of its own on the server's core: Tallylight as in production, and the bare
one beside it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from load_tests import machine
from load_tests.stage import ROOT, Stage, python_process, wait_until_answered
from server.embedded.ports import LOOPBACK, free_port

SETTINGS: Final = {
    # One address stands for up to 200 fans, and a stamp is two tokens in the place of one.
    "TALLYLIGHT_SETTING_CHAT_VISITOR_CHATS_PER_DAY": "1000000",
    "TALLYLIGHT_SETTING_LIMITS_FACTOR": "100000",
    "TALLYLIGHT_SETTING_CHAT_ANSWER_TOKENS": "50000",
}
"""What is raised above the defaults."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server under test that answers.

    Attributes:
        url: its http address.
        pid: of its one process.
    """

    name: str
    url: str
    pid: int


StartServer = Callable[[Stage], AbstractContextManager[RunningServer]]


@contextlib.contextmanager
def tallylight(stage: Stage, name: str = "tallylight", code: Path = ROOT) -> Iterator[RunningServer]:
    """`tallylight serve` with everything on.

    Args:
        name: what the report calls it.
        code: the checkout that it runs from; its tables are the same as ours.
    """
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    environment = {
        "TALLYLIGHT_ENV": "production",
        "TALLYLIGHT_PUBLIC_URL": url,
        "TALLYLIGHT_DATABASE_URL": stage.postgres_url,
        "TALLYLIGHT_REDIS_URL": stage.redis_url,
        "TALLYLIGHT_SECRET": "a secret of the load tests, no other",
        "TALLYLIGHT_LLM": "openai",
        "TALLYLIGHT_MODEL": "scripted",
        "OPENAI_BASE_URL": stage.model_url,
        "OPENAI_API_KEY": "none",
        **SETTINGS,
        "PYTHONPATH": str(code),
    }
    arguments = ("server", "serve", "--host", LOOPBACK, "--port", str(port))
    log = stage.logs / "tallylight.log"
    with python_process(arguments, log, machine.SERVER_CORE, environment) as child:
        wait_until_answered(f"{url}/readyz", child)
        yield RunningServer(name, url, child.pid)


@contextlib.contextmanager
def bare(stage: Stage) -> Iterator[RunningServer]:
    """The least that could pass tokens on, see `load_tests.bare`."""
    port = free_port()
    arguments = ("load_tests.bare", "--port", str(port), "--model-url", stage.model_url)
    with python_process(arguments, stage.logs / "bare.log", machine.SERVER_CORE) as child:
        wait_until_answered(f"http://{LOOPBACK}:{port}/readyz", child)
        yield RunningServer("bare", f"http://{LOOPBACK}:{port}", child.pid)


def contestants(names: Sequence[str], beside: Path | None) -> Sequence[StartServer]:
    """The servers to measure in turns, the bare one first.

    Args:
        names: ``bare``, ``tallylight``, or both.
        beside: another checkout of Tallylight, such as the commit before a change; None: there is none.
    """
    servers: dict[str, StartServer] = {"bare": bare, "tallylight": tallylight}
    chosen = [start for name, start in servers.items() if name in names]
    return chosen if beside is None else [*chosen, partial(tallylight, name="beside", code=beside.resolve())]
