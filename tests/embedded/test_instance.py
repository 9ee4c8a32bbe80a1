"""The embedded parts together: started, revived and ended as one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from server.embedded.binaries import RedisBinary
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.instance import MOST_REVIVALS, Instance, find_instance
from server.embedded.model import EmbeddedModel
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from tests.support.data_folders import DataFolders


@pytest.fixture
def folder(data_folders: DataFolders) -> DataFolder:
    return data_folders.new()


@pytest.fixture
def instance(folder: DataFolder) -> Iterator[Instance]:
    made = Instance(folder, postgres=EmbeddedPostgres(folder), valkey=EmbeddedValkey(folder), model=None)
    yield made
    made.stop(5.0)


def test_both_servers_become_ready_and_end_in_time(instance: Instance) -> None:
    started = list(instance.start_servers())
    assert [part.name for part in started] == ["PostgreSQL", "Valkey"]
    assert all(part.seconds > 0 and part.version[0].isdigit() for part in started)
    assert instance.await_model() is None
    instance.stop(5.0)
    assert [part.pid for part in instance.parts] == [None, None]


def test_no_time_at_all_ends_them_too(instance: Instance) -> None:
    list(instance.start_servers())
    instance.stop(0.0)
    assert [part.pid for part in instance.parts] == [None, None]
    # What was cut off recovers.
    list(instance.start_servers())


def test_what_it_publishes_is_forgotten_at_the_end(instance: Instance, folder: DataFolder) -> None:
    instance.publish({"address": "http://127.0.0.1:8420"})
    assert find_instance(folder.path) == {"address": "http://127.0.0.1:8420"}
    instance.stop(1.0)
    assert find_instance(folder.path) is None


def test_a_server_that_cannot_start_is_an_error(folder: DataFolder, tmp_path: Path) -> None:
    broken = EmbeddedValkey(folder, binary=RedisBinary(tmp_path / "none", "a test"))
    instance = Instance(folder, postgres=EmbeddedPostgres(folder), valkey=broken, model=None)
    with pytest.raises(PartFailed, match="Valkey"):
        list(instance.start_servers())
    instance.stop(5.0)
    assert instance.parts[0].pid is None


@pytest.mark.parametrize("content", [None, b"something else"])
def test_a_model_that_cannot_start_is_told_and_done_without(
    folder: DataFolder, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)
    instance = Instance(folder, postgres=None, valkey=None, model=EmbeddedModel(folder, file=file))
    assert list(instance.start_servers()) == []
    assert isinstance(instance.await_model(), PartFailed)
    assert instance.parts == []


@pytest.fixture
def lone(folder: DataFolder) -> Iterator[Instance]:
    """An instance of one part, which runs."""
    made = Instance(folder, postgres=None, valkey=EmbeddedValkey(folder), model=None)
    list(made.start_servers())
    yield made
    made.stop(5.0)


async def test_a_part_that_ends_again_and_again_is_given_up(lone: Instance) -> None:
    assert await lone.revive() == []
    for _ in range(MOST_REVIVALS):
        lone.parts[0].kill()
        assert await lone.revive() == ["Valkey"]
        lone.parts[0].wait_ready()
    lone.parts[0].kill()
    with pytest.raises(PartFailed, match="it ended 5 times"):
        await lone.revive()


async def test_the_event_loop_goes_on_while_a_part_is_revived(lone: Instance) -> None:
    lone.parts[0].kill()
    reviving = asyncio.ensure_future(lone.revive())
    turns = 0
    while not reviving.done():
        turns += 1
        await asyncio.sleep(0)
    assert await reviving == ["Valkey"]
    assert turns > 10


async def test_a_part_that_was_revived_outlives_the_thread_that_prepared_it(lone: Instance) -> None:
    lone.parts[0].kill()
    await lone.revive()
    lone.parts[0].wait_ready()
    await asyncio.get_running_loop().shutdown_default_executor()
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(lone.parts[0].pid).wait(1.0)
