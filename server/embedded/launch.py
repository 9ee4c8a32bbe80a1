"""Becomes another program, tied to the life of the process that started it.

Run as a script, in a fresh interpreter, with one argument: a JSON object with the keys of `Orders` in `child.py`. Of
the environment it holds the names only: the values, secrets among them, are in the environment of this process. It
prepares this process and then replaces it by the program, so the pid stays that of the child. It is a script, and not
a ``preexec_fn``, because running Python between fork and exec is unsafe once there are threads.

The end of the parent is noticed by the kernel (``prctl(PR_SET_PDEATHSIG)``, see prctl(2)), SIGKILL included. The
kernel's notion of parent is the *thread* that forked, so children are started from the main thread.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
NOBODY = 65_534


def become(orders: dict[str, Any]) -> None:
    """Carries the orders out; does not return unless it raises."""
    if orders["account"] == "namespace":
        enter_user_namespace()
    elif orders["account"] == "nobody":
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    # Last, because a change of user clears it.
    if sys.platform == "linux" and orders["death_signal"]:
        die_with_parent(orders["death_signal"], orders["parent_pid"])
    # By name, because the interpreter may have added some of its own.
    environment = {name: text for name, text in os.environ.items() if name in orders["env"]}
    os.execve(orders["argv"][0], orders["argv"], environment)  # noqa: S606 - no shell is meant


def enter_user_namespace() -> None:
    """Makes this process the user `nobody` of a namespace of its own, while the kernel still sees the same user: a
    program that refuses to run as root runs, and reads and writes what root may."""
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"user namespaces are refused here: {os.strerror(code)}")
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{NOBODY} {uid} 1")
    (own / "gid_map").write_text(f"{NOBODY} {gid} 1")


def die_with_parent(signal_number: int, parent_pid: int) -> None:
    """Asks the kernel for a signal when the parent ends, and leaves at once if it has ended already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal_number) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    try:
        become(json.loads(sys.argv[1]))
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}\n")
        sys.exit(126)
