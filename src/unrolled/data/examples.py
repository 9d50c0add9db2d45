"""Labelled examples in one form, from the files that people have: CSV, JSON Lines, CoNLL-U, folders of texts, arrays.

Shapes: B examples; an example of numbers in time has T frames of n numbers: (T, n), or (T,) where n = 1.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data import conllu
from unrolled.errors import ConfigurationError, DataError

Array = NDArray[Any]
NO_CHARACTER = re.compile("[^\0-\ud7ff\ue000-\U0010ffff]")  # JSON's \u escapes and NumPy's strings may hold one


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


def read_table(path: Path | str) -> Table:
    """The examples of a file or a folder.

    - .csv, .tsv: a header line with the names of the columns; every cell is text.
    - .jsonl, .ndjson: one JSON object a line, all with the same keys: texts, numbers, lists of strings (tuples), of
      numbers (T,) or of lists of numbers (T, n), both float64. Every number must be finite, in .npz too.
    - .conllu: one example a sentence, the columns id, form, …, misc as tuples of strings, and ``text`` where every
      sentence has a comment "# text ="; multiword ranges and empty nodes are skipped.
    - .npz: each array is a column and has a row for each example. Strings (B,) are texts, strings (B, T) tuples; a
      row of numbers keeps its type. ``lengths`` (B,) beside arrays (B, T, …) is no column: it cuts their rows.
    - a folder of plain text files: ``text`` is a line, ``label`` the name of the file without its ending (Arabic.txt),
      or the ending where only that differs (rt-polarity.pos, rt-polarity.neg); a folder of folders: ``text`` is a
      whole file, ``label`` the name of its folder. Hidden files are ignored.

    Text is UTF-8, blank lines are skipped. Raises DataError, with file, line and remedy, for what cannot be read.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise DataError(f"there is no file or folder {path}; give a folder or a file that ends in {_ENDINGS}")
        if path.is_dir():
            return _folder(path)
        if path.suffix.lower() not in _READERS:
            raise DataError(f"{path} ends in none of {_ENDINGS}; convert it, or give a folder of plain texts")
        return _READERS[path.suffix.lower()](path)
    except OSError as error:
        name, reason = error.filename or path, error.strerror or error
        raise DataError(f"{name} cannot be read: {reason}; check the name and the permissions") from error


def is_table(path: Path) -> bool:
    """Does the name say that this file holds examples in columns?"""
    return path.suffix.lower() in _READERS


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
        raise DataError(f"{_count(len(table), 'example')}{same} cannot be split into two parts; give more examples")
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


def _text(path: Path) -> str:
    """The text of a UTF-8 file, line ends untouched, that holds more than blanks."""
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        text, bad = data.decode(), data.find(b"\0")
    except UnicodeDecodeError as error:
        text, bad = "", error.start
    if bad >= 0:
        line = data.count(b"\n", 0, bad) + 1
        what = "is NUL, which no text has" if data[bad] == 0 else "is no UTF-8"
        how = f"iconv -f {'utf-16' if 0 in data else 'latin1'} -t utf8 {path}"
        raise DataError(
            f"{path}: byte 0x{data[bad]:02X} in line {line} {what}; if the file is a text, convert it ({how})"
        )
    if not text.strip():
        raise DataError(f"{path} is empty; give a file with examples in it, or delete it")
    return text


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Where a line is and what it says, for each that is not blank (str.splitlines would split at U+0085, too)."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line.removesuffix("\r")


def _check_names(names: Sequence[str], place: str, remedy: str) -> None:
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise DataError(f"{place}: column {number} of {len(names)} has no name; {remedy}")
        if names.index(name) < number - 1:
            raise DataError(f"{place}: the name {name!r} is there twice; give each column a name of its own")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _separated(path: Path, delimiter: str) -> Table:
    text = _text(path)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may hold a whole book
    (line, header), *rows = _records(path, text, delimiter)
    _check_names(header, f"{path}, line {line}", "name it, or leave it out (pandas does with to_csv(index=False))")
    for line, row in rows:
        if len(row) != len(header):
            found = f"{_count(len(row), 'cell')}, the header has {len(header)} ({', '.join(header)})"
            raise DataError(f"{path}, line {line} has {found}; write as many, and quotes around one with {delimiter!r}")
    if not rows:
        raise DataError(f"{path} has a header ({', '.join(header)}) and no row below it; give at least one example")
    columns = dict(zip(header, zip(*(row for _, row in rows), strict=True), strict=True))
    return Table(columns, tuple(f"{path}, line {line}" for line, _ in rows))


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line on which it starts."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        after = f"goes on after a closing quote ({error} in line {reader.line_num})"
        happened = "opens a quote that is never closed" if "end of data" in str(error) else after
        raise DataError(f'{path}, line {start} {happened}; in a cell in quotes, write the mark twice ("")') from None


