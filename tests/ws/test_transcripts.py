"""The golden transcripts: real conversations, the same today as when they were written down.

`TALLYLIGHT_RECORD=1 .venv/bin/pytest tests/ws/test_transcripts.py` writes them anew; read the difference before you
commit it, for it is a change of the contract.
"""

import contextlib
import inspect
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from server.embedded.valkey import EmbeddedValkey
from server.ws.asyncapi import document
from tests.support.contract import faults_of
from tests.support.databases import Databases
from tests.support.fans import Fans
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.scenarios import SCENARIOS
from tests.support.scenarios.stage import Stage
from tests.support.transcripts import Transcript

FOLDER: Final = Path(__file__).with_name("transcripts")
BALANCE: Final = 50
HARD_TO_MEET: Final = {"snap"}
"""A slow reader gets it, when nobody can say (`test_slow_reader.py`)."""


def golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return content


def text_of(transcript: Transcript, about: str | None) -> str:
    """One line of the file for each line of the conversation."""
    lines = ",\n".join(f"    {json.dumps(line, ensure_ascii=False)}" for line in transcript.lines)
    return f'{{\n  "about": {json.dumps(about)},\n  "lines": [\n{lines}\n  ]\n}}\n'


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_conversation_is_as_it_was_written_down(
    fans: Fans, databases: Databases, valkey_server: EmbeddedValkey, name: str
) -> None:
    await fans.world.set_balance(BALANCE)
    postgres_url = databases.url(await fans.world.postgres.pool.fetchval("SELECT current_database()"))

    @contextlib.asynccontextmanager
    async def another_gateway() -> AsyncIterator[LocalGateway]:
        async with local_gateway(postgres_url, valkey_server.url) as running:
            yield running

    stage = Stage(fans, another_gateway, await fans.cookie())
    await SCENARIOS[name](stage)
    text = text_of(stage.transcript, inspect.getdoc(SCENARIOS[name]))
    if os.environ.get("TALLYLIGHT_RECORD"):
        (FOLDER / f"{name}.json").write_text(text)
    assert json.loads(text) == golden(name)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_golden_file_is_what_the_document_says(name: str) -> None:
    frames = [line.get("sent") or line.get("received") for line in golden(name)["lines"]]
    assert [fault for frame in frames if frame for fault in faults_of(frame)] == []


def test_every_kind_of_frame_is_met() -> None:
    lines = [line for name in SCENARIOS for line in golden(name)["lines"]]
    met = {frame["t"] for line in lines for frame in (line.get("sent"), line.get("received")) if frame}
    assert set(document()["components"]["messages"]) - {"batch"} - met == HARD_TO_MEET


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(SCENARIOS)
