"""One library at one work, in a process of its own: ``python -m benchmarks.worker PEER WORK``.

It says {"version": …} when it is ready, or {"unable": …}; then it answers every line that it reads with the median
time of a call in milliseconds, over as many calls as fill a round; for the kind memory with what a first call takes.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from statistics import median

from benchmarks.works import Work

OURS = "unrolled"
Prepare = Callable[[Work, int], tuple[Callable[[], None], str]]
ROUND = 0.3  # seconds


def main() -> None:
    """Serve until the input ends."""
    peer, given = sys.argv[1], json.loads(sys.argv[2])
    work = Work(**{**given, "shape": tuple(given["shape"])})
    if work.kind == "memory":
        return _measure_memory(peer, work)
    try:
        run, version = _best(import_module(f"benchmarks.peers.{peer}").prepare, work, peer.startswith(OURS))
        calls = _calibrated(run)
    except Exception as error:
        say({"unable": f"{type(error).__name__}: {error}"})
        return
    say({"version": version})
    for _ in sys.stdin:
        gc.collect()
        say({"ms": median(_timed(run) for _ in range(calls))})


def _measure_memory(peer: str, work: Work) -> None:
    """MiB that this process grows by at most in its first call with the shape of the work, after one with another."""
    prepare = import_module(f"benchmarks.peers.{peer}").prepare
    *_, inputs, hidden = work.shape
    warm, _ = prepare(replace(work, shape=(2, 2, inputs, hidden)), os.cpu_count() or 1)
    run, version = prepare(work, os.cpu_count() or 1)
    warm()
    say({"version": version})
    for _ in sys.stdin:
        Path("/proc/self/clear_refs").write_text("5")  # forget the largest size so far
        before = _status("VmRSS")
        run()
        say({"ms": (_status("VmHWM") - before) / 1024})


def _status(name: str) -> int:
    """A line of this process's status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _best(prepare: Prepare, work: Work, ours: bool) -> tuple[Callable[[], None], str]:
    """With one thread or all, whichever is faster; ourselves always with all."""
    processors = os.cpu_count() or 1
    taken = {}
    for threads in () if ours else {1, processors}:
        run, _ = prepare(work, threads)
        run()
        taken[threads] = min(_timed(run) for _ in range(5))
    threads = min(taken, key=lambda n: taken[n], default=processors)
    run, version = prepare(work, threads)
    return run, f"{version}, {threads} threads" if threads > 1 else f"{version}, 1 thread"


def _calibrated(run: Callable[[], None]) -> int:
    """How many calls fill a round; the first ones compile, and warm up."""
    run()
    once = min(_timed(run) for _ in range(3))
    return max(3, min(1000, int(ROUND * 1e3 / once)))


def _timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def say(what: dict[str, object]) -> None:
    """One line of JSON."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
