"""The scripted server, and every way to reach a model."""

from collections.abc import AsyncIterator

import pytest

from server.llm.model import Model
from server.llm.openai_model import OpenAIModel, OpenAIOptions
from server.llm.script import Pace
from server.llm.scripted_model import ScriptedModel
from server.llm.scripted_server import ScriptedServer

PACE = Pace(tokens_per_second=2_000, delay_ms=0)
KEY = "sk-this-is-secret"


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedServer]:
    """A scripted server on a free port."""
    server = ScriptedServer(PACE)
    await server.start()
    yield server
    await server.stop()


def options_for(base_url: str, **changes: object) -> OpenAIOptions:
    """How to reach a server; the provider's errors are not tried again unless asked for."""
    return OpenAIOptions(**{"model": "scripted", "api_key": KEY, "base_url": base_url, "max_retries": 0, **changes})  # type: ignore[arg-type]


@pytest.fixture(params=["in process", "over http", "through a proxy"])
async def model(
    request: pytest.FixtureRequest, upstream: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Model]:
    """The same model, reached in three ways. The server serves as a proxy too, for a host that does not exist."""
    made: Model
    if request.param == "in process":
        made = ScriptedModel(pace=PACE)
    elif request.param == "over http":
        made = OpenAIModel(options_for(upstream.base_url))
    else:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{upstream.port}")
        made = OpenAIModel(options_for("http://model.test/v1"))
    yield made
    await made.aclose()
