"""Labelled data in one form, and what is said of files that are not what they seem."""

import csv
import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled.data.examples import read_table
from unrolled.errors import DataError

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".conllu", ".npz")

FRENCH = """\
# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
# sent_id = 1
# text = Va au bal.
1	Va	aller	VERB	_	Mood=Imp	0	root	_	_
2-3	au	_	_	_	_	_	_	_	_
2	à	à	ADP	_	_	4	case	_	_
3	le	le	DET	_	_	4	det	_	_
4	bal	bal	NOUN	_	_	1	obl	_	SpaceAfter=No
4.1	vite	_	_	_	_	_	_	_	_
5	.	.	PUNCT	_	_	1	punct	_	_

# text = Non
1	Non	non	INTJ	_	_	0	root	_	_
"""


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def complaint(path):
    """What is said of a file, which is named."""
    with pytest.raises(DataError) as caught:
        read_table(path)
    message = str(caught.value)
    assert Path(path).name in message
    assert "; " in message  # and after it the remedy
    return message


def same(columns, expected):
    """Whether two tables' columns are equal, arrays by shape, type and numbers."""
    if list(columns) != list(expected):
        return False
    pairs = [pair for name in columns for pair in zip(columns[name], expected[name], strict=True)]
    return all(
        type(a) is type(b) and (a.dtype == b.dtype and np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b)
        for a, b in pairs
    )


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv(tmp_path, start, end):
    lines = ["text,label", '"a, ""b""",1', "", f'"two{end}lines",', "ö,x"]
    path = write(tmp_path / "a.csv", start + end.join(lines).encode())
    table = read_table(str(path))
    assert table.columns == {"text": ('a, "b"', f"two{end}lines", "ö"), "label": ("1", "", "x")}
    assert table.where == (f"{path}, line 2", f"{path}, line 4", f"{path}, line 6")


def test_tsv_and_capital_endings(tmp_path):
    table = read_table(write(tmp_path / "a.TSV", 'text\tlabel\n"a\tb"\tc, d\n'))
    assert table.columns == {"text": ("a\tb",), "label": ("c, d",)}


def test_a_cell_may_be_longer_than_pythons_limit(tmp_path):
    assert read_table(write(tmp_path / "a.csv", "text\n" + "x" * 200_000)).columns == {"text": ("x" * 200_000,)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a.csv is empty"),
        ("\n \r\n", "is empty"),
        ("\ufeff", "is empty"),
        ("text,label\n", "has a header (text, label) and no row below it"),
        ("text,label,text\na,b,c\n", "line 1: the name 'text' is there twice"),
        (",text\n0,a\n", "line 1: column 1 of 2 has no name; name it, or leave it out (pandas"),
        ("text,label\na,b\nc\n", "line 3 has 1 cell, the header has 2 (text, label); write as many"),
        ("text,label\na,b\nI came, saw, won,c\n", "line 3 has 4 cells, the header has 2 (text, label); write as many"),
        ('text,label\na,b\n"c,d\ne,f\n', "line 3 opens a quote that is never closed"),
        ('text,label\n"a" b,c\n', "line 2 goes on after a closing quote"),
        ('text,label\n"a\nb" c,d\n', "(',' expected after '\"' in line 3)"),
        ("text,label\na,b\n\0,c\n", "byte 0x00 in line 3 is NUL"),
        (
            b"text,label\na,b\ncaf\xe9,c\n",
            "byte 0xE9 in line 3 is no UTF-8; if the file is a text, convert it (iconv -f",
        ),
        (
            "text,label\na,b\n".encode("utf-16"),
            "byte 0xFF in line 1 is no UTF-8; if the file is a text, convert it (ic",
        ),
    ],
)
def test_what_is_no_csv(tmp_path, text, words):
    assert words in complaint(write(tmp_path / "a.csv", text))


def test_the_encoding_is_guessed(tmp_path):
    assert "-f utf-16 -t utf8" in complaint(write(tmp_path / "a.csv", "a,b\n".encode("utf-16")))
    assert "-f utf-16 -t utf8" in complaint(write(tmp_path / "a.csv", "a,b\n".encode("utf-16-le")))
    assert "-f latin1 -t utf8" in complaint(write(tmp_path / "a.csv", "á,b\n".encode("latin1")))


