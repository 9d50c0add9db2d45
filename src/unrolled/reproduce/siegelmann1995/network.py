"""A network of saturated-linear units whose weights are fractions, and two ways to run it: exactly, and as a layer.

Shapes: W (H, H), U (H, inputs), b (H,); x (T, inputs), h (T, H).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from unrolled.nn import Recurrent

EQUATION = "h_t = clip(W h_{t-1} + U x_t + b, 0, 1)"
ZERO, ONE = Fraction(0), Fraction(1)
Exact = list[Fraction]


@dataclass
class Network:
    """Units by their names; weights that are not there are 0."""

    units: dict[str, int]
    inputs: int
    weights: dict[int, dict[int, Fraction]] = field(default_factory=dict)
    reads: dict[int, dict[int, Fraction]] = field(default_factory=dict)
    bias: dict[str, Fraction] = field(default_factory=dict)
    initial: dict[str, Fraction] = field(default_factory=dict)

    @classmethod
    def empty(cls, names: Sequence[str], inputs: int) -> Network:
        """Units without weights."""
        return cls({name: number for number, name in enumerate(names)}, inputs)

    def weigh(self, unit: str, before: str, weight: Fraction | int) -> None:
        """Add a weight from a unit of the step before."""
        row = self.weights.setdefault(self.units[unit], {})
        row[self.units[before]] = row.get(self.units[before], ZERO) + weight

    def take(self, unit: str, number: int, weight: Fraction | int) -> None:
        """Add a weight from an input."""
        self.reads.setdefault(self.units[unit], {})[number] = Fraction(weight)

    def first(self, **other: Fraction) -> Exact:
        """The state before the first step; ``other`` values in place of those of the network."""
        values = {**self.initial, **other}
        return [values.get(name, ZERO) for name in self.units]

    def exactly(self, first: Exact, x: Sequence[Sequence[int]]) -> Iterator[Exact]:
        """The state after each step, in fractions."""
        h, bias = first, [self.bias.get(name, ZERO) for name in self.units]
        for read in x:
            totals = [
                sum((w * h[j] for j, w in self.weights.get(i, {}).items() if h[j]), bias[i])
                + sum(w * read[j] for j, w in self.reads.get(i, {}).items())
                for i in range(len(h))
            ]
            h = [min(max(total, ZERO), ONE) for total in totals]
            yield h

    def matrices(self) -> dict[str, np.ndarray]:
        """W, U and b as arrays of fractions."""
        size = len(self.units)
        W, U, b = (np.full(shape, ZERO, object) for shape in ((size, size), (size, self.inputs), (size,)))
        for array, rows in ((W, self.weights), (U, self.reads)):
            for i, row in rows.items():
                for j, weight in row.items():
                    array[i, j] = weight
        for name, value in self.bias.items():
            b[self.units[name]] = value
        return {"W": W, "U": U, "b": b}

    def layer(self, dtype: torch.dtype) -> Recurrent:
        """The network as a layer; every weight must be a number of that type.

        Raises:
            ValueError: one is not.
        """
        layer = Recurrent(EQUATION, x=self.inputs, h=len(self.units), dtype=dtype)
        with torch.no_grad():
            for name, array in self.matrices().items():
                numbers = torch.from_numpy(array.astype(np.float64)).to(dtype)
                if any(Fraction(float(n)) != each for n, each in zip(numbers.flatten(), array.flatten(), strict=True)):
                    raise ValueError(f"{name} has a weight that is no number of type {dtype}")
                getattr(layer, name).copy_(numbers)
        return layer

    def shuffled(self, seed: int) -> Network:
        """The same weights in other places."""
        rng = np.random.Generator(np.random.PCG64(seed))
        size = len(self.units)
        flat = [(i, j, w) for i, row in self.weights.items() for j, w in row.items()]
        places = rng.choice(size * size, len(flat), replace=False)
        made = Network(self.units, self.inputs, {}, self.reads, self.bias, self.initial)
        for place, (_, _, weight) in zip(places, flat, strict=True):
            made.weights.setdefault(int(place) // size, {})[int(place) % size] = weight
        return made

    @property
    def bits(self) -> int:
        """Of the longest weight: of its numerator and of its denominator together."""
        numbers = [w for rows in (self.weights, self.reads) for row in rows.values() for w in row.values()]
        return max(
            abs(w.numerator).bit_length() + w.denominator.bit_length() - 1 for w in [*numbers, *self.bias.values()]
        )


def run_layer(layer: Recurrent, first: Sequence[Exact], x: Any, dtype: torch.dtype) -> np.ndarray:
    """The states (T, B, H) of a layer from the first states of B lanes; x is (T, B, inputs)."""
    state = torch.tensor([[float(value) for value in lane] for lane in first], dtype=dtype)
    with torch.no_grad():
        states, _ = layer(torch.as_tensor(np.asarray(x), dtype=dtype), {"h": state})
    found: np.ndarray = states.numpy()
    return found
