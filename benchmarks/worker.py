"""One library at one work, in a process of its own: ``python -m benchmarks.worker PEER WORK``.

It says {"version": …} when it is ready, or {"unable": …}; then it answers every line that it reads with the median
time of a call in milliseconds, over as many calls as fill a round.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from statistics import median

from benchmarks.works import Work

OURS = "unrolled"
Prepare = Callable[[Work, int], tuple[Callable[[], None], str]]
ROUND = 0.3  # seconds


def main() -> None:
    """Serve until the input ends."""
    peer, given = sys.argv[1], json.loads(sys.argv[2])
    work = Work(**{**given, "shape": tuple(given["shape"])})
    try:
        run, version = _best(import_module(f"benchmarks.peers.{peer}").prepare, work, peer == OURS)
        calls = _calibrated(run)
    except Exception as error:
        say({"unable": f"{type(error).__name__}: {error}"})
        return
    say({"version": version})
    for _ in sys.stdin:
        gc.collect()
        say({"ms": median(_timed(run) for _ in range(calls))})


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