def test_json_lines(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        '{"text": "a\\u00e9 \u2028", "tags": ["X", "Y"], "score": 3, "wave": [1, 2.5], "frames": [[1, 2], [3, 4]]}\r\n'
        "\n"
        '{"tags": [], "text": "", "score": -1e-3, "wave": [], "frames": []}\n',
    )
    table = read_table(path)
    expected = {
        "text": ("aé \u2028", ""),
        "tags": (("X", "Y"), ()),
        "score": (3.0, -0.001),
        "wave": (np.array([1, 2.5]), np.zeros(0)),
        "frames": (np.array([[1.0, 2], [3, 4]]), np.zeros((0, 2))),
    }
    assert same(table.columns, expected)
    assert table.where == (f"{path}, line 1", f"{path}, line 3")


def test_lists_that_are_all_empty_are_tuples(tmp_path):
    assert read_table(write(tmp_path / "a.ndjson", '{"a": []}\n{"a": []}')).columns == {"a": ((), ())}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"a": 1,}', "line 2, column 9 is no JSON"),
        ('{"a": "x', "line 2, column 7 is no JSON (Unterminated string"),
        ('{"a": 1} {"a": 2}', "line 2, column 10 is no JSON (Extra data)"),
        ("[" * 100_000, "line 2 is nested too deeply; write one whole object on each line"),
        ("[1, 2]", "line 2 is no object; write one whole object on each line"),
        ("{}", "line 2 is an empty object"),
        ('{"b": 1}', "line 2 has the keys b, "),
        ('{"a": 1, "b": 2}', "has a; give all examples the same keys"),
        ('{"a": 1, "a": 2}', "line 2: the name 'a' is there twice"),
        ('{"": 1}', "line 2: column 1 of 1 has no name"),
        ('{"a": "1"}', "line 2: 'a' is a text, in "),
        ('{"a": "1"}', "line 1 it is a number; give all examples the same kind"),
        ('{"a": [1]}', "line 2: 'a' is a list of numbers, in "),
        ('{"a": []}', "line 2: 'a' is an empty list, in "),
        ('{"a": true}', "line 2: 'a' is true; write a text, a number"),
        ('{"a": null}', "line 2: 'a' is null; write"),
        ('{"a": {"b": 1}}', "line 2: 'a' is an object; write"),
        ('{"a": [1, "x"]}', "line 2: 'a' is a list of other things; write a list of texts, of numbers"),
        ('{"a": [1, [2]]}', "is a list of other things"),
        ('{"a": [true]}', "is a list of other things"),
        ('{"a": [[[1]]]}', "is a list of other things"),
        ('{"a": [[]]}', "of which none is empty"),
        ('{"a": [[1, 2], [3, 4], [5]]}', "'a' is no rectangle: frame 3 has 1 number, frame 1 has 2; give all frames"),
        ('{"a": NaN}', "'a' holds nan"),
        ('{"a": 1e999}', "'a' holds inf"),
        ('{"a": %s}' % ("9" * 5000), "'a' holds inf"),
        ('{"a": [[1], [-Infinity]]}', "'a' holds -inf"),
        ('{"a": "\\ud83d"}', "'a' holds U+D83D, which is no character"),
        ('{"a": ["x", "\\udfff"]}', "'a' holds U+DFFF"),
    ],
)
def test_what_is_no_json_line(tmp_path, line, words):
    assert words in complaint(write(tmp_path / "a.jsonl", f'{{"a": 1}}\n{line}\n'))


def test_frames_have_one_width_in_the_whole_column(tmp_path):
    message = complaint(write(tmp_path / "a.jsonl", '{"a": [[1, 2]]}\n{"a": []}\n{"a": [[1]]}'))
    assert "line 3: 'a' is a list of frames of 1 number, in " in message
    assert "line 1 it is a list of frames of 2 numbers" in message


def test_conllu(tmp_path):
    for ends in ("\n", "\r\n"):
        path = write(tmp_path / "a.conllu", FRENCH.replace("\n", ends))
        table = read_table(path)
        names = ["id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc", "text"]
        assert list(table.columns) == names
        assert table.column("id") == (("1", "2", "3", "4", "5"), ("1",))
        assert table.column("form") == (("Va", "à", "le", "bal", "."), ("Non",))
        assert table.column("upos") == (("VERB", "ADP", "DET", "NOUN", "PUNCT"), ("INTJ",))
        assert table.column("misc") == (("_", "_", "_", "SpaceAfter=No", "_"), ("_",))
        assert table.column("text") == ("Va au bal.", "Non")
        assert table.where == (f"{path}, line 4", f"{path}, line 13")


def test_text_is_a_column_only_where_every_sentence_has_it(tmp_path):
    table = read_table(write(tmp_path / "a.conllu", FRENCH.replace("# text = Non", "# newpar")))
    assert "text" not in table.columns
    assert len(table) == 2


