"""The small model: a real process with a real model, and what is said when it cannot start."""

import os
from pathlib import Path

import httpx2
import psutil
import pytest

from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.model import MODEL_NAME, EmbeddedModel, installed_file
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
