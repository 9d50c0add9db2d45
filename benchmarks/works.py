"""What is measured, and what is to be reached."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, int, int, int]  # B, T, I, H
OF_THE_PEAK, PER_ROW = "of the peak", "µs a step of a sequence"

LARGE, MIDDLE, WIDE, SMALL, SINGLE = SHAPES = (
    (64, 64, 512, 512),
    (32, 128, 256, 256),
    (128, 32, 128, 128),
    (16, 256, 64, 64),
    (1, 512, 128, 128),
)
FOUR = (LARGE, MIDDLE, SMALL, SINGLE)

# cells that no library has: as equations, and for torch's Python loop in peers/torch.py
EQUATIONS = {
    "minimal_gated": "minimal_gated",
    "softsign": "h_t = z_t / (1 + abs(z_t))\nz_t = U x_t + W h_{t-1} + b",
}
GATES = {"elman": 1, "gru": 3, "lstm": 4, "minimal_gated": 2, "softsign": 1}


@dataclass(frozen=True)
class Work:
    """``kind`` of work with a ``cell`` at a shape (B, T, I, H); ``wanted`` is the ratio to reach to each peer.

    ``options``: layers, and the precision of ours; the peers are float32 unless their names say something else. For the
    kind memory what is measured are MiB, not milliseconds.
    """

    kind: str
    cell: str
    shape: Shape
    peers: tuple[str, ...]
    wanted: dict[str, float] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique among all works."""
        extra = "".join(f" {key}={value}" for key, value in self.options.items())
        return f"{self.kind} {self.cell} {'×'.join(map(str, self.shape))}{extra}"

    @property
    def flops(self) -> int:
        """Multiplications and additions of the large products: forward, and twice as many backward when training."""
        batch, steps, inputs, hidden = self.shape
        once = 2 * steps * batch * hidden * (inputs + hidden) * GATES[self.cell]
        return once if self.kind == "inference" else 3 * once

    @property
    def second(self) -> str:
        """What is told beside the time."""
        return {"train": OF_THE_PEAK, "inference": OF_THE_PEAK, "ragged": PER_ROW, "growing": PER_ROW}.get(
            self.kind, ""
        )

    @property
    def lengths(self) -> list[int]:
        """Of the sequences: T, or for ragged ones uniform in 1 … T."""
        batch, steps, *_ = self.shape
        if self.kind != "ragged":
            return [steps] * batch
        return [int(n) for n in np.random.default_rng(0).integers(1, steps + 1, batch)]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def _table(kind: str, cell: str, peers: tuple[str, ...], wanted: dict[Shape, float]) -> list[Work]:
    return [Work(kind, cell, shape, peers, {peers[0]: ratio}) for shape, ratio in wanted.items()]


def works() -> list[Work]:
    """All of them, in the order of the report."""
    return [*_layers(), *_in_bf16(), *_char_rnn(), *_writing(), *_ragged(), *_memory(), *_growing()]


def _layers() -> list[Work]:
    elman = ("torch", "torch_compile", "jax", "numpy")
    gated = ("torch", "jax")
    answering = ("torch", "jax", "onnxruntime")
    found = _table("train", "elman", elman, dict(zip(SHAPES, (1.4, 1.9, 2.0, 7, 14), strict=True)))
    found += _table("train", "gru", gated, dict(zip(FOUR, (1.4, 1.8, 6.5, 15), strict=True)))
    found += _table("train", "lstm", gated, dict(zip(FOUR, (1.15, 1.2, 1.2, 1.8), strict=True)))
    found += _table("inference", "elman", answering, dict(zip(SHAPES, (1.5, 1.7, 2.2, 6, 9), strict=True)))
    for cell in EQUATIONS:
        found += _table("train", cell, ("torch_loop", "jax"), dict(zip(FOUR, (1.6, 2.3, 8, 15), strict=True)))
    return found


HALF = {"precision": "bf16"}


def _in_bf16() -> list[Work]:
    peers, wanted = ("torch", "torch_bf16"), zip(SHAPES, (2.5, 3.3, 3.3, 12, 28), strict=True)
    found = [Work("bf16", "elman", shape, peers, {"torch": ratio, "torch_bf16": 1.2}, HALF) for shape, ratio in wanted]
    for cell in ("gru", "lstm"):
        found += [Work("bf16", cell, shape, peers, {"torch_bf16": 1.2}, HALF) for shape in FOUR]
    return found


def _char_rnn() -> list[Work]:
    shape, three = (50, 50, 65, 512), {"layers": 3}
    return [
        Work("char-rnn", "elman", shape, ("torch",), {"torch": 1.5}, three),
        Work("char-rnn", "elman", shape, ("torch", "torch_bf16"), {"torch": 2.6, "torch_bf16": 1.2}, three | HALF),
        Work("char-rnn", "lstm", shape, ("torch",), {"torch": 1.15}, three),
        Work("char-rnn", "lstm", shape, ("torch", "torch_bf16"), {"torch_bf16": 1.2}, three | HALF),
    ]


def _writing() -> list[Work]:
    one, small, many = (1, 500, 65, 512), (1, 2000, 65, 128), (128, 50, 65, 512)
    return [
        Work("write", "elman", shape, ("torch", "onnxruntime"), wanted, {"layers": layers, "precision": precision})
        for shape, layers, precision, wanted in (
            (one, 3, "fp32", {"torch": 8.0, "onnxruntime": 3.5}),
            (one, 3, "bf16", {"torch": 14.0}),
            (one, 3, "int8", {"torch": 28.0}),
            (small, 1, "fp32", {"torch": 70.0}),
            (small, 1, "int8", {}),
            (many, 3, "fp32", {"torch": 1.7}),
            (many, 3, "bf16", {"torch": 3.0}),
            (many, 3, "int8", {}),
        )
    ]


def _ragged() -> list[Work]:
    """Time is to grow with the sum of the lengths, up to 15 %."""
    batch, steps, *_ = LARGE
    share = sum(Work("ragged", "elman", LARGE, ()).lengths) / (batch * steps)
    dense = {"unrolled_dense": round(1 / share / 1.15, 2)}
    peers = ("torch", *dense)
    return [
        Work("ragged", "elman", LARGE, peers, {"torch": 2.5} | dense),
        Work("ragged", "elman", LARGE, peers, dense, HALF),
    ]


def _memory() -> list[Work]:
    wanted = {"elman": 2.0, "gru": 2.0, "lstm": 1.0}
    return [Work("memory", cell, LARGE, ("torch",), {"torch": ratio}) for cell, ratio in wanted.items()]


def _growing() -> list[Work]:
    """T, then B, then H, one thread beside all."""
    shapes = [(1, 10**n, 64, 64) for n in (2, 3, 4, 5)] + [(4**n, 64, 256, 256) for n in (1, 2, 3, 4)]
    found = [Work("growing", "elman", shape, (), {}) for shape in shapes]
    threads = ("unrolled_one_thread",)
    found += [Work("growing", "elman", (32, 64, h, h), threads, {threads[0]: 1.7}) for h in (256, 512, 1024)]
    return found
