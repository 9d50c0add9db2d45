"""Measuring: libraries in processes of their own, in alternating rounds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from benchmarks.worker import OURS
from benchmarks.works import Work


@dataclass(frozen=True)
class Result:
    """The times of one work in milliseconds, round by round; ``unable`` says why a peer has none."""

    work: Work
    times: dict[str, list[float]]
    versions: dict[str, str]
    unable: dict[str, str] = field(default_factory=dict)

    def time(self, peer: str = OURS) -> float:
        """The median, in milliseconds."""
        return median(self.times[peer])

    def ratio(self, peer: str) -> float:
        """How many times as long the peer takes: the median over the rounds."""
        return median(theirs / ours for theirs, ours in zip(self.times[peer], self.times[OURS], strict=True))


class Worker:
    """A process that waits between its rounds."""

    def __init__(self, peer: str, work: Work) -> None:
        command = [sys.executable, "-m", "benchmarks.worker", peer, json.dumps(work.to_dict())]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.said = self._hear()

    def round(self) -> float:
        """Milliseconds of one call."""
        assert self.process.stdin is not None
        print("run", file=self.process.stdin, flush=True)
        return float(self._hear()["ms"])

    def _hear(self) -> dict[str, str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):  # libraries print what they like
                said: dict[str, str] = json.loads(line)
                return said
        return {"unable": f"it ended with status {self.process.wait()}"}

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def measure(work: Work, rounds: int, peers: Sequence[str]) -> Result:
    """Let ourselves and those of ``peers`` that know the work alternate for some rounds."""
    if work.kind == "memory":  # only a first call shows what it takes
        rounds = 1
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for peer in (OURS, *(peer for peer in work.peers if peer in peers)):
            workers[peer] = Worker(peer, work)
            stack.callback(workers[peer].close)
        unable = {peer: worker.said["unable"] for peer, worker in workers.items() if "unable" in worker.said}
        able = {peer: worker for peer, worker in workers.items() if peer not in unable}
        times: dict[str, list[float]] = {peer: [] for peer in able}
        for _ in range(rounds):
            for peer, worker in able.items():
                times[peer].append(worker.round())
        return Result(work, times, {peer: worker.said["version"] for peer, worker in able.items()}, unable)
