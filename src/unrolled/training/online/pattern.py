"""Which entries of S_t = ∂s_t/∂θ are kept, and where they lie.

A line is a row of a matrix parameter (a column, where the equations only read its transpose), or one component of a
vector: all numbers in it influence the same states. A group is all lines with the same influence, and a block is groups
of the same form, side by side. A dense recurrence has one group with all states and parameters; where each parameter
acts on its own unit only there is a group for each unit, and S has about as many entries as there are parameters.

Source: Menick et al. 2021, "Practical real time recurrent learning with a sparse approximation" (SnAp), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unrolled.training.online.jacobian import Derivatives, Mask, Step, Structure, Use, product

Groups = dict[str, list[list[int]]]  # by name: its indices in each group
Slices = dict[str, tuple[slice, Tensor]]  # by name: where in a group, and which indices (G, ·) lie there


@dataclass(frozen=True)
class Lines:
    """A parameter as ``count`` lines of ``width`` numbers; ``turned``: they are its columns."""

    count: int
    width: int
    turned: bool = False

    def of(self, tensor: Tensor) -> Tensor:
        """A tensor of the parameter's shape as a view (count, width)."""
        return tensor.t() if self.turned else tensor.reshape(self.count, self.width)


@dataclass(frozen=True)
class Block:
    """``groups`` of one form, each with ``height`` components of states and ``width`` numbers of parameters."""

    rows: Slices  # of the states
    lines: Slices  # of the parameters
    groups: int
    height: int
    width: int

    @property
    def entries(self) -> int:
        """Of S in each lane."""
        return self.groups * self.height * self.width


def lines_of(shape: tuple[int, ...], uses: tuple[Use, ...]) -> Lines:
    """A parameter of this shape, as it is used."""
    if len(shape) < 2:
        return Lines(shape[0] if shape else 1, 1)
    turned = bool(uses) and all(use.transposed for use in uses)
    return Lines(shape[1], shape[0], turned) if turned else Lines(shape[0], shape[1])


def blocks_of(step: Step, lines: Mapping[str, Lines], order: int | None, device: torch.device) -> Iterator[Block]:
    """The blocks of S for the parameters in ``lines``.

    ``order`` n keeps the entries (i, j) where θ_j influences state i within n steps, None those where it ever does.
    """
    states = step.system.states
    sizes = [step.size(name) for name in states]
    forms: dict[object, list[tuple[list[list[int]], dict[str, list[int]]]]] = {}
    for key, own in _groups(_masks(step, lines, order)).items():
        mask = np.unpackbits(np.frombuffer(key, np.uint8), count=sum(sizes))
        rows = [np.flatnonzero(part).tolist() for part in np.split(mask, np.cumsum(sizes)[:-1])]
        if any(rows):
            form = (*map(len, rows), *((name, len(each)) for name, each in own.items()))
            forms.setdefault(form, []).append((rows, own))
    for alike in forms.values():
        high = {name: [rows[i] for rows, _ in alike] for i, name in enumerate(states) if alike[0][0][i]}
        wide = {name: [own[name] for _, own in alike] for name in alike[0][1]}
        rows_at, height = _slices(high, dict.fromkeys(high, 1), device)
        lines_at, width = _slices(wide, {name: lines[name].width for name in wide}, device)
        yield Block(rows_at, lines_at, len(alike), height, width)


def _groups(masks: Mapping[str, Mask]) -> dict[bytes, dict[str, list[int]]]:
    """The lines by what they influence."""
    groups: dict[bytes, dict[str, list[int]]] = {}
    for name, mask in masks.items():
        for line, row in enumerate(np.packbits(mask, axis=1)):
            groups.setdefault(row.tobytes(), {}).setdefault(name, []).append(line)
    return groups


def _slices(indices: Groups, widths: Mapping[str, int], device: torch.device) -> tuple[Slices, int]:
    found, at = Slices(), 0
    for name, each in indices.items():
        end = at + len(each[0]) * widths[name]
        found[name] = slice(at, end), torch.tensor(each, device=device)
        at = end
    return found, at


def _masks(step: Step, lines: Mapping[str, Lines], order: int | None) -> dict[str, Mask]:
    """Which components of all states (N) each line influences within ``order`` steps: (lines, N) for each parameter.

    A first value influences its own state from the start: that counts as the first step.
    """
    structure, states = Structure(step.system), step.system.states
    within = np.concatenate([_rows(step, step.states[name], structure, step.size(name)) for name in states], 1)
    places = _places(step)
    masks = {}
    for name, own in lines.items():
        mask = np.zeros((own.count, len(within)), dtype=bool)
        for use in step.uses[name]:
            crosswise = use.transposed != own.turned
            found = _rows(step, use.derivatives, structure, own.width if crosswise else own.count)
            # a line that a product reads crosswise influences all that any of its numbers does
            mask |= found.any(1) if crosswise else found.T
        for state, value in step.system.initial:
            if value.op == "symbol" and value.data[0] == name:
                mask[:, places[state]] |= np.eye(own.count, dtype=bool)
        masks[name] = product(mask, _reach(within, order).T)
    return masks


def _reach(within: Mask, order: int | None) -> Mask:
    """Which states depend on which states 0 to ``order`` − 1 steps before."""
    reach = np.eye(len(within), dtype=bool)
    while order is None or order > 1:
        further = reach | product(within, reach)
        if (further == reach).all():
            break
        reach, order = further, None if order is None else order - 1
    return reach


def _rows(step: Step, derivatives: Derivatives, structure: Structure, width: int) -> Mask:
    """The structure of derivatives of all states, below one another."""
    parts = [
        structure(derivatives[name]) if name in derivatives else np.zeros((step.size(name), width), dtype=bool)
        for name in step.system.states
    ]
    return np.concatenate(parts)


def _places(step: Step) -> dict[str, slice]:
    """Where each state lies among all."""
    found, at = {}, 0
    for name in step.system.states:
        found[name] = slice(at, at + step.size(name))
        at += step.size(name)
    return found
