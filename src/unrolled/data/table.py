"""Labelled examples, column by column, whatever file they came from.

Shapes: B examples; an example of numbers in time has T frames of n numbers: (T, n), or (T,) where n = 1.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.errors import ConfigurationError, DataError


@dataclass(frozen=True)
class Table:
    """Examples, column by column; ``where[i]`` says where example i comes from ("FILE, line 7").

    A value is a text (str), a sequence of tokens or tags (tuple of str), a number (float), or frames: an array (T, n)
    or (T,). Raises DataError where the columns differ in length.

    >>> table = Table({"text": ("Abe", "Wu"), "label": ("Japanese", "Chinese")}, ("names.csv, line 2", "line 3"))
    >>> len(table), table.select([1]).column("label")
    (2, ('Chinese',))
    """

    columns: Mapping[str, Sequence[Any]]
    where: Sequence[str]

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            if len(values) != len(self):
                raise DataError(f"the column {name!r} has {len(values)} values for {len(self)} examples; give one each")

    def __len__(self) -> int:
        return len(self.where)

    def column(self, name: str) -> Sequence[Any]:
        """The values of one column, one for each example; raises DataError for a name that is not there."""
        if name in self.columns:
            return self.columns[name]
        lower = {column.lower(): column for column in self.columns}
        close = difflib.get_close_matches(name.lower(), lower, n=1)
        hint = f"did you mean {lower[close[0]]!r}? The" if close else "the"
        raise DataError(f"there is no column {name!r}; {hint} columns are {', '.join(self.columns)}")

    def select(self, indices: Iterable[int]) -> Table:
        """The examples with these numbers (from 0), in this order."""
        chosen = list(indices)
        columns = {name: tuple(values[i] for i in chosen) for name, values in self.columns.items()}
        return Table(columns, tuple(self.where[i] for i in chosen))


def split(table: Table, share: float, seed: int, by: str | None = None) -> tuple[Table, Table]:
    """The table in two: what stays for training, and a random ``share`` (between 0 and 1) that is held out.

    ``by`` names a column whose equal values stay together: no name that occurs in two languages is then in both parts.
    The held-out part is as near to ``share`` of the examples as whole groups, drawn at random, come. Both parts keep
    the order of the table, and neither is empty. Raises DataError where there is only one example or group, and
    ConfigurationError for a share or a seed that is none.
    """
    if not 0 < share < 1 or seed < 0:
        raise ConfigurationError(f"share={share}, seed={seed} cannot split; a share is between 0 and 1, a seed from 0")
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, value in enumerate(range(len(table)) if by is None else table.column(by)):
        groups[comparable(value)].append(index)
    if len(groups) < 2:
        same = f" with the same {by}" if by is not None and len(table) > 1 else ""
        raise DataError(f"{counted(len(table), 'example')}{same} cannot be split into two parts; give more examples")
    goal = round(min(max(share * len(table), 1), len(table) - 1))
    drawn, held_out = list(groups.values()), list[int]()
    drawn = [drawn[i] for i in np.random.default_rng(seed).permutation(len(drawn))]
    for group in drawn:
        larger = len(held_out) + len(group)
        if abs(larger - goal) < abs(len(held_out) - goal) and larger < len(table):
            held_out += group
    held_out = held_out or min(drawn, key=len)
    rest = sorted(set(range(len(table))).difference(held_out))
    return table.select(rest), table.select(sorted(held_out))


def without_duplicates(table: Table) -> Table:
    """The table with only the first of the examples that are equal in all columns."""
    first: dict[Hashable, int] = {}
    for index, row in enumerate(zip(*table.columns.values(), strict=True)):
        first.setdefault(tuple(map(comparable, row)), index)
    return table.select(first.values())


def comparable(value: Any) -> Hashable:
    """What is equal where values are; adding 0 turns -0.0 into 0.0."""
    return (value.dtype.str, value.shape, (value + 0).tobytes()) if isinstance(value, np.ndarray) else value


def check_names(names: Sequence[str], place: str, remedy: str) -> None:
    """Raises DataError, with the place and the remedy, where a column has no name or the name of another."""
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise DataError(f"{place}: column {number} of {len(names)} has no name; {remedy}")
        if names.index(name) < number - 1:
            raise DataError(f"{place}: the name {name!r} is there twice; give each column a name of its own")


def counted(number: int, noun: str) -> str:
    """How many of them: "1 frame", "2 frames"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
