"""As whom PostgreSQL runs: root, any other user, and `nobody` where a machine refuses user namespaces."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.embedded.accounts import OUTSIDE, choose_account, cluster_folder, open_to_all, reachable_binaries
from server.embedded.binaries import PostgresBinaries, find_postgres
from server.embedded.child import Account
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.postgres import DATABASE, EmbeddedPostgres
from tests.support.data_folders import DataFolders


@pytest.fixture
def binaries() -> PostgresBinaries:
    found = find_postgres()
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def nothing_is_left_outside() -> Iterator[None]:
    before = set(OUTSIDE.glob("*"))
    yield
    for path in set(OUTSIDE.glob("*")) - before:
        shutil.rmtree(path)


def allowed_accounts() -> list[Account]:
    """Those that this machine allows us; a user who is not root has only one."""
    found = find_postgres()
    assert found is not None
    return sorted({choose_account(found), Account.NOBODY if os.geteuid() == 0 else Account.SAME})


@pytest.mark.parametrize("account", allowed_accounts())
def test_it_runs_and_recovers_as_every_account(data_folders: DataFolders, account: Account) -> None:
    server = EmbeddedPostgres(data_folders.new(), account=account)
    server.start()
    assert server.psql.run("SELECT 1") == "1"
    server.kill()
    server.start()
    server.stop()


def test_another_account_takes_the_files_over(data_folders: DataFolders) -> None:
    folder = data_folders.new()
    for account in [*allowed_accounts(), *allowed_accounts()]:
        server = EmbeddedPostgres(folder, account=account)
        server.start()
        server.psql.run("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)", DATABASE)
        server.stop()
    server.start()
    assert server.psql.run("SELECT count(*) FROM kept", DATABASE) == str(2 * len(allowed_accounts()))
    server.stop()


def closed_copy(binaries: PostgresBinaries, folder: Path) -> PostgresBinaries:
    """The same programs at a place that only root can reach."""
    folder.chmod(0o700)
    package = binaries.installation.parent
    shutil.copytree(package, folder / package.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), folder / f"{package.name}.libs")
    return replace(binaries, folder=folder / package.name / binaries.installation.name / "bin")


@pytest.mark.root
def test_nobody_runs_what_only_root_can_reach(binaries: PostgresBinaries, tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder:
        server = EmbeddedPostgres(folder, binaries=closed_copy(binaries, tmp_path), account=Account.NOBODY)
        server.start()
        server.psql.run("CREATE TABLE kept (n int)", DATABASE)
        server.stop()
        assert open_to_all(server.cluster.files.parent)
        server.start()
        assert server.psql.run("SELECT count(*) FROM kept", DATABASE) == "0"
        server.stop()


@pytest.mark.root
def test_a_newer_wheel_in_the_same_place_is_copied_anew(binaries: PostgresBinaries, tmp_path: Path) -> None:
    closed = closed_copy(binaries, tmp_path)
    package = closed.installation.parent
    copies = []
    for version in ("18.1", "18.2"):
        about = package.with_name(f"{package.name}-{version}.dist-info")
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {version}\n")
        (package / "version").write_text(version)
        copy = reachable_binaries(closed, Account.NOBODY).installation.parent
        copies.append((copy / "version").read_text())
        shutil.rmtree(about)
    assert copies == ["18.1", "18.2"]


def test_a_machine_without_a_place_for_nobody_is_a_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "in the way").touch()
    with pytest.raises(PartFailed, match="in the way") as caught:
        cluster_folder(tmp_path / "data", Account.NOBODY, outside=tmp_path / "in the way")
    assert "TALLYLIGHT_DATA_DIR" in caught.value.remedy
