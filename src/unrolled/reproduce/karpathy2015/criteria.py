"""What Karpathy, Johnson & Fei-Fei 2015 say of cells, depth and size, and what must be measured for it to hold.

Written before any network of the grid was trained; never changed afterwards. Source: "Visualizing and understanding
recurrent networks", arXiv:1506.02078, section 4.1 and table 1: cross-entropies in nats per character on War and Peace
and on the source code of Linux, for 1 to 3 layers, and for the numbers of parameters that LSTMs of 64 to 512 units
have.

The text here is another one, and the budget smaller by far, so that no number of theirs can be expected: the criteria
are the three statements that they draw from the table. An untrained network has the same loss whatever its cell, and
meets none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Grid = Mapping[tuple[str, int, int], float]  # nats per character by cell, layers, and units of the LSTM of that size

MARGIN = 0.01  # nats: a difference below is none
SHARE = 0.75  # of the pairs that are compared, for "consistently"

# War and Peace, of table 1: (cell, layers) → 64, 128, 256, 512 units of an LSTM with as many parameters
PUBLISHED: Mapping[tuple[str, int], Sequence[float]] = {
    ("lstm", 1): (1.449, 1.277, 1.189, 1.161),
    ("lstm", 2): (1.442, 1.227, 1.137, 1.092),
    ("lstm", 3): (1.540, 1.279, 1.141, 1.082),
    ("vanilla", 1): (1.446, 1.417, 1.342, 1.364),
    ("vanilla", 2): (1.401, 1.286, 1.256, 1.256),
    ("vanilla", 3): (1.396, 1.277, 1.239, 1.240),
    ("gru", 1): (1.398, 1.230, 1.198, 1.170),
    ("gru", 2): (1.373, 1.226, 1.164, 1.201),
    ("gru", 3): (1.472, 1.253, 1.138, 1.077),
}

DEPTH = "a depth of at least two layers is beneficial"
GATES = "the LSTM and the GRU are significantly better than the RNN"
CELLS = "between the LSTM and the GRU the results are mixed"


def depth_pairs(grid: Grid) -> list[bool]:
    """For each cell and size, whether the best of two or more layers is better than one layer."""
    found = []
    for cell, size in dict.fromkeys((cell, size) for cell, _, size in grid):
        deep = [loss for (c, layers, s), loss in grid.items() if (c, s) == (cell, size) and layers > 1]
        flat = grid.get((cell, 1, size))
        if deep and flat is not None:
            found.append(min(deep) < flat - MARGIN)
    return found


def gate_pairs(grid: Grid) -> list[bool]:
    """For each number of layers and size, whether the RNN is worse than the LSTM, and than the GRU."""
    return [
        loss < grid["vanilla", layers, size] - MARGIN
        for (cell, layers, size), loss in grid.items()
        if cell in ("lstm", "gru") and ("vanilla", layers, size) in grid
    ]


def winners(grid: Grid) -> set[str]:
    """Which of LSTM and GRU is better somewhere in the grid."""
    found = set()
    for (cell, layers, size), loss in grid.items():
        other = {"lstm": "gru", "gru": "lstm"}.get(cell, "")
        if (other, layers, size) in grid and loss < grid[other, layers, size] - MARGIN:
            found.add(cell)
    return found


def consistently(pairs: Sequence[bool]) -> bool:
    """Whether three of four pairs say so."""
    return bool(pairs) and sum(pairs) >= SHARE * len(pairs)


def mixed(grid: Grid) -> bool:
    """Whether both beat the RNN, and each of the two is better than the other somewhere, or neither is anywhere."""
    return consistently(gate_pairs(grid)) and len(winners(grid)) != 1
