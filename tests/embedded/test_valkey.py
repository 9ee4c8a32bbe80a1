"""The embedded Valkey: real processes, ended in every way."""

import socket
from pathlib import Path

import psutil
import pytest

from server.embedded.binaries import RedisBinary
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.resp import CommandFailed, Resp
from server.embedded.valkey import EmbeddedValkey
from tests.support.data_folders import DataFolders


@pytest.fixture
def folder(data_folders: DataFolders) -> DataFolder:
    return data_folders.new()


def test_data_survive_a_stop_and_a_crash(disposable_valkey: EmbeddedValkey) -> None:
    server = disposable_valkey
    address = server.url
    server.resp.run("SET", "kept", "1")
    server.stop()
    server.start()
    assert server.resp.run("INCR", "kept") == "2"
    server.kill()
    server.start()
    assert server.url == address
    # What was written within the last second may be lost in a crash; an appended file is read by the kernel's leave.
    assert server.resp.run("GET", "kept")


def test_nobody_gets_in_without_the_password(valkey_server: EmbeddedValkey) -> None:
    with pytest.raises(CommandFailed, match="WRONGPASS"):
        Resp(valkey_server.resp.port, "guess").run("PING")


def test_the_password_is_on_no_command_line(valkey_server: EmbeddedValkey) -> None:
    assert valkey_server.pid is not None
    assert valkey_server.resp.password not in str(psutil.Process(valkey_server.pid).cmdline())


def test_a_command_that_is_refused_says_why(valkey_server: EmbeddedValkey) -> None:
    with pytest.raises(CommandFailed, match="unknown command"):
        valkey_server.resp.run("NONSENSE")


def test_a_taken_port_gives_way_to_another(folder: DataFolder) -> None:
    server = EmbeddedValkey(folder)
    with socket.create_server(("127.0.0.1", folder.port("valkey"))) as stranger:
        server.start()
        assert server.resp.port != stranger.getsockname()[1]
        server.stop()


def test_a_port_that_is_taken_in_the_last_moment_gives_way_too(
    data_folders: DataFolders, valkey_server: EmbeddedValkey
) -> None:
    stranger = valkey_server.resp.port

    class Unlucky(DataFolder):
        def port(self, name: str, *, other: bool = False) -> int:
            return super().port(name, other=other) if other else stranger

    server = EmbeddedValkey(Unlucky(data_folders.new().path))
    server.start()
    assert server.resp.port != stranger
    server.stop()


def test_what_runs_on_the_files_without_an_owner_is_ended(folder: DataFolder) -> None:
    left_over, server = EmbeddedValkey(folder), EmbeddedValkey(folder)
    left_over.start()
    server.start()
    assert left_over.pid is None
    assert server.resp.run("PING") == "PONG"
    server.stop()


@pytest.mark.parametrize(
    ("script", "reason"), [("not a program", "Exec format error"), ("#!/bin/sh\nexit 3\n", "code 3")]
)
def test_a_broken_program_is_a_clear_error(folder: DataFolder, tmp_path: Path, script: str, reason: str) -> None:
    program = tmp_path / "valkey-server"
    program.write_text(script)
    program.chmod(0o755)
    with pytest.raises(PartFailed) as caught:
        EmbeddedValkey(folder, binary=RedisBinary(program, "a test")).start()
    assert caught.value.part == "Valkey"
    assert reason in caught.value.reason
    assert "TALLYLIGHT_REDIS_URL" in caught.value.remedy


def test_a_wrong_setting_is_a_clear_error(folder: DataFolder) -> None:
    with pytest.raises(PartFailed, match="appendfsync"):
        EmbeddedValkey(folder, {"appendfsync": "sometimes"}).start()


def test_a_path_with_quotes_and_spaces_is_no_trouble(data_folders: DataFolders) -> None:
    folder = DataFolder(data_folders.new().path / 'a "quoted" \\ name')
    with folder:
        server = EmbeddedValkey(folder)
        server.start()
        assert server.resp.run("PING") == "PONG"
        server.stop()
