"""Fixtures of the whole suite: real servers in a temporary folder, a fresh database and an empty Valkey per test.

Durability against a power cut is switched off (`fsync`), as no test cuts the power: what a killed process wrote is kept
by the kernel all the same. `synchronous_commit` stays as in production.
"""

import os
from collections.abc import Iterator

import pytest

from server.embedded.data_folder import DataFolder
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.storage.migrate import upgrade
from tests.support.data_folders import DataFolders
from tests.support.databases import Databases

POSTGRES_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    # In files, which go with the data folder: a killed server leaves its shared memory behind.
    "dynamic_shared_memory_type": "mmap",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what only root can do, unless that is who we are, and puts the rest in order."""
    if os.geteuid() != 0:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("root")])
        items[:] = [item for item in items if not item.get_closest_marker("root")]
    # The files with the longest tests first, or one worker is at them when the other has nothing left.
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def data_folders() -> Iterator[DataFolders]:
    """Makes data folders that are held by this process and gone after the run."""
    folders = DataFolders()
    yield folders
    folders.remove_all()


@pytest.fixture(scope="session")
def session_folder(data_folders: DataFolders) -> DataFolder:
    """The data folder of the servers that all tests share."""
    return data_folders.new()


@pytest.fixture(scope="session")
def postgres_server(session_folder: DataFolder) -> Iterator[EmbeddedPostgres]:
    """The PostgreSQL that all tests share; nobody may stop it."""
    server = EmbeddedPostgres(session_folder, POSTGRES_SETTINGS)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def databases(postgres_server: EmbeddedPostgres) -> Iterator[Databases]:
    """The databases on the shared PostgreSQL, with the migrated one that the others are copies of."""
    made = Databases(postgres_server)
    made.prepare()
    yield made
    made.close()


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
    databases.close()


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
def disposable_postgres(data_folders: DataFolders) -> Iterator[EmbeddedPostgres]:
    """A migrated PostgreSQL of this test's own (`url`), to `kill`, `stop` and `start` again at the same address.

    Start it from the main thread.
    """
    server = EmbeddedPostgres(data_folders.new(), POSTGRES_SETTINGS)
    server.start()
    upgrade(server.url)
    yield server
    server.stop()


@pytest.fixture
def disposable_valkey(data_folders: DataFolders) -> Iterator[EmbeddedValkey]:
    """A Valkey of this test's own (`url`), to `kill`, `stop` and `start` again at the same address.

    Start it from the main thread.
    """
    server = EmbeddedValkey(data_folders.new())
    server.start()
    yield server
    server.stop()
