"""What we did not write ourselves: unaltered, licensed, and calling nobody."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
VENDOR = STATIC / "vendor"
LOCK: dict[str, dict[str, object]] = json.loads((VENDOR / "vendor.lock.json").read_text())

TEXT_SUFFIXES = {".js", ".css", ".svg", ".json", ".html"}
ADDRESS = re.compile(r"(?:https?:|wss?:)?//([\w-]+(?:\.[\w-]+)+)")
NOT_LOADED = {
    "marked-18.2.1.js": {"github.com"},  # in its banner and in an error text
    "badges.svg": {"www.w3.org"},  # the name of the SVG namespace
    "icon.svg": {"www.w3.org"},
}


def files_of(package: str) -> dict[str, str]:
    files = LOCK[package]["files"]
    assert isinstance(files, dict)
    return files


@pytest.mark.parametrize("package", LOCK)
def test_every_file_of_a_package_has_the_hash_in_the_lock(package: str) -> None:
    for name, expected in files_of(package).items():
        digest = base64.b64encode(hashlib.sha384((VENDOR / name).read_bytes()).digest()).decode()
        assert f"sha384-{digest}" == expected, name


@pytest.mark.parametrize("package", LOCK)
def test_every_package_brings_its_licence(package: str) -> None:
    licences = [name for name in files_of(package) if name.endswith(".LICENSE.txt")]
    assert licences
    text = (VENDOR / licences[0]).read_text()
    assert {"MIT": "Permission is hereby granted", "OFL-1.1": "SIL OPEN FONT LICENSE"}[
        str(LOCK[package]["licence"])
    ] in text


def test_nothing_lies_in_the_folder_that_the_lock_does_not_name() -> None:
    locked = {name for package in LOCK for name in files_of(package)}
    assert {path.name for path in VENDOR.iterdir()} == locked | {"vendor.lock.json"}


def test_the_lock_names_no_address() -> None:
    assert "://" not in (VENDOR / "vendor.lock.json").read_text()


@pytest.mark.parametrize("path", sorted(path for path in STATIC.rglob("*") if path.suffix in TEXT_SUFFIXES), ids=str)
def test_no_file_names_a_host_of_somebody_else(path: Path) -> None:
    assert set(ADDRESS.findall(path.read_text())) <= NOT_LOADED.get(path.name, set())
