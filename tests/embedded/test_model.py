"""The small model: a real process with a real model, and what is said when it cannot start."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from server.app import _make_model
from server.commands.run import PLACEHOLDERS
from server.config import ModelConfig, read_config
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.model import MODEL_NAME, EmbeddedModel, installed_file
from server.llm.model import Model
from server.llm.prompts import Spoken, Window, fit
from server.llm.tokens import count
from tests.support.command_lines import command_lines_during
from tests.support.data_folders import DataFolders


@pytest.fixture
def folder(data_folders: DataFolders) -> DataFolder:
    return data_folders.new()


@pytest.mark.long
def test_it_answers_in_the_way_of_openai_and_ends_at_once(folder: DataFolder) -> None:
    assert installed_file() is not None, "scripts/setup run installs it"
    model = EmbeddedModel(folder)
    model.start()
    assert model.pid is not None
    process = psutil.Process(model.pid)
    request = {"model": MODEL_NAME, "max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}
    with httpx2.Client(base_url=model.url, timeout=60) as client:
        assert client.post("/chat/completions", json=request).status_code == 401
        client.headers["Authorization"] = f"Bearer {model.api_key}"
        answer = client.post("/chat/completions", json=request).json()
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] <= 8
    assert model.api_key not in str(process.cmdline())
    # Each thread has a priority of its own; answering must not be done by one of the first class.
    assert {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in process.threads()} == {10}
    model.stop()
    assert not process.is_running()


THAI = "ประภาคารแห่งนี้ตั้งอยู่บนเกาะเล็กๆกลางทะเล "
"""Its vocabulary has five times as many tokens for it as we count."""


def local_model(url: str, api_key: str) -> tuple[ModelConfig, Model]:
    """How the gateway reaches it."""
    environment = {"TALLYLIGHT_LLM": "local", "OPENAI_BASE_URL": url, "OPENAI_API_KEY": api_key}
    config = read_config(PLACEHOLDERS | environment | {"TALLYLIGHT_MODEL": MODEL_NAME}, drain_seconds=1.0).model
    return config, _make_model(config)


async def test_the_gateway_knows_that_it_is_made_for_english() -> None:
    _, model = local_model("http://127.0.0.1:1/v1", "key")
    assert model.english_only
    await model.aclose()


@pytest.fixture
def started(folder: DataFolder) -> Iterator[EmbeddedModel]:
    part = EmbeddedModel(folder)
    part.start()
    yield part
    part.stop()


@pytest.mark.long
async def test_it_takes_a_long_chat_in_a_script_that_it_does_not_know(started: EmbeddedModel) -> None:
    config, model = local_model(started.url, started.api_key)
    past = [Spoken("assistant" if turn % 2 else "user", THAI * 8, count(THAI * 8)) for turn in range(18)]
    assert sum(spoken.tokens for spoken in past) > 2_200
    messages = await fit("", "", past, Spoken("user", THAI, count(THAI)), Window.of(model, config.answer_tokens))
    stream = model.stream(messages, 8)
    assert await stream.read()
    await stream.aclose()
    await model.aclose()


def test_another_file_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF and then something else")
    with pytest.raises(PartFailed, match="not the file that this version knows") as caught:
        EmbeddedModel(folder, file=file).start()
    assert "OPENAI_API_KEY" in caught.value.remedy


def test_the_key_is_on_no_command_line_while_it_starts(folder: DataFolder, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF and then something else")
    model = EmbeddedModel(folder, file=file)

    def start() -> None:
        with pytest.raises(PartFailed):
            model.start()

    assert model.api_key not in command_lines_during(start)


def test_a_missing_file_is_told(folder: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(PartFailed, match="is missing"):
        EmbeddedModel(folder, file=tmp_path / "model.gguf").start()