class _Object(tuple[tuple[str, Any], ...]):
    """The pairs of a JSON object, with keys that are there twice."""


def _json_lines(path: Path) -> Table:
    where: list[str] = []
    columns: dict[str, list[Any]] = {}
    for place, line in _lines(path):
        row = _object(line, place)
        columns = columns or {name: [] for name in row}
        if row.keys() != columns.keys():
            keys, first = ", ".join(row), ", ".join(columns)
            raise DataError(f"{place} has the keys {keys}, {where[0]} has {first}; give all examples the same keys")
        for name, value in row.items():
            columns[name].append(_value(value, f"{place}: {name!r}"))
        where.append(place)
    return Table({name: _alike(name, values, where) for name, values in columns.items()}, tuple(where))


def _object(line: str, place: str) -> dict[str, Any]:
    example = 'write one whole object on each line, such as {"text": "Abe", "label": "Japanese"}'
    try:
        row = json.loads(line, object_pairs_hook=_Object, parse_int=float)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}, column {error.colno} is no JSON ({error.msg}); {example}") from None
    except RecursionError:
        raise DataError(f"{place} is nested too deeply; {example}") from None
    if not isinstance(row, _Object) or not row:
        raise DataError(f"{place} is {'an empty object' if row == () else 'no object'}; {example}")
    _check_names([name for name, _ in row], place, 'give it a key that is not ""')
    return dict(row)


def _value(value: Any, what: str) -> str | float | tuple[str, ...] | Array:
    """A value of JSON as one of a table; an empty list, whose kind the other examples decide, is ()."""
    if isinstance(value, str):
        return _characters(value, what)
    if isinstance(value, float):
        return float(_finite(np.array(value), what))
    if not isinstance(value, list):
        found = "an object" if isinstance(value, _Object) else json.dumps(value)
        raise DataError(f"{what} is {found}; write a text, a number, or a list of texts or numbers")
    if all(isinstance(each, str) for each in value):
        return tuple(_characters(each, what) for each in value)
    frames = value if all(isinstance(each, list) for each in value) else [value]
    if {type(each) for frame in frames for each in frame} != {float}:
        kinds = "texts, of numbers, or of lists (frames) of numbers of which none is empty"
        raise DataError(f"{what} is a list of other things; write a list of {kinds}")
    for number, frame in enumerate(frames, 1):
        if len(frame) != len(frames[0]):
            sizes = f"frame {number} has {_count(len(frame), 'number')}, frame 1 has {len(frames[0])}"
            raise DataError(f"{what} is no rectangle: {sizes}; give all frames the same length")
    return _finite(np.array(value, dtype=np.float64), what)


def _alike(name: str, values: list[Any], where: list[str]) -> tuple[Any, ...]:
    """The values of a column, all of one kind; the first list that is not empty says what an empty one is empty of."""
    kinds = [_kind(value) for value in values]
    first = next((i for i, kind in enumerate(kinds) if kind != "an empty list"), 0)
    for place, kind in zip(where, kinds, strict=True):
        if kind != kinds[first] and not (kind == "an empty list" and kinds[first].startswith("a list")):
            found = f"{kind}, in {where[first]} it is {kinds[first]}"
            raise DataError(f"{place}: {name!r} is {found}; give all examples the same kind of value")
    return tuple(values[first][:0] if k == "an empty list" else v for k, v in zip(kinds, values, strict=True))


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "a list of numbers" if value.ndim == 1 else f"a list of frames of {_count(value.shape[1], 'number')}"
    return {str: "a text", float: "a number"}.get(type(value)) or ("a list of texts" if value else "an empty list")


def _characters(text: str, what: str) -> str:
    if bad := NO_CHARACTER.search(text):
        raise DataError(f"{what} holds U+{ord(bad[0]):04X}, which is no character; write the character itself")
    return text


def _finite(numbers: Array, what: str) -> Array:
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise DataError(f"{what} holds {numbers[~np.isfinite(numbers)][0]}, which is no value; write finite numbers")
    return numbers


def _conllu(path: Path) -> Table:
    columns, lines = conllu.read(_text(path), str(path))
    return Table(columns, tuple(f"{path}, line {line}" for line in lines))


