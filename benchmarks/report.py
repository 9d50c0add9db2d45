"""The report: docs/benchmarks.md and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.ceilings import Ceilings
from benchmarks.measure import Result
from benchmarks.works import OF_THE_PEAK, PER_ROW

PEERS = {
    "torch": "torch",
    "torch_bf16": "torch bf16",
    "torch_loop": "torch loop",
    "torch_compile": "torch.compile",
    "jax": "JAX",
    "numpy": "numpy",
    "onnxruntime": "ONNX Runtime",
    "unrolled_one_thread": "one thread",
    "unrolled_dense": "all of length T",
}
COLOURS = dict(
    zip(
        PEERS,
        ("#d1495b", "#edae49", "#8d96a3", "#c77dba", "#00798c", "#66a182", "#5b4b8a", "#2e4057", "#7a6f5d"),
        strict=True,
    )
)
TITLES = {
    "train": "A layer, forward and backward with all gradients",
    "inference": "A layer, forward only",
    "bf16": "A layer in bf16, forward and backward with all gradients; torch beside it in float32 and bf16",
    "char-rnn": "A training step of char-rnn: three layers, loss, gradients, Adam",
    "ragged": "Training on sequences of lengths uniform in 1 … T",
    "write": "Writing: T symbols of B streams, the whole model and the draw",
    "memory": "Memory: MiB by which a process grows in its first training step",
    "growing": "Growing T, B and H: forward and backward",
}
BY_CELL = ("train", "bf16")  # a panel of the picture for each cell
DRAWN = ("train", "inference", "bf16", "char-rnn", "ragged", "write")


INTRODUCTION = (
    "Written by `python -m benchmarks --write`, which measures it again on your machine (`python3 run.py setup dev "
    "bench` installs the other libraries; one that is missing is left out). Each library runs in a process of its own, "
    "in {rounds} rounds that alternate between them. Times are medians of milliseconds; × is how many times as long "
    "the peer takes, the median over the rounds, and in brackets what we want to reach. Torch and ONNX Runtime run "
    "with one thread or all, whichever is faster. All numbers are float32 unless a name says otherwise."
)


@dataclass(frozen=True)
class Report:
    """What was measured, where and how."""

    results: Sequence[Result]
    ceilings: Ceilings | None
    machine: str
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "machine": self.machine,
            "ceilings": asdict(self.ceilings) if self.ceilings else None,
            "rounds": self.rounds,
            "results": [asdict(result) for result in self.results],
        }

    def markdown(self, picture: str) -> str:
        """docs/benchmarks.md; ``picture`` is the address of the picture in it."""
        versions = sorted({v.split(",")[0] for result in self.results for v in result.versions.values()})
        lines = ["# Benchmarks", "", INTRODUCTION.format(rounds=self.rounds), ""]
        lines.append(f"{date.today().isoformat()}, {self.machine}. {', '.join(versions)}.")
        if self.ceilings:
            sizes = {
                kib: f"{int(kib) // 1024} MiB" if int(kib) >= 1024 else f"{kib} KiB" for kib in self.ceilings.gbytes
            }
            reads = ", ".join(f"{speed:.0f} from {sizes[kib]}" for kib, speed in self.ceilings.gbytes.items())
            lines.append(
                f"At most {self.ceilings.gflops:.0f} billion float operations a second on one thread, "
                f"{self.ceilings.gflops_all:.0f} on all. Gigabytes a second that one thread reads: {reads}."
            )
        lines += ["", f"![How many times as long each peer takes]({picture})"]
        for kind in dict.fromkeys(result.work.kind for result in self.results):
            lines += ["", f"## {TITLES[kind]}", "", *self._table([r for r in self.results if r.work.kind == kind])]
        return "\n".join(lines) + "\n"

    def _table(self, results: list[Result]) -> list[str]:
        peers = [peer for peer in PEERS if any(peer in result.times for result in results)]
        head = ["cell", "B, T, I, H", "Unrolled", results[0].work.second, *(PEERS[peer] for peer in peers)]
        return [_row(head), _row(["---"] * len(head)), *(_row(self._cells(result, peers)) for result in results)]

    def _cells(self, result: Result, peers: list[str]) -> list[str]:
        work, precision = result.work, result.work.options.get("precision")
        cell = f"{work.cell}, {precision}" if precision else work.cell
        return [cell, ", ".join(map(str, work.shape)), f"{result.time():.3g}", self._second(result),
                *(_peer(result, peer) for peer in peers)]  # fmt: skip

    def _second(self, result: Result) -> str:
        """What ``Work.second`` announces."""
        work = result.work
        if work.second == PER_ROW:
            return f"{result.time() * 1e3 / sum(work.lengths):.3g}"
        if work.second == OF_THE_PEAK and self.ceilings:
            return f"{work.flops / result.time() / 1e6 / self.ceilings.gflops_all:.0%}"
        return ""

    def draw(self, path: Path) -> None:
        """The ratios as a picture: a panel for each cell that is trained, and for each other kind of work."""
        from matplotlib.figure import Figure

        panels: dict[str, list[Result]] = {}
        for result in (each for each in self.results if each.work.kind in DRAWN):
            kind, cell = result.work.kind, result.work.cell
            panels.setdefault(f"{kind}: {cell}" if kind in BY_CELL else kind, []).append(result)
        columns = 3
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(13, 3.2 * rows), layout="constrained")
        grid = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, (title, results) in zip(grid, panels.items(), strict=False):
            _panel(axes, title, results)
        for axes in grid[len(panels) :]:
            axes.remove()
        figure.suptitle("How many times as long as Unrolled (log scale), by B, T, I, H")
        figure.savefig(path)


def _panel(axes: Any, title: str, results: list[Result]) -> None:
    peers = [peer for peer in PEERS if any(peer in r.times for r in results)]
    width = 0.8 / max(1, len(peers))
    middle = 0.4 - width / 2
    for n, peer in enumerate(peers):
        at = [(i + n * width, r.ratio(peer)) for i, r in enumerate(results) if peer in r.times]
        axes.bar(*zip(*at, strict=True), width=width, color=COLOURS[peer], label=PEERS[peer])
    wanted = [(i + middle, next(iter(r.work.wanted.values()))) for i, r in enumerate(results) if r.work.wanted]
    if wanted:
        axes.plot(*zip(*wanted, strict=True), "k_", markersize=16, label="wanted")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xlim(-0.5, max(3.3, len(results) - 0.2))
    axes.set_yscale("log")
    axes.set_ylim(0.5, 400)  # the same for all, with room for the legend
    axes.set_yticks([0.5, 1, 2, 5, 10, 20, 50, 100], ["0.5", "1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_xticks([i + middle for i in range(len(results))], [_label(r, title) for r in results], fontsize=7)
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=7, loc="upper left")


def _label(result: Result, title: str) -> str:
    batch, steps, inputs, hidden = result.work.shape
    words = [] if ":" in title else [result.work.cell, result.work.options.get("precision", "")]
    cell = "".join(f"{word}\n" for word in words if word)
    return f"{cell}{batch}, {steps}\n{inputs}, {hidden}"


def _peer(result: Result, peer: str) -> str:
    if peer not in result.times:
        return ""
    wanted = f" ({result.work.wanted[peer]})" if peer in result.work.wanted else ""
    return f"{result.time(peer):.3g}: {result.ratio(peer):.2f}×{wanted}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
