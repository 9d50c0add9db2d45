"""Labelled examples as a table, from the files that people have: CSV, JSON Lines, CoNLL-U, folders of texts, arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from unrolled.data import conllu
from unrolled.data.archive import read_archive
from unrolled.data.json_lines import read_json_lines
from unrolled.data.plain_text import read_lines, read_text
from unrolled.data.separated import read_separated
from unrolled.data.table import Table
from unrolled.errors import DataError


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


def _conllu(path: Path) -> Table:
    columns, lines = conllu.read(read_text(path), str(path))
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
    rows = [(str(file), read_text(file), label) for file, label in examples]
    rows += [(place, text, label) for file, label in _labels(path, files) for place, text in read_lines(file)]
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


_READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": partial(read_separated, delimiter=","),
    ".tsv": partial(read_separated, delimiter="\t"),
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".conllu": _conllu,
    ".npz": read_archive,
}
_ENDINGS = ", ".join(_READERS)
