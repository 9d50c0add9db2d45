"""Where text comes from: a file, a folder, a glob, standard input, or the sources of Python's standard library.

The last 5 % of the characters are for validation; in the standard library whole files are held out.
"""

from __future__ import annotations

import glob
import hashlib
import sysconfig
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from unrolled.data.cache import user_cache
from unrolled.data.documents import Documents, read_documents, vocabulary_of
from unrolled.data.sources import Pieces, Source, Spool
from unrolled.data.tokens import LongCorpus, Part
from unrolled.data.vocabulary import Kind, Vocabulary
from unrolled.errors import ConfigurationError, DataError

VALIDATION_SHARE = 0.05
IN_MEMORY = 16_000_000  # characters, which take some 250 MB until they are symbols; a longer text is read in pieces

# Tests hold deliberately broken files, pydoc_data is one generated table of documentation, the rest was installed.
NOT_THE_LIBRARY = {"test", "tests", "idle_test", "pydoc_data", "site-packages", "dist-packages", "__pycache__"}


@dataclass(frozen=True)
class Corpus:
    """A text in two parts: ``training`` and, after it, ``validation``."""

    name: str
    training: str
    validation: str

    @property
    def text(self) -> str:
        """Both parts."""
        return self.training + self.validation

    @property
    def training_characters(self) -> int:
        """The length of the first part."""
        return len(self.training)

    @property
    def validation_characters(self) -> int:
        """The length of the second part."""
        return len(self.validation)

    @property
    def sha256(self) -> str:
        """The fingerprint of both parts and of the border between them."""
        parts = (self.training.encode("utf-8", "surrogateescape"), self.validation.encode("utf-8", "surrogateescape"))
        return hashlib.sha256(b"%d:" % len(parts[0]) + parts[0] + parts[1]).hexdigest()

    def vocabulary(self, kind: Kind, separator: str = "") -> Vocabulary:
        """The symbols of the documents of both parts."""
        return vocabulary_of((self.training, self.validation), separator, kind)

    def documents(self, part: Part, vocabulary: Vocabulary, separator: str = "") -> Documents:
        """The documents of one part, each ended by the ``separator``; the part is a single one where that is empty."""
        return read_documents(self.training if part == "training" else self.validation, separator, vocabulary)


def split(name: str, text: str, share: float = VALIDATION_SHARE) -> Corpus:
    """The corpus whose last ``share`` of the characters (rounded down, at least two) is for validation."""
    border = _border(name, len(text), share)
    return Corpus(name, text[:border], text[border:])


def read_corpus(
    text: str | None = None, data: str | None = None, *, raw: bool = False, limit: int = 0, in_memory: int = IN_MEMORY
) -> Corpus | LongCorpus:
    """The corpus that a user names.

    ``text`` is a file, a folder (all its files, by name), a glob, "-" (standard input) or None (the standard library
    of the running Python); ``data`` is the name of a corpus to download ("shakespeare"). ``raw`` lets bytes through
    that are no UTF-8, for vocabularies of bytes. ``limit`` > 0 reads only so many characters. A text of more than
    ``in_memory`` characters is a ``LongCorpus``. Raises DataError, with the file and the line, for what cannot be read.
    """
    if data is not None and text is not None:
        raise ConfigurationError(f"both a text ({text}) and --data {data} are given; give one of them")
    if data is not None:
        if data != "shakespeare":
            raise ConfigurationError(f"--data {data} does not exist; the only corpus to download is shakespeare")
        from unrolled.data.download import shakespeare  # and with it all of HTTP, which few need

        return _corpus(data, Source((shakespeare(),)), raw, limit, in_memory)
    if text is None:
        return standard_library(limit)
    return _corpus(_name(text), _source(text), raw, limit, in_memory)


def read_text(text: str, *, raw: bool = False) -> str:
    """The text of a file, a folder, a glob or "-"; the files of a folder in the order of their names."""
    return "".join(_source(text).pieces(raw))


def read_file(path: Path, raw: bool = False) -> str:
    """The text of one UTF-8 file, line ends untouched."""
    return "".join(Source((path,)).pieces(raw))


def _corpus(name: str, source: Source, raw: bool, limit: int, in_memory: int) -> Corpus | LongCorpus:
    pieces, head, length = source.pieces(raw, limit), list[str](), 0
    for piece in pieces:
        head.append(piece)
        length += len(piece)
        if length > in_memory:
            break
    else:
        return split(name, "".join(head))
    again: Pieces = partial(source.pieces, raw, limit)
    if source.once:
        again = Spool(chain(head, pieces), user_cache()).pieces
    return LongCorpus.open(name, again, lambda characters: _border(name, characters, VALIDATION_SHARE))


def _border(name: str, characters: int, share: float) -> int:
    held_out = max(2, int(characters * share))
    if characters < 2 * held_out:
        raise DataError(f"{name} has {characters} characters, which is too short to train on; give a longer text")
    return characters - held_out


def _source(text: str) -> Source:
    if text == "-":
        return Source()
    path = Path(text)
    if path.is_dir():
        files = [p for p in sorted(path.rglob("*")) if p.is_file() and not _hidden(p.relative_to(path))]
        if not files:
            raise DataError(f"the folder {text} holds no file to train on")
        return Source(tuple(files), several=True)
    if path.exists():
        return Source((path,))
    files = [Path(name) for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file()]
    if not files:
        kind = "no file matches the pattern" if glob.has_magic(text) else "there is no file or folder"
        raise DataError(f"{kind} {text}; TEXT is a file, a folder, a glob in quotes, or - for standard input")
    return Source(tuple(files), several=True)


def standard_library(limit: int = 0) -> Corpus:
    """The source files of the running Python's standard library, of which at most 5 % are held out, by file."""
    root = Path(sysconfig.get_paths()["stdlib"])
    texts: list[str] = []
    for path in _library_files(root):
        texts.append(read_file(path))
        if limit and sum(map(len, texts)) >= limit:
            break
    room = int(VALIDATION_SHARE * sum(map(len, texts)))
    training: list[str] = []
    validation: list[str] = []
    for text in reversed(texts):
        held_out = len(text) <= room
        room -= len(text) if held_out else 0
        (validation if held_out else training).append(text)
    if not any(training) or not any(validation):
        raise DataError(f"{root} holds too few source files of the standard library to train on; give a TEXT")
    return Corpus("python", "".join(reversed(training)), "".join(reversed(validation)))


def _library_files(root: Path) -> list[Path]:
    """In an order that is fixed but unrelated to what the files hold: the first of them are a fair sample of all."""
    found = (path.relative_to(root) for path in root.rglob("*.py"))
    names = (path.as_posix() for path in found if not NOT_THE_LIBRARY.intersection(path.parts))
    return [root / name for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _name(text: str) -> str:
    """A short name for a corpus, good for a folder."""
    stem = "stdin" if text == "-" else Path(text).absolute().stem
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in stem).strip("-.") or "text"