def _folder(path: Path) -> Table:
    entries = _visible(path)
    folders = [entry for entry in entries if entry.is_dir()]
    files = [entry for entry in entries if not entry.is_dir()]
    if folders and files:
        names = f"folders ({folders[0].name}) and files ({files[0].name})"
        raise DataError(f"the folder {path} holds {names}; leave only one kind there, one for each label")
    examples = [(file, folder.name) for folder in folders for file in _visible(folder)]
    for file, label in examples:
        if file.is_dir():
            raise DataError(f"{path} has a label {label} that holds the folder {file.name}; give {file.parent}")
    rows = [(str(file), _text(file), label) for file, label in examples]
    rows += [(place, text, label) for file, label in _labels(path, files) for place, text in _lines(file)]
    where, texts, labels = zip(*rows, strict=True)
    return Table({"text": texts, "label": labels}, where)


def _visible(folder: Path) -> list[Path]:
    found = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    if not found:
        raise DataError(f"the folder {folder} is empty; put a text file in it, or delete it")
    return found


def _labels(folder: Path, files: list[Path]) -> list[tuple[Path, str]]:
    """Each file with its label: the stem where all end alike, the ending where all begin alike."""
    for file in files:
        if file.suffix.lower() in _READERS:
            raise DataError(f"the folder {folder} holds {file.name}, which is no plain text; give the file itself")
    endings = sorted({file.suffix for file in files})
    if len(endings) <= 1:
        return [(file, file.stem) for file in files]
    if len({file.stem for file in files}) == 1 and "" not in endings:
        return [(file, file.suffix[1:]) for file in files]
    kinds = ", ".join(ending or "in nothing" for ending in endings)
    raise DataError(f"the files of {folder} end differently ({kinds}); leave only one a label there, all ending alike")


def _archive(path: Path) -> Table:
    arrays = _arrays(path)
    _check_names(list(arrays), str(path), "name it (np.savez(file, name=array))")
    counts = {array.shape[:1] for array in arrays.values()}
    if len(counts) != 1 or () in counts or not all(array.size for array in arrays.values()):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "no array"
        raise DataError(f"{path} holds {shapes}; give every array one row for each example, and none empty")
    where = tuple(f"{path}, index {i}" for i in range(next(iter(counts))[0]))
    lengths = None
    if "lengths" in arrays and any(array.ndim > 1 for name, array in arrays.items() if name != "lengths"):
        lengths = _lengths(path, arrays.pop("lengths"), arrays)
    return Table({name: _column(name, array, where, lengths) for name, array in arrays.items()}, where)


def _arrays(path: Path) -> dict[str, Array]:
    """The arrays of an archive, in the byte order of this machine."""
    name, arrays = None, {}
    with path.open("rb") as file:
        try:
            for name in (archive := np.load(file, allow_pickle=False)).files:
                array = np.asarray(archive[name])
                arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
        except Exception as error:  # zipfile, zlib and numpy have a dozen ways to say what is damaged
            what = "is no archive of arrays" if name is None else f"has an array {name!r} that cannot be read ({error})"
            raise DataError(f"{path} {what}; write numbers or strings, no objects, with np.savez") from error
    for name, array in arrays.items():
        points = np.frombuffer(array.tobytes() if array.dtype.kind == "U" else b"", np.uint32)
        if array.dtype.kind not in "biufU" or (len(points) and array.ndim > 2) or (points > sys.maxunicode).any():
            what = f"the array {name!r} {array.shape} of type {array.dtype}"
            raise DataError(f"{path} holds {what}; write numbers, or strings (B,) or (B, T), with array.astype")
    return arrays


def _lengths(path: Path, lengths: Array, arrays: Mapping[str, Array]) -> list[int]:
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise DataError(f"{path}: lengths {lengths.shape} is of type {lengths.dtype}; write integers (B,)")
    frames, name = min((array.shape[1], name) for name, array in arrays.items() if array.ndim > 1)
    for i, length in enumerate(lengths.tolist()):
        if not 0 <= length <= frames:
            what = f"lengths[{i}] is {length}, but a row of {name} {arrays[name].shape} has {_count(frames, 'frame')}"
            raise DataError(f"{path}: {what}; write lengths between 0 and {frames}")
    return [int(length) for length in lengths]


def _column(name: str, array: Array, where: Sequence[str], lengths: list[int] | None) -> tuple[Any, ...]:
    frames = array.ndim > 1 and array.dtype.kind != "U"
    with np.errstate(all="ignore"):  # of a longer float that overflows, _finite speaks
        rows = list(array) if frames else array.astype(array.dtype if array.dtype.kind == "U" else np.float64).tolist()
    if lengths is not None and array.ndim > 1:
        rows = [row[:length] for row, length in zip(rows, lengths, strict=True)]
    check = _finite if frames else _value
    return tuple(check(row, f"{place}: {name!r}") for row, place in zip(rows, where, strict=True))


_READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": partial(_separated, delimiter=","),
    ".tsv": partial(_separated, delimiter="\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".conllu": _conllu,
    ".npz": _archive,
}
_ENDINGS = ", ".join(_READERS)
