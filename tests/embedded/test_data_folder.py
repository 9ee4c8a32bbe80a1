"""The folder of an embedded instance: whose it is, and what it keeps."""

import socket
import stat
from pathlib import Path

import pytest

from server.embedded.data_folder import DataFolder
from server.embedded.errors import AlreadyRunning, FolderUnusable
from server.embedded.instance import find_instance


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "made" / "on the way")


def test_it_is_for_its_owner_only(folder: DataFolder) -> None:
    with folder:
        folder.secret("door")
        folder.write_json("instance.json", {"address": "here"})
        assert mode(folder.path) == 0o700
        assert mode(folder.path / "secrets" / "door") == 0o600
        assert mode(folder.path / "instance.json") == 0o600


def test_an_empty_folder_and_one_of_ours_are_closed_to_others(tmp_path: Path) -> None:
    for _ in range(2):
        tmp_path.chmod(0o755)
        with DataFolder(tmp_path):
            assert mode(tmp_path) == 0o700


def test_a_folder_of_other_things_stays_open_to_others_and_is_refused(tmp_path: Path) -> None:
    (tmp_path / "somebody's").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(FolderUnusable, match="other things"):
        DataFolder(tmp_path).lock()
    assert mode(tmp_path) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["somebody's"]


def test_a_secret_stays_the_same_and_differs_from_others(folder: DataFolder) -> None:
    with folder:
        first = folder.secret("door")
        assert len(first) >= 32
        assert folder.secret("door") == first
        assert DataFolder(folder.path).secret("door") == first
        assert folder.secret("window") != first


def test_a_second_holder_is_told_where_the_first_one_answers(folder: DataFolder) -> None:
    with folder:
        with pytest.raises(AlreadyRunning, match="still starting"):
            DataFolder(folder.path).lock()
        folder.write_json("instance.json", {"address": "http://127.0.0.1:8420/"})
        with pytest.raises(AlreadyRunning, match=r"http://127\.0\.0\.1:8420/"):
            DataFolder(folder.path).lock()


def test_it_can_be_held_again_after_its_release(folder: DataFolder) -> None:
    with folder:
        folder.write_json("instance.json", {"address": "old"})
    with DataFolder(folder.path) as again:
        assert again.read_json("instance.json") is None


def test_an_instance_is_found_only_while_it_runs(folder: DataFolder) -> None:
    assert find_instance(folder.path) is None
    with folder:
        assert find_instance(folder.path) is None
        folder.write_json("instance.json", {"address": "here"})
        assert find_instance(folder.path) == {"address": "here"}
    assert find_instance(folder.path) is None


def test_a_port_is_kept_until_somebody_else_has_it(folder: DataFolder) -> None:
    with folder:
        port = folder.port("postgres")
        assert port < 32_768
        assert DataFolder(folder.path).port("postgres") == port
        with socket.create_server(("127.0.0.1", port)):
            other = folder.port("postgres")
        assert other != port
        assert folder.port("postgres") == other


def test_two_parts_have_two_ports(folder: DataFolder) -> None:
    with folder:
        assert folder.port("postgres") != folder.port("valkey")


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00\xff"])
def test_a_file_that_is_not_whole_counts_as_none(folder: DataFolder, content: str) -> None:
    with folder:
        (folder.path / "ports.json").write_text(content)
        assert folder.read_json("ports.json") is None
        assert folder.port("postgres") == folder.port("postgres")
