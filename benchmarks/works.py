"""What is measured, and what is to be reached."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

Shape = tuple[int, int, int, int]  # B, T, I, H

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
    """``kind`` of work with a ``cell`` at a shape (B, T, I, H); ``wanted`` is the ratio to reach to each peer."""

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

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def _table(kind: str, cell: str, peers: tuple[str, ...], wanted: dict[Shape, float]) -> list[Work]:
    return [Work(kind, cell, shape, peers, {peers[0]: ratio}) for shape, ratio in wanted.items()]


def works() -> list[Work]:
    """All of them, in the order of the report."""
    elman = ("torch", "torch_bf16", "jax", "numpy")
    gated = ("torch", "torch_bf16", "jax")
    answering = ("torch", "jax", "onnxruntime")
    found = _table("train", "elman", elman, dict(zip(SHAPES, (1.4, 1.9, 2.0, 7, 14), strict=True)))
    found += _table("train", "gru", gated, dict(zip(FOUR, (1.4, 1.8, 6.5, 15), strict=True)))
    found += _table("train", "lstm", gated, dict(zip(FOUR, (1.15, 1.2, 1.2, 1.8), strict=True)))
    found += _table("inference", "elman", answering, dict(zip(SHAPES, (1.5, 1.7, 2.2, 6, 9), strict=True)))
    for cell in EQUATIONS:
        found += _table("train", cell, ("torch_loop", "jax"), dict(zip(FOUR, (1.6, 2.3, 8, 15), strict=True)))
    found.append(Work("char-rnn", "elman", (50, 50, 65, 512), ("torch", "torch_bf16"), {"torch": 1.5}, {"layers": 3}))
    found.append(Work("char-rnn", "lstm", (50, 50, 65, 512), ("torch",), {"torch": 1.15}, {"layers": 3}))
    writers = ("torch", "onnxruntime", "unrolled_bf16")
    for shape, layers, wanted in (
        ((1, 500, 65, 512), 3, {"torch": 8.0, "onnxruntime": 3.5}),
        ((1, 2000, 65, 128), 1, {"torch": 70.0}),
        ((128, 50, 65, 512), 3, {"torch": 1.7}),
        ((128, 200, 65, 128), 1, {"torch": 1.7}),
    ):
        found.append(Work("write", "elman", shape, writers, wanted, {"layers": layers}))
    found.append(Work("ragged", "elman", LARGE, ("torch",), {"torch": 2.5}))
    return found
