"""``unrolled reproduce topologies`` from end to end, on little data and for a moment."""

import json
import random

import pytest

from unrolled.cli import main

pytest.importorskip("sklearn")


@pytest.fixture
def data(tmp_path):
    """Folders like those of the real data."""
    chosen = random.Random(0)

    def word(letters: str) -> str:
        return "".join(chosen.choice(letters) for _ in range(chosen.randrange(3, 8)))

    folder = tmp_path / "data"
    for name, kinds, ending in (("names", ("Irish", "Greek"), "txt"), ("sentiment", ("pos", "neg"), None)):
        (folder / name).mkdir(parents=True)
        for kind, letters in zip(kinds, ("abcde", "cdefg"), strict=True):
            lines = [" ".join(word(letters) for _ in range(4 if ending is None else 1)) for _ in range(40)]
            file = f"{kind}.{ending}" if ending else f"polarity.{kind}"
            (folder / name / file).write_text("\n".join(lines))
    (folder / "pos-french").mkdir()
    for part in ("train", "dev", "test"):
        rows = [(word("abc"), chosen.choice(["NOUN", "VERB"])) for _ in range(30)]
        lines = [
            f"{i % 3 + 1}\t{w}\t_\t{tag}" + "\t_" * 6 + ("\n" if i % 3 == 2 else "") for i, (w, tag) in enumerate(rows)
        ]
        (folder / "pos-french" / f"{part}.conllu").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
def test_everything_runs(data, tmp_path, capsys):
    page = tmp_path / "results.md"
    arguments = ["--quick", "--quiet", "--runs", str(tmp_path / "runs"), "-o", str(page)]
    assert main(["reproduce", "topologies", "--data", str(data), *arguments]) == 0
    written = capsys.readouterr().out
    assert page.read_text().replace("<!-- unrolled reproduce topologies -->\n\n", "").startswith(written.rstrip())
    assert "not measured" not in written
    for claim in ("≥ 0.80", "≥ 0.74", "≥ 0.95", "≥ 0.97", "≥ 0.99", "falling (rank correlation"):
        assert claim in written
    # what sees a bag gives the same answer in any order
    bag = next(line for line in written.splitlines() if line.startswith("| one MLP over the bag"))
    assert "; 0% of the answers change" in bag


def test_data_that_are_not_given(tmp_path, capsys):
    arguments = ["--quick", "--quiet", "--json", "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "topologies", *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    left_out = [s["title"] for s in report["sections"] if s["rows"][0]["what"].startswith("not measured")]
    assert len(left_out) == 7
    assert not any("digit" in title or "dates" in title for title in left_out)


def test_what_cannot_be_reproduced(tmp_path, capsys):
    assert main(["reproduce", "everything"]) == 2
    assert "there is no reproduction 'everything'; there are topologies, memory" in capsys.readouterr().err
    assert main(["reproduce", "topologies", "--runs", str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err
    # what is wrong is said before an hour of training, not after
    new = ["--runs", str(tmp_path / "new")]
    assert main(["reproduce", "topologies", *new, "--data", str(tmp_path / "nowhere")]) == 2
    assert "is no folder" in capsys.readouterr().err
    assert main(["reproduce", "topologies", *new, "-o", str(tmp_path / "nowhere" / "x.md")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
