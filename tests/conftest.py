"""Fixtures of the whole suite: real servers in a temporary folder, a fresh database and an empty Valkey per test.

Durability against a power cut is switched off (`fsync`), as no test cuts the power: what a killed process wrote is kept
by the kernel all the same. `synchronous_commit` stays as in production.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.embedded.data_folder import DataFolder
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.storage.migrate import upgrade
from tests.support.databases import Databases

POSTGRES_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
}
MEMORY = Path("/dev/shm")
MEMORY_NEEDED_BYTES = 2 * 1024**3


def memory_or_disk() -> Path | None:
    """Where data folders of tests go: a database is made in 10 ms in memory, in 250 ms on a disk. None is the usual
    place for temporary files."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED_BYTES:
        return MEMORY
    return None


@pytest.fixture(scope="session")
def new_data_folder() -> Iterator[Callable[[], DataFolder]]:
    """Makes locked data folders that are gone after the run, at a place that every account can reach."""
    made: list[DataFolder] = []

    def make() -> DataFolder:
        folder = DataFolder(Path(tempfile.mkdtemp(prefix="tallylight-test-", dir=memory_or_disk())))
        folder.lock()
        made.append(folder)
        return folder

    yield make
    for folder in made:
        folder.release()
        shutil.rmtree(folder.path)


@pytest.fixture(scope="session")
def session_folder(new_data_folder: Callable[[], DataFolder]) -> DataFolder:
    """The data folder of the servers that all tests share."""
    return new_data_folder()


@pytest.fixture(scope="session")
def postgres_server(session_folder: DataFolder) -> Iterator[EmbeddedPostgres]:
    """The PostgreSQL that all tests share; nobody may stop it."""
    server = EmbeddedPostgres(session_folder, POSTGRES_SETTINGS)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def databases(postgres_server: EmbeddedPostgres) -> Databases:
    """The databases on the shared PostgreSQL, with the migrated one that the others are copies of."""
    made = Databases(postgres_server)
    made.prepare()
    return made


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """The address of a migrated database of this test's own."""
    name = databases.create()
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture
def empty_postgres_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The address of a database of this test's own that has no tables yet."""
    databases = Databases(postgres_server)
    databases.create_empty("without_tables")
    yield databases.url("without_tables")
    databases.drop("without_tables")


@pytest.fixture(scope="session")
def valkey_server(session_folder: DataFolder) -> Iterator[EmbeddedValkey]:
    """The Valkey that all tests share; nobody may stop or configure it."""
    server = EmbeddedValkey(session_folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey_server: EmbeddedValkey) -> str:
    """The address of the shared Valkey, emptied for this test.

    Emptied, rather than a numbered database, because a cluster has only number 0.
    """
    valkey_server.resp.run("FLUSHALL")
    valkey_server.resp.run("SCRIPT", "FLUSH")
    return valkey_server.url


@pytest.fixture
def disposable_postgres(new_data_folder: Callable[[], DataFolder]) -> Iterator[EmbeddedPostgres]:
    """A migrated PostgreSQL of this test's own (`url`), to `kill`, `stop` and `start` again at the same address.

    Start it from the main thread.
    """
    server = EmbeddedPostgres(new_data_folder(), POSTGRES_SETTINGS)
    server.start()
    upgrade(server.url)
    yield server
    server.stop()


@pytest.fixture
def disposable_valkey(new_data_folder: Callable[[], DataFolder]) -> Iterator[EmbeddedValkey]:
    """A Valkey of this test's own (`url`), to `kill`, `stop` and `start` again at the same address.

    Start it from the main thread.
    """
    server = EmbeddedValkey(new_data_folder())
    server.start()
    yield server
    server.stop()
