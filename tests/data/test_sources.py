"""Texts in pieces, against decoding and slicing the whole."""

import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data import sources
from unrolled.data.sources import Source, Spool, between
from unrolled.errors import DataError

BOM = b"\xef\xbb\xbf"
SCRAPS = [b"a", b"\n", b"\r\n", "é".encode(), "中".encode(), "🙂".encode(), b"\xff", b"\xe4\xb8", b"\xa9", BOM, b"\x00"]
BYTES = st.lists(st.sampled_from(SCRAPS), max_size=30).map(b"".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sources")


@given(data=BYTES, size=st.integers(1, 5), limit=st.integers(0, 40))
def test_pieces_are_the_decoded_whole(folder, data, size, limit):
    path = folder / "text"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "PIECE", size)
        whole = data.decode("utf-8", "surrogateescape")
        assert "".join(Source((path,)).pieces(raw=True)) == whole
        assert "".join(Source((path,)).pieces(raw=True, limit=limit)) == (whole[:limit] if limit else whole)
        try:
            expected = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            bare = data.removeprefix(BOM)
            said = f"byte 0x{bare[error.start]:02X} in line {bare.count(10, 0, error.start) + 1} is no character"
            with pytest.raises(DataError, match=re.escape(f"{path} is not UTF-8: {said}")):
                "".join(Source((path,)).pieces())
        else:
            assert "".join(Source((path,)).pieces()) == expected


@given(texts=st.lists(st.sampled_from(["", "a", "b\n", "c\nd", "\n", "é"]), max_size=5), size=st.integers(1, 3))
def test_each_of_several_files_ends_its_last_line(folder, texts, size):
    paths = []
    for number, text in enumerate(texts):
        paths.append(folder / f"{number}")
        paths[-1].write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "PIECE", size)
        found = "".join(Source((*paths, folder / "0"), several=True).pieces()) if paths else ""
    expected = [*texts, texts[0]] if texts else []
    assert found == "".join(text + "\n" * (text[-1:] not in ("", "\n")) for text in expected)


@given(st.lists(st.text("ab", max_size=4), max_size=6), st.integers(0, 20), st.integers(0, 20))
def test_the_characters_between_two_places(pieces, begin, end):
    read = iter(pieces)
    found = list(between(read, begin, end))
    assert "".join(found) == "".join(pieces)[begin:end]
    assert "" not in found
    assert next(read, None) is None  # the rest was read too


def test_what_comes_once_can_be_read_again(tmp_path):
    text = "\ufeffone\r\n\udcff🙂"
    spool = Spool(iter([text[:3], "", text[3:]]), tmp_path / "new")
    assert ["".join(spool.pieces()) for _ in range(2)] == [text, text]
    assert list((tmp_path / "new").iterdir()) == []  # it has no name


def test_a_folder_that_cannot_hold_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written.*XDG_CACHE_HOME"):
        Spool(iter("abc"), tmp_path / "file")


def test_standard_input_comes_once(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BOM + b"abc")))
    assert "".join(Source().pieces()) == "abc"
    assert Source().once
    (tmp_path / "x").write_text("")
    assert not Source((tmp_path / "x",)).once


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="gone cannot be read: No such file"):
        list(Source((tmp_path / "gone",)).pieces())
