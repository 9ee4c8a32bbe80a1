"""The machine while something is measured on it: CPU of each group of processes, steal, and who else was busy."""

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil

STEAL_MAX: Final = 0.08
"""Of one core: a phase in which the hypervisor took more says little about delays."""
FOREIGN_MAX: Final = 0.08
"""The same for processes that are no part of the test, on the core of the server under test."""
BENCH_BUSY_MAX: Final = 0.9
"""Above this the core of upstream and fans is the bottleneck, and the server is not what was measured."""

SERVER_CORE: Final = 0
BENCH_CORE: Final = 1


_CORES: Final = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
CAN_PIN: Final = {SERVER_CORE, BENCH_CORE} <= _CORES
"""Whether the server under test can have a core of its own."""


def pin(pid: int, core: int) -> None:
    """Keep a process that has just begun, and all that it will start, on one core, where there are two."""
    if CAN_PIN:
        os.sched_setaffinity(pid, {core})


def describe() -> Mapping[str, str]:
    """What this machine is, for whoever reads the figures."""
    cores, bytes_ = psutil.cpu_count(), psutil.virtual_memory().total
    return {
        "cpu": f"{cores} × {_cpu_name()}",
        "memory": f"{bytes_ / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


@dataclass(frozen=True, slots=True)
class Load:
    """What the processes and the cores did in a phase.

    Attributes:
        seconds: how long it was.
        cpu_seconds: by group of processes.
        steal: the greatest share of a core that the hypervisor took.
        foreign: the share of the server's core that went to strangers; 0 where it cannot be told.
        bench_busy: how busy the core of upstream and fans was.
    """

    seconds: float
    cpu_seconds: Mapping[str, float]
    steal: float
    foreign: float
    bench_busy: float

    @property
    def flags(self) -> list[str]:
        """Why the delays of this phase are not to be trusted; none is good."""
        return [
            name
            for name, share, most in (
                ("steal", self.steal, STEAL_MAX),
                ("foreign", self.foreign, FOREIGN_MAX),
                ("bench-bound", self.bench_busy, BENCH_BUSY_MAX),
            )
            if share >= most
        ]


class Reading:
    """The counters of the machine at one moment; two of them make a `Load`."""

    def __init__(self, at_seconds: float, cpu_seconds: Mapping[str, float], cores: list[tuple[float, float]]) -> None:
        self._at_seconds = at_seconds
        self._cpu_seconds = cpu_seconds
        self._cores = cores

    @classmethod
    def take(cls, groups: Mapping[str, int]) -> Self:
        """Read them now.

        Args:
            groups: the process at the head of each group; its children count with it.
        """
        cores = [(_busy(times), getattr(times, "steal", 0.0)) for times in psutil.cpu_times(percpu=True)]
        return cls(time.monotonic(), {name: _tree_seconds(pid) for name, pid in groups.items()}, cores)

    def until(self, later: Self, server: str) -> Load:
        """What happened from this reading to a later one.

        Args:
            server: the group that has the server's core for itself.
        """
        seconds = later._at_seconds - self._at_seconds
        cpu_seconds = {name: later._cpu_seconds[name] - before for name, before in self._cpu_seconds.items()}
        busy = [(after[0] - before[0]) / seconds for before, after in zip(self._cores, later._cores, strict=True)]
        steal = [(after[1] - before[1]) / seconds for before, after in zip(self._cores, later._cores, strict=True)]
        foreign = max(0.0, busy[SERVER_CORE] - cpu_seconds[server] / seconds) if CAN_PIN else 0.0
        return Load(seconds, cpu_seconds, max(steal), foreign, busy[BENCH_CORE] if CAN_PIN else max(busy))


def _busy(times: "psutil._ntuples.scputimes") -> float:
    return times.user + times.nice + times.system + times.irq + times.softirq


def _tree_seconds(pid: int) -> float:
    """CPU seconds of a process, its threads, its children, and what they have waited for."""
    head = psutil.Process(pid)
    total = 0.0
    for process in (head, *head.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # its parent has counted it by now, or will
        total += times.user + times.system
        if process is head:
            total += times.children_user + times.children_system
    return total
