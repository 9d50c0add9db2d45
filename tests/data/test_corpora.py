"""Where text comes from, and what is said when it cannot be read."""

import io
import sys

import pytest

from unrolled.data import corpora
from unrolled.data.corpora import read_corpus, split, standard_library
from unrolled.errors import ConfigurationError, DataError


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_last_five_percent_are_for_validation(tmp_path):
    text = "".join(chr(0x4E00 + i) for i in range(1000))
    corpus = read_corpus(str(write(tmp_path / "book one.txt", text)))
    assert (corpus.training, corpus.validation) == (text[:950], text[950:])
    assert corpus.name == "book-one"


def test_line_ends_and_scripts_stay_as_they_are(tmp_path):
    text = "один\r\nδύο\n三\t🙂\r" * 10
    assert read_corpus(str(write(tmp_path / "a", b"\xef\xbb\xbf" + text.encode()))).text == text


def test_a_folder_is_its_files_in_order_without_hidden_ones(tmp_path):
    for name, text in {"b.txt": "second" * 5, "a/z.txt": "first\n" * 5, ".git/config": "no", ".hidden": "no"}.items():
        write(tmp_path / name, text)
    assert read_corpus(str(tmp_path)).text == "first\n" * 5 + "second" * 5 + "\n"
    assert read_corpus(str(tmp_path / "*.txt")).text == "second" * 5 + "\n"
    assert read_corpus(str(tmp_path / "**" / "z.*")).text == "first\n" * 5


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abcdefghij" * 4)))
    corpus = read_corpus("-")
    assert (corpus.name, corpus.validation) == ("stdin", "ij")


def test_bad_utf8_is_named_with_file_and_line(tmp_path):
    path = write(tmp_path / "latin.txt", b"one\ntwo\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"latin\.txt is not UTF-8: byte 0xE9 in line 3 .*--bytes"):
        read_corpus(str(path))
    assert read_corpus(str(path), raw=True).text == "one\ntwo\ncaf\udce9\n"


@pytest.mark.parametrize(("name", "message"), [("nothing.txt", "there is no file"), ("*.md", "no file matches")])
def test_what_is_not_there(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        read_corpus(str(tmp_path / name))


def test_empty_and_short_texts(tmp_path):
    with pytest.raises(DataError, match="holds no file"):
        read_corpus(str(tmp_path))
    for text in ("", "abc"):
        with pytest.raises(DataError, match="too short"):
            read_corpus(str(write(tmp_path / "x", text)))


def test_a_text_and_a_download_exclude_each_other():
    with pytest.raises(ConfigurationError, match="give one of them"):
        read_corpus("a.txt", "shakespeare")
    with pytest.raises(ConfigurationError, match="only corpus"):
        read_corpus(None, "shakespere")


def test_the_limit_comes_before_the_split(tmp_path):
    path = write(tmp_path / "x", "0123456789" * 100)
    corpus = read_corpus(str(path), limit=100)
    assert (len(corpus.training), len(corpus.validation)) == (95, 5)


def test_the_fingerprint_knows_text_and_border():
    assert split("a", "x" * 100).sha256 == split("b", "x" * 100).sha256
    assert split("a", "x" * 100).sha256 != split("a", "x" * 100, 0.1).sha256
    assert split("a", "x" * 100).sha256 != split("a", "x" * 99 + "y").sha256


def test_the_standard_library_is_held_out_by_file(tmp_path, monkeypatch):
    texts = {f"module{i}.py": f"# {i}\n" * (20 + i % 7) for i in range(100)}
    for name, text in texts.items():
        write(tmp_path / name, text)
    write(tmp_path / "site-packages" / "x.py", "not the library")
    write(tmp_path / "json" / "test" / "bad.py", b"\xff")
    monkeypatch.setattr(corpora.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    corpus = standard_library()
    assert sorted(corpus.text) == sorted("".join(texts.values()))
    held_out = [text for text in texts.values() if text in corpus.validation]
    assert len("".join(held_out)) == len(corpus.validation)
    assert 0.04 < len(corpus.validation) / len(corpus.text) <= 0.05
    assert not any(text in corpus.training for text in held_out)
    assert standard_library() == corpus


def test_the_real_standard_library_is_there():
    corpus = standard_library(300_000)
    assert "import" in corpus.training
    assert 300_000 <= len(corpus.text) < 1_000_000
    assert 0 < len(corpus.validation) <= 0.05 * len(corpus.text)