ROW = "\t".join(["{}", *"abcdefghi"])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["# nothing"], "a.conllu holds no sentence"),
        ([ROW.format(1), "2\tle"], "line 2 has 2 of the columns of CoNLL-U, which has ten (id, form"),
        ([ROW.format(1).replace("\t", " ")], "line 1 has 1 of the columns"),
        ([ROW.format(1) + "\tj"], "line 1 has 11 of the columns"),
        ([ROW.format(1).replace("b", "")], "line 1: the column lemma is empty; write _"),
        ([ROW.format("one")], "line 1: the id 'one' is none"),
        ([ROW.format("01")], "the id '01' is none"),
        ([ROW.format("٣")], "the id '٣' is none"),
        ([ROW.format("9" * 5000)], f"the id '{'9' * 20}' is none"),
        ([ROW.format("1-")], "the id '1-' is none"),
        ([ROW.format("4-3")], "the range 4-3 does not go up"),
        ([ROW.format(2)], "line 1 has the id 2 where 1 comes next"),
        (
            [ROW.format(1), ROW.format(2), ROW.format(1)],
            "line 3 has the id 1 where 3 comes next; number the words of a",
        ),
    ],
)
def test_what_is_no_conllu(tmp_path, lines, words):
    assert words in complaint(write(tmp_path / "a.conllu", "\n".join(lines)))


def test_a_folder_of_files_by_line(tmp_path):
    write(tmp_path / "Greek.txt", "Adamou\r\n\r\nBaba \n")
    write(tmp_path / "Arabic.txt", "Abe\u0085x\n  \nTuma")
    write(tmp_path / ".hidden.txt", "no")
    write(tmp_path / ".git" / "config", "no")
    table = read_table(tmp_path)
    assert table.columns == {
        "text": ("Abe\u0085x", "Tuma", "Adamou", "Baba "),
        "label": ("Arabic", "Arabic", "Greek", "Greek"),
    }
    assert table.where[1] == f"{tmp_path / 'Arabic.txt'}, line 3"


def test_the_ending_is_the_label_where_only_it_differs(tmp_path):
    write(tmp_path / "rt-polarity.pos", "good\nfine\n")
    write(tmp_path / "rt-polarity.neg", "bad\n")
    assert read_table(tmp_path).columns == {"text": ("bad", "good", "fine"), "label": ("neg", "pos", "pos")}
    (tmp_path / "rt-polarity.neg").unlink()
    assert read_table(tmp_path).column("label") == ("rt-polarity", "rt-polarity")


def test_a_folder_of_folders_by_file(tmp_path):
    write(tmp_path / "pos" / "2.txt", "good\n\nfilm\n")
    write(tmp_path / "pos" / "10.md", "fine")
    write(tmp_path / "neg" / "1.txt", "\ufeffbad\r\n")
    write(tmp_path / "neg" / ".DS_Store", b"\0\xff")
    table = read_table(tmp_path)
    assert table.columns == {"text": ("bad\r\n", "fine", "good\n\nfilm\n"), "label": ("neg", "pos", "pos")}
    assert table.where[0] == str(tmp_path / "neg" / "1.txt")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({".hidden": "x"}, "is empty"),
        ({"pos/.hidden": "x", "neg/1": "x"}, "pos is empty"),
        ({"pos/1": "", "neg/1": "x"}, "1 is empty"),
        ({"a.txt": "x", "b.txt": "\n\n"}, "b.txt is empty"),
        ({"a.txt": "x", "b.txt": b"x\n\xff"}, "b.txt: byte 0xFF in line 2 is no UTF-8"),
        ({"pos/1": "x", "README": "x"}, "holds folders (pos) and files (README); leave only one kind"),
        ({"train/pos/1": "x"}, "has a label train that holds the folder pos; give "),
        ({"a.txt": "x", "b.txt": "x", "README.md": "x"}, "end differently (.md, .txt); leave only"),
        ({"rt": "x", "rt.pos": "x"}, "end differently (in nothing, .pos)"),
        ({"train.conllu": "x"}, "holds train.conllu, which is no plain text; give the file itself"),
    ],
)
def test_what_is_no_folder_of_labels(tmp_path, files, words):
    for name, text in files.items():
        write(tmp_path / "data" / name, text)
    assert words in complaint(tmp_path / "data")


