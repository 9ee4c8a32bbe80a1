"""The embedded PostgreSQL: real processes, ended in every way."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from server.embedded.binaries import PostgresBinaries
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.postgres import DATABASE, EmbeddedPostgres
from server.embedded.psql import Psql, SqlFailed
from tests.support.command_lines import command_lines_during
from tests.support.data_folders import DataFolders
from tests.support.waiting import wait_for


@pytest.fixture
def folder(data_folders: DataFolders) -> DataFolder:
    return data_folders.new()


def broken_binaries(folder: Path, script: str) -> PostgresBinaries:
    for name in ("postgres", "initdb", "psql"):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return PostgresBinaries(folder, "a test")


def test_data_survive_a_stop_and_a_crash(disposable_postgres: EmbeddedPostgres) -> None:
    server = disposable_postgres
    address = server.url
    server.psql.run("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)", DATABASE)
    server.stop()
    assert server.pid is None
    server.start()
    server.psql.run("INSERT INTO kept VALUES (2)", DATABASE)
    server.kill()
    server.start()
    assert server.url == address
    assert server.psql.run("SELECT count(*) FROM kept", DATABASE) == "2"


def test_it_is_as_safe_as_production(folder: DataFolder) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        for setting in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert server.psql.run(f"SHOW {setting}") == "on", setting
        assert server.psql.run("SHOW listen_addresses") == "127.0.0.1"
        assert server.psql.run("SHOW server_encoding") == "UTF8"
    finally:
        server.stop()


def test_nobody_gets_in_without_the_password(postgres_server: EmbeddedPostgres) -> None:
    way_in = postgres_server.psql
    with pytest.raises(SqlFailed, match="password authentication failed"):
        Psql(way_in.program, way_in.port, "guess").run("SELECT 1")


def test_the_password_is_on_no_command_line(postgres_server: EmbeddedPostgres) -> None:
    assert postgres_server.pid is not None
    process = psutil.Process(postgres_server.pid)
    lines = [process.cmdline(), *(child.cmdline() for child in process.children())]
    assert postgres_server.psql.password not in str(lines)


def test_the_password_is_on_no_command_line_while_a_program_starts(postgres_server: EmbeddedPostgres) -> None:
    lines = command_lines_during(lambda: postgres_server.psql.run("SELECT 1"))
    assert postgres_server.psql.password not in lines


def test_it_runs_in_a_session_of_its_own(postgres_server: EmbeddedPostgres) -> None:
    assert postgres_server.pid is not None
    assert os.getsid(postgres_server.pid) == postgres_server.pid


def test_a_statement_that_fails_says_why(postgres_server: EmbeddedPostgres) -> None:
    with pytest.raises(SqlFailed, match='relation "nothing" does not exist'):
        postgres_server.psql.run("SELECT * FROM nothing")


def test_a_taken_port_gives_way_to_another(folder: DataFolder) -> None:
    server = EmbeddedPostgres(folder)
    with socket.create_server(("127.0.0.1", folder.port("postgres"))) as stranger:
        server.start()
        assert server.psql.port != stranger.getsockname()[1]
        server.stop()


def test_a_port_that_is_taken_in_the_last_moment_gives_way_too(
    data_folders: DataFolders, postgres_server: EmbeddedPostgres
) -> None:
    stranger = postgres_server.psql.port

    class Unlucky(DataFolder):
        def port(self, name: str, *, other: bool = False) -> int:
            return super().port(name, other=other) if other else stranger

    folder = Unlucky(data_folders.new().path)
    server = EmbeddedPostgres(folder)
    server.start()
    assert server.psql.port != stranger
    server.stop()


def test_what_runs_on_the_files_without_an_owner_is_ended(folder: DataFolder) -> None:
    left_over, server = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    left_over.start()
    server.start()
    assert left_over.pid is None
    assert server.psql.run("SELECT 1") == "1"
    server.stop()


def test_a_stranger_with_the_number_of_the_last_server_is_left_alone(disposable_postgres: EmbeddedPostgres) -> None:
    server = disposable_postgres
    server.kill()
    lock = server.cluster.files / "postmaster.pid"
    lines = lock.read_text().splitlines()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        lock.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        server.start()
        assert stranger.poll() is None
        stranger.kill()


def test_a_start_that_was_cut_short_is_begun_again(folder: DataFolder) -> None:
    half_made = folder.folder("postgres.new")
    (half_made / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("not a program", "Exec format error"),
        ("#!/bin/sh\necho no library >&2\nexit 127\n", "no library"),
        ("#!/bin/sh\nkill -SEGV $$\n", "code -11"),
    ],
)
def test_a_broken_program_is_a_clear_error(folder: DataFolder, tmp_path: Path, script: str, reason: str) -> None:
    tmp_path.chmod(0o755)
    server = EmbeddedPostgres(folder, binaries=broken_binaries(tmp_path, script))
    with pytest.raises(PartFailed) as caught:
        server.start()
    assert caught.value.part == "PostgreSQL"
    assert reason in caught.value.reason
    assert "TALLYLIGHT_DATABASE_URL" in caught.value.remedy


def test_a_wrong_setting_is_a_clear_error(folder: DataFolder) -> None:
    with pytest.raises(PartFailed, match="max_connections"):
        EmbeddedPostgres(folder, {"max_connections": "many"}).start()


def test_files_of_another_version_are_a_clear_error(disposable_postgres: EmbeddedPostgres) -> None:
    disposable_postgres.stop()
    (disposable_postgres.cluster.files / "PG_VERSION").write_text("12\n")
    with pytest.raises(PartFailed, match=r"PostgreSQL 12, and this one is"):
        disposable_postgres.start()


def test_a_lost_password_is_a_clear_error(disposable_postgres: EmbeddedPostgres) -> None:
    folder = disposable_postgres.cluster.files.parent
    disposable_postgres.stop()
    (folder / "secrets" / "postgres-password").unlink()
    with pytest.raises(PartFailed, match="password authentication failed"):
        disposable_postgres.start()


def test_a_client_in_a_transaction_does_not_hold_up_the_end(disposable_postgres: EmbeddedPostgres) -> None:
    server = disposable_postgres
    argv = [str(server.psql.program), "-X", "-q", server.url]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as client:
        assert client.stdin is not None
        client.stdin.write("BEGIN; CREATE TABLE held (n int);\n")
        client.stdin.flush()
        wait_for(lambda: server.psql.run("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'"))
        server.stop()
        assert server.pid is None
        client.send_signal(signal.SIGKILL)
