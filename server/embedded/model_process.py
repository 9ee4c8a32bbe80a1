"""Serves a model file on the loopback address in the way of OpenAI, until it is told to end.

Run as a script in a process of its own: `model.py` starts it. The engine keeps every core busy while it answers, and a
fault in native code must not take the gateway with it.
"""

import contextlib
import hashlib
import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

READ_BYTES = 1 << 20


def main() -> None:
    """Loads the model that the first argument (JSON, the fields of `ModelOrders`) describes, and serves it."""
    # Blocked before the engine starts its threads, so that none of them takes the signal.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    orders = json.loads(sys.argv[1])
    check_file(Path(orders["file"]), orders["sha256"])
    server = serve(orders)
    step_back(orders["nice"])
    sys.stdout.write(f"Serving at {server.listening_address}\n")
    sys.stdout.flush()
    signal.sigwait(ending)
    # Nothing here has to be saved; unloading would only take time.
    os._exit(0)


def check_file(file: Path, sha256: str) -> None:
    """Ends the program unless the file is the one we know."""
    digest = hashlib.sha256()
    with file.open("rb") as data:
        while block := data.read(READ_BYTES):
            digest.update(block)
    if digest.hexdigest() != sha256:
        sys.exit(f"{file} is not the file that this version knows: its SHA-256 is {digest.hexdigest()}.")


def step_back(nice: int) -> None:
    """Lets other processes go first, from now on: people wait for the start, so it has the usual priority.

    Linux keeps a priority for each thread; a new one has that of the thread that made it. So they are gone through
    until none is left behind: one that had not stepped back yet may have made another meanwhile.
    """
    threads = Path("/proc/self/task")
    if not threads.is_dir():
        os.nice(nice)
        return
    while left := [thread.name for thread in threads.iterdir() if _priority_of(int(thread.name)) < nice]:
        for name in left:
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(name), nice)


def _priority_of(thread_id: int) -> float:
    """From -20 to 19; infinite where the thread has ended."""
    try:
        return os.getpriority(os.PRIO_PROCESS, thread_id)
    except ProcessLookupError:
        return math.inf


def serve(orders: dict[str, Any]) -> Any:
    """Starts the engine; it answers when this returns."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = orders["file"]
    params.model_alias = {orders["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = orders["port"]
    params.api_keys = [os.environ["TALLYLIGHT_MODEL_KEY"]]
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    params.n_ctx = orders["context_tokens"]
    params.n_parallel = orders["parallel_answers"]
    # Without it, each answer would have its share of the context only, and a longer prompt would be refused.
    params.kv_unified = True
    params.cache_ram_mib = orders["prompt_cache_mib"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = orders["threads"]
    # So small a model repeats itself and wanders unless it is held.
    params.sampling.penalty_repeat = 1.15
    params.sampling.temp = 0.2
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
