"""unrolled sample as a user runs it: where it stops, what it may write, many texts, and going on."""

import io
import json
import math

import pytest

from unrolled.cli import main
from unrolled.cli.lines import escaped, read_lines, unescaped
from unrolled.errors import ConfigurationError
from unrolled.generation import best, generate, open_writer

TEXT = "FIRST: the quick brown fox jumps over the lazy dog.\nSECOND: and why?\n" * 60
SMALL = ["--recurrence=gru", "--layers=1", "--hidden=16", "--batch=4", "--sequence-length=20", "--learning-rate=0.01"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    (folder / "text.txt").write_text(TEXT)
    assert main(["train", str(folder / "text.txt"), *SMALL, "--steps=20", "--run", str(folder / "run"), "--quiet"]) == 0
    return str(folder / "run")


@pytest.fixture
def sample(run, capsys):
    """What sample writes on stdout."""

    def said(*arguments):
        capsys.readouterr()
        assert main(["sample", run, *map(str, arguments)]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    return said


def text(tokens):
    return "".join(token.text for token in tokens)


def test_until(run, sample):
    found = sample("--prime", "FIRST", "--seed", 3, "--until", "o")
    assert found == "FIRST" + text(generate(run, "FIRST", length=500, seed=3, until="o")) + "\n"
    assert found.index("o") == len(found) - 2
    several = json.loads(sample("--seed", 3, "--until", r"\n", "--until", "e", "--length", 300, "--json"))
    assert several["until"] == ["\n", "e"]
    assert several["text"] == text(generate(run, length=300, seed=3, until=["\n", "e"]))
    assert several["text"][-1] in "\ne"


def test_allowed(sample, tmp_path):
    (tmp_path / "allowed.txt").write_text("the\n\nthat\nwhy\\n\r\nover\n")
    options = "--prime", "FIRST: ", "--seed", 1, "--allowed", tmp_path / "allowed.txt"
    found = {sample(*options, "--stream", n) for n in range(30)}
    assert len(found) > 1
    assert found <= {f"FIRST: {each}\n" for each in ("the", "that", "why\n", "over")}
    (tmp_path / "allowed.txt").write_text(r"why\n")
    assert sample(*options) == "FIRST: why\n\n"


def test_beams(run, sample, tmp_path):
    expected = best(run, "the ", length=12, beams=3)
    assert sample("--prime", "the ", "--length", 12, "--beams", 3) == "the " + expected[0].text + "\n"
    (tmp_path / "allowed.txt").write_text("the\nfox\nlazy dog\n")
    options = ["--allowed", tmp_path / "allowed.txt", "--beams", 5, "--length-penalty", 0.6]
    found = json.loads(sample("--prime", "the ", *options, "--json"))
    expected = best(run, "the ", beams=5, length_penalty=0.6, allowed=["the", "fox", "lazy dog"])
    assert [each["text"] for each in found["texts"]] == [each.text for each in expected]
    assert [each["score"] for each in found["texts"]] == [each.score for each in expected]
    assert all(each["ended"] for each in found["texts"])


def test_a_text_on_each_line(run, sample, tmp_path, monkeypatch):
    prompts = ["FIRST: ", "", "SECOND\nthe ", "a"]
    file = tmp_path / "prompts.txt"
    file.write_text("".join(escaped(prompt) + "\n" for prompt in prompts))
    alone = [text(generate(run, prompt, length=40, seed=2, stream=5 + n)) for n, prompt in enumerate(prompts)]
    expected = [prompt + text_ for prompt, text_ in zip(prompts, alone, strict=True)]
    options = ["--length", 40, "--seed", 2, "--stream", 5]
    lines = sample("--prompts", file, *options).splitlines()
    assert [unescaped(line, "") for line in lines] == expected
    rows = [json.loads(line) for line in sample("--prompts", file, *options, "--json").splitlines()]
    assert [(row["prime"], row["text"], row["stream"]) for row in rows] == [
        (prompt, text_, 5 + n) for n, (prompt, text_) in enumerate(zip(prompts, alone, strict=True))
    ]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    monkeypatch.setattr("unrolled.cli.sample.SIDE_BY_SIDE", 3)  # in several batches
    assert sample("--prompts", "-", *options).splitlines() == lines
    found = [unescaped(line, "") for line in sample("--prompts", file, "--beams", 2, "--length", 9).splitlines()]
    assert found == [prompt + best(run, prompt, length=9, beams=2)[0].text for prompt in prompts]


def test_going_on_is_as_if_it_had_been_one_call(sample, tmp_path):
    whole = sample("--prime", "the ", "--length", 60, "--seed", 9, "--temperature", 0.8)
    options = "--seed", 9, "--temperature", 0.8
    pieces = [sample("--prime", "the ", "--length", 25, "--save-state", tmp_path / "state", *options)]
    for length in (1, 30, 4):
        pieces.append(
            sample("--state", tmp_path / "state", "--length", length, "--save-state", tmp_path / "state", *options)
        )
    assert "".join(piece.removesuffix("\n") for piece in pieces) + "\n" == whole


def test_a_state_is_saved_where_the_reader_leaves(run, tmp_path, monkeypatch, capsys):
    """As when Ctrl-C ends it."""
    shown = []

    def stop_after_ten(piece, end="\n"):
        shown.append(piece)
        if len(shown) == 11:  # the prompt first
            raise KeyboardInterrupt

    monkeypatch.setattr("unrolled.cli.sample._print", stop_after_ten)
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        raise SystemExit(
            main(["sample", run, "--prime", "the ", "--seed", "1", "--save-state", str(tmp_path / "state")])
        )
    monkeypatch.undo()
    assert main(["sample", run, "--state", str(tmp_path / "state"), "--length", "5", "--seed", "1"]) == 0
    rest = capsys.readouterr().out.removesuffix("\n")
    assert "".join(shown) + rest == "the " + text(generate(run, "the ", length=15, seed=1))


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--beams", "3", "--temperature", "2"], "draws nothing; leave out --temperature"),
        (["--beams", "3", "--seed", "0", "--top-k", "1"], "leave out --top-k and --seed"),
        (["--beams", "3", "--save-state", "x"], "leave out --save-state"),
        (["--beams", "0"], "width of the beam is 0"),
        (["--length-penalty", "0.6"], "give --beams"),
        (["--state", "x", "--prime", "a"], "--state goes on with its own text; leave out --prime"),
        (["--prompts", "x", "--prime", "a"], "leave out --prime"),
        (["--prompts", "x", "--state", "x", "--save-state", "x"], "leave out --state and --save-state"),
        (["--allowed", "x", "--until", "a"], "leave out --until"),
        (["--until", r"\d"], r"--until: \d means nothing"),
        (["--until", ""], "is empty"),
        (["--length", "0", "--save-state", "x"], "nothing to go on from"),
    ],
)
def test_flags_that_contradict(run, flags, reason, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", run, *flags]) == 2
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_read(run, capsys, tmp_path):
    (tmp_path / "line").write_text("good\nb\\d\n")
    for flags, code, reason in (
        (["--allowed", str(tmp_path / "absent")], 1, "cannot be read"),
        (["--prompts", str(tmp_path / "line")], 2, r"line, line 2: \d means nothing"),
        (["--state", str(tmp_path / "absent")], 1, "a state to go on from is written by --save-state"),
        (["--state", str(tmp_path / "line")], 1, "is damaged"),
    ):
        assert main(["sample", run, "--seed", "1", *flags]) == code
        assert reason in capsys.readouterr().err


def test_lines_and_escapes(tmp_path):
    for each in ("a\nb", "\\n", "\\\n\\", "", "tab\there"):
        assert unescaped(escaped(each), "") == each
        assert "\n" not in escaped(each)
    assert unescaped(r"\t", "") == "\t"
    with pytest.raises(ConfigurationError, match="means nothing"):
        unescaped("end\\", "--until")
    (tmp_path / "lines").write_bytes("a\r\nü\u2028b\n\nlast".encode())
    assert read_lines(str(tmp_path / "lines"), "--prompts") == ["a", "ü\u2028b", "", "last"]


def test_a_search_says_how_probable_its_texts_are(run, sample):
    found = json.loads(sample("--prime", "the", "--length", 1, "--beams", 200, "--json"))["texts"]
    assert math.fsum(math.exp(each["log_probability"]) for each in found) == pytest.approx(1)
    assert len(found) == len(open_writer(run).vocabulary)


def test_a_state_that_cannot_be_kept_is_refused_before_a_text_is_written(run, capsys, tmp_path):
    assert main(["sample", run, "--save-state", str(tmp_path / "absent" / "state")]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert "absent; make it first" in found.err