def test_arrays_row_by_row(tmp_path):
    frames = np.arange(12, dtype=">f4").reshape(2, 3, 2)
    np.savez(
        tmp_path / "a.npz",
        frames=frames,
        wave=np.arange(6).reshape(2, 3),
        score=np.array([1, 2], np.int8),
        label=np.array(["yes", "né"]),
        tags=np.array([["A", "BB"], ["C", ""]]),
        lengths_in_seconds=np.array([0.5, 1.5]),
    )
    table = read_table(tmp_path / "a.npz")
    expected = {
        "frames": tuple(frames.astype("=f4")),
        "wave": (np.array([0, 1, 2]), np.array([3, 4, 5])),
        "score": (1.0, 2.0),
        "label": ("yes", "né"),
        "tags": (("A", "BB"), ("C", "")),
        "lengths_in_seconds": (0.5, 1.5),
    }
    assert same(table.columns, expected)
    assert table.where == (f"{tmp_path / 'a.npz'}, index 0", f"{tmp_path / 'a.npz'}, index 1")


def test_padded_arrays_are_cut_to_their_lengths(tmp_path):
    frames = np.array([[[1.0], [2.0], [3.0]], [[4.0], [np.nan], [np.nan]]])
    np.savez_compressed(
        tmp_path / "a.npz",
        frames=frames,
        tags=np.array([["A", "B", "C"], ["D", "", ""]]),
        label=np.array(["x", "y"]),
        lengths=np.array([2, 1], np.uint8),
    )
    table = read_table(tmp_path / "a.npz")
    expected = {
        "frames": (np.array([[1.0], [2.0]]), np.array([[4.0]])),
        "tags": (("A", "B"), ("D",)),
        "label": ("x", "y"),
    }
    assert same(table.columns, expected)


def test_lengths_beside_single_values_are_a_column_like_others(tmp_path):
    np.savez(tmp_path / "iris.npz", lengths=np.array([5.1, 4.9]), kind=np.array(["setosa", "setosa"]))
    assert read_table(tmp_path / "iris.npz").column("lengths") == (5.1, 4.9)


FRAMES = np.zeros((2, 3, 1))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "holds no array; give every array one row"),
        ({"x": np.zeros(3), "y": np.zeros((2, 1))}, "holds x (3,), y (2, 1); give every array one row"),
        ({"x": np.zeros(3), "rate": np.array(8000)}, "holds x (3,), rate (); give every array one row"),
        ({"x": np.zeros((0, 5))}, "holds x (0, 5); give every array one row for each example, and none empty"),
        ({"x": np.zeros((2, 0))}, "holds x (2, 0); give"),
        ({"x": FRAMES, "lengths": np.array([3, 4])}, "lengths[1] is 4, but a row of x (2, 3, 1) has 3 frames"),
        ({"x": FRAMES, "lengths": np.array([-1, 3])}, "lengths[0] is -1, but"),
        ({"x": FRAMES, "y": np.zeros((2, 1)), "lengths": np.array([1, 2])}, "is 2, but a row of y (2, 1) has 1 frame;"),
        ({"x": FRAMES, "lengths": np.array([1.0, 2.0])}, "lengths (2,) is of type float64; write integers (B,)"),
        ({"x": FRAMES, "lengths": np.zeros((2, 1), int)}, "lengths (2, 1) is of type int64"),
        ({"x": FRAMES, "lengths": np.array([1])}, "holds x (2, 3, 1), lengths (1,); give"),
        ({"x": np.array([1.0, np.inf])}, "index 1: 'x' holds inf"),
        ({"x": np.full((1, 2), np.nan)}, "index 0: 'x' holds nan"),
        ({"x": np.zeros(2, complex)}, "holds the array 'x' (2,) of type complex128; write numbers"),
        ({"x": np.array([b"a"])}, "holds the array 'x' (1,) of type |S1"),
        ({"x": np.full((1, 1, 1), "a")}, "of type <U1; write numbers, or strings (B,) or (B, T)"),
        ({"x": np.array(["a", "\ud800"])}, "index 1: 'x' holds U+D800, which is no character"),
        (
            {"x": np.array([0x110000], np.uint32).view("U1")},
            "holds the array 'x' (1,) of type <U1; write numbers, or strings",
        ),
        ({"": np.zeros(2)}, "column 1 of 1 has no name"),
    ],
)
def test_arrays_that_are_no_examples(tmp_path, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    assert words in complaint(tmp_path / "a.npz")


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="no float is longer than a double here")
def test_a_longer_float_may_overflow(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([1, 2], np.longdouble) * np.finfo(float).max)
    assert "index 1: 'x' holds inf" in complaint(tmp_path / "a.npz")


