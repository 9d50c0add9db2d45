"""Backpropagation through a long time in bounded memory: what it takes, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from unrolled.errors import UnrolledError
from unrolled.reproduce.bench import Bench, written
from unrolled.reproduce.report import Report, Row, Section
from unrolled.training.budget import STEPS
from unrolled.training.revolve import advances

NAME = "memory"
CELL, HIDDEN, LANES, SYMBOLS = "gru", 256, 8, 64
LONG = 100_000
STATES = (1563, 200, 50, 20, 8, 4)  # the first: all of them, in segments of 64 steps

# In a process of its own: the most memory beyond what was there after the imports, the seconds of the second update.
WORKER = """
import json, resource, sys, time
import numpy as np, torch
from torch.nn import functional
from unrolled.nn import language_model
from unrolled.training.bounded import bounded_loss
from unrolled.training.budget import Budget, need_of
cell, hidden, lanes, symbols, steps, memory = json.loads(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(0)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
before = resident()
layer = language_model(cell, symbols, hidden)
optimiser = torch.optim.Adam(layer.parameters())
text = torch.from_numpy(np.random.default_rng(0).integers(0, symbols, (steps + 1, lanes)).astype(np.uint8))
plan = Budget.parse(memory).plan(steps, need_of(layer, lanes)) if memory else None
length = plan.length if plan else steps
def segment(number, state):
    part = slice(number * length, min((number + 1) * length, steps))
    logits, after = layer.logits(text[:-1][part].long(), state)
    wanted = text[1:][part].flatten().long()
    return functional.cross_entropy(logits.flatten(0, 1), wanted, reduction="sum") / (steps * lanes), after
for _ in range(2):
    begin = time.monotonic()
    if plan:
        loss, _ = bounded_loss(segment, -(-steps // length), None, list(layer.parameters()), plan.slots)
    else:
        loss, _ = segment(0, None)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    seconds = time.monotonic() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
print(json.dumps([peak / 1e6, seconds, loss.item(), length, plan.slots if plan else 0]))
"""


@dataclass(frozen=True)
class Measured:
    """One update: megabytes beyond the imports, seconds, the loss, steps of a segment, saved states."""

    megabytes: float
    seconds: float
    loss: float
    length: int
    slots: int


def reproduce(bench: Bench) -> Report:
    """A text of 100,000 steps in 1 GB, and time against memory."""
    long = 2_000 if bench.quick else LONG
    about = (
        f"One update of a {CELL.upper()} of {HIDDEN} units, {LANES} lanes, one thread: forwards, backwards, Adam. "
        "Memory is the most that was resident beyond the process after its imports. "
        f"{written(NAME)}"
    )
    return Report(NAME, about, [_long(long), _curve(long), _plain(500 if bench.quick else 5_000)])


def _long(steps: int) -> Section:
    rows = []
    for memory in ("512MB", "64MB", "16MB"):
        found = _measure(steps, memory)
        rows.append(
            Row(
                f"{steps:,} steps, --bptt-memory {memory}",
                f"{found.megabytes:.0f} MB, {found.seconds:.1f} s ({found.slots} states, segments of {found.length})",
                "< 1,000 MB",
                found.megabytes < 1000,
            )
        )
    return Section("A long text in little memory", [_command(steps, "512MB")], rows)


def _curve(steps: int) -> Section:
    """Time against saved states; the forward steps are those of the theory."""
    segments = -(-steps // STEPS)
    rows, losses = [], set()
    for states in (min(each, segments) for each in STATES):
        found = _measure(steps, str(states))
        losses.add(found.loss)
        again = (advances(segments, states) + segments) / segments
        rows.append(
            Row(
                f"{states} saved states",
                f"{found.seconds:.1f} s, {found.megabytes:.0f} MB; each step forwards {again:.2f} times",
            )
        )
    rows.append(Row("different losses", f"{len(losses)}", "1", len(losses) == 1))
    text = (
        f"Segments of {STEPS} steps, of which the way back runs each forwards once with its gradient, and "
        "r n − C(s + r, s + 1) times without it (n segments, s states, r the least number with C(s + r, s) ≥ n)."
    )
    return Section("Time against saved states", [_command(steps, "20")], rows, text)


def _plain(steps: int) -> Section:
    plain, bounded = _measure(steps, ""), _measure(steps, "64MB")
    rows = [
        Row(f"{steps:,} steps, plain", f"{plain.megabytes:.0f} MB, {plain.seconds:.2f} s"),
        Row(f"{steps:,} steps, --bptt-memory 64MB", f"{bounded.megabytes:.0f} MB, {bounded.seconds:.2f} s"),
        Row("time over plain", f"{bounded.seconds / plain.seconds:.2f}"),
    ]
    return Section("Beside plain backpropagation", [], rows)


def _command(steps: int, memory: str) -> str:
    return (
        f"unrolled train TEXT --recurrence {CELL} --layers 1 --hidden {HIDDEN} --batch {LANES} "
        f"--sequence-length {steps} --bptt-memory {memory}"
    )


def _measure(steps: int, memory: str) -> Measured:
    case: Sequence[object] = (CELL, HIDDEN, LANES, SYMBOLS, steps, memory)
    done = subprocess.run([sys.executable, "-c", WORKER, json.dumps(case)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnrolledError(
            f"measuring {steps:,} steps in {memory or 'any memory'} failed: {done.stderr.strip()[-500:]}"
        )
    return Measured(*json.loads(done.stdout))