class Trap:
    """Sets off when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("trapped",)


def test_pickles_are_never_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", x=np.array([Trap()], dtype=object))
    assert "array 'x' that cannot be read (Object arrays" in complaint(tmp_path / "a.npz")
    assert "is no archive of arrays; write" in complaint(write(tmp_path / "b.npz", pickle.dumps(Trap())))
    assert not (tmp_path / "trapped").exists()


def test_damaged_and_disguised_archives(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(1000))
    whole = (tmp_path / "a.npz").read_bytes()
    assert "is no archive of arrays" in complaint(write(tmp_path / "b.npz", whole[:500]))
    assert "'x' that cannot be read (Bad CRC" in complaint(write(tmp_path / "c.npz", whole[:500] + b"!" + whole[501:]))
    assert "is no archive of arrays" in complaint(write(tmp_path / "d.npz", b""))
    np.save(tmp_path / "e.npy", np.arange(3))
    assert "is no archive of arrays" in complaint((tmp_path / "e.npy").rename(tmp_path / "e.npz"))


def test_what_cannot_be_opened(tmp_path, monkeypatch):
    assert "there is no file or folder" in complaint(tmp_path / "nothing.csv")
    with pytest.raises(DataError, match="there is no file or folder"):
        read_table("nul\0.csv")
    assert "cannot be read: File name too long; check" in complaint(tmp_path / ("x" * 300 + ".csv"))
    message = complaint(write(tmp_path / "a.txt", "x"))
    assert "a.txt ends in none of .csv, .tsv, .jsonl, .ndjson, .conllu, .npz; " in message
    path = write(tmp_path / "a.csv", "x\ny")

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "a.csv cannot be read: Permission denied; check the name and the permissions" in complaint(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examples")


names = st.lists(st.text("abcé ,\"'\t\n", min_size=1).filter(str.strip), min_size=1, max_size=4, unique=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(data=st.data(), names=names, ending=st.sampled_from([".csv", ".tsv"]), end=st.sampled_from(["\n", "\r\n"]))
def test_what_csv_wrote_comes_back(folder, data, names, ending, end):
    rows = data.draw(st.lists(st.tuples(*[texts] * len(names)), min_size=1, max_size=5))
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter="," if ending == ".csv" else "\t", lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([names, *rows])
    table = read_table(
        write(folder / f"a{ending}", b"\xef\xbb\xbf" * data.draw(st.booleans()) + file.getvalue().encode())
    )
    assert table.columns == {name: tuple(row[i] for row in rows) for i, name in enumerate(names)}


numbers = st.floats(allow_nan=False, allow_infinity=False)
kinds = st.sampled_from(
    [
        (texts, str),
        (numbers, float),
        (st.integers(-(2**53), 2**53), float),
        (st.lists(texts, min_size=1, max_size=4), tuple),
        (st.lists(numbers, min_size=1, max_size=4), np.array),
        (st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4), np.array),
    ]
)


@given(data=st.data(), names=names, ascii=st.booleans())
def test_what_json_wrote_comes_back(folder, data, names, ascii):
    columns = [data.draw(kinds) for _ in names]
    rows = data.draw(st.lists(st.tuples(*(values for values, _ in columns)), min_size=1, max_size=5))
    lines = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=ascii) for row in rows]
    table = read_table(write(folder / "a.jsonl", "\n".join(lines)))
    expected = {
        name: tuple(make(row[i]) for row in rows)
        for i, (name, (_, make)) in enumerate(zip(names, columns, strict=True))
    }
    assert same(table.columns, expected)


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


WHOLE = {
    ".csv": b'text,label\n"a ""b""",c\nd,e\n',
    ".tsv": b'text\tlabel\n"a ""b"""\tc\nd\te\n',
    ".jsonl": b'{"text": "a", "n": 1, "tags": ["x"], "f": [[1, 2], [3, 4]]}\n{"text": "", "n": 2, "tags": [], "f": []}',
    ".ndjson": b'{"text": "\\ud83d\\ude42", "w": [1.5, 2e3]}\n{"text": "b", "w": [-1]}',
    ".conllu": FRENCH.encode(),
    ".npz": archive(x=np.zeros((2, 3)), lengths=np.array([1, 3]), label=np.array(["a", "b"])),
}


def table_or_complaint(path):
    try:
        table = read_table(path)
    except DataError:
        return
    assert len(table) > 0
    assert all(len(values) == len(table) for values in table.columns.values())


@pytest.mark.parametrize("ending", ENDINGS)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_a_table_or_refused(folder, ending, content):
    table_or_complaint(write(folder / f"any{ending}", content))


@pytest.mark.parametrize("ending", ENDINGS)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_file_is_a_table_or_refused(folder, ending, data):
    content = bytearray(WHOLE[ending])
    assert read_table(write(folder / f"whole{ending}", bytes(content)))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 3))
        content[start : start + cut] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"\n", b"\t", b"1", b"["])
        )
    table_or_complaint(write(folder / f"damaged{ending}", bytes(content)))
