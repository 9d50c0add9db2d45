"""A disk that is full, read-only or failing: an error that says what helps, and the checkpoint before is whole."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from survival.faults import ERRORS
from survival.whole import LANGUAGE, TRAININGS, differences, go_on, prepare, whole
from unrolled.checkpoint import RunDirectory

WORDS = {
    "full": "No space left on device; m",
    "failing": "Input/output error; m",
    "read-only": "Read-only file system; m",
}
REMEDIES = ("make room", "mend that", "make the folder writable")


def fails_and_goes_on(server, folder, reference, at, what):
    call = reference.calls[at]
    ended = server.run(prepare(folder), reference.arguments, at=at, what=what)
    if ended.code == 0:  # nothing depends on the last calls, which empty the lock
        assert call[1] == "lock" or "gone" in call[1], call
    else:
        assert ended.code == 1, ended.err
        assert ended.err.startswith("unrolled: run")
        assert "Traceback" not in ended.err
        assert WORDS[what] in ended.err
        assert any(remedy in ended.err for remedy in REMEDIES)
        assert "--resume" in ended.err or "cannot be made" in ended.err
    run = RunDirectory(folder / "run")
    for step in run.steps():
        run.checkpoint(step)  # each is whole
    renamed = [path for name, path, _ in reference.calls[:at] if name == "rename"]
    published = [int(path.name) for path in map(Path, renamed) if re.fullmatch(r"checkpoints/\d+", str(path))]
    if published:
        assert run.latest().step >= published[-1]
    ended = go_on(server, folder, reference)
    assert ended.code == 0, ended.err
    found = differences(whole(folder / "run"), reference.whole)
    assert not found, f"{what} at call {at}, {call}: {found}"


@pytest.mark.parametrize("what", ERRORS)
def test_a_disk_that_does_not_take_it(server, references, tmp_path, what):
    for at in references("language").moments(6):
        fails_and_goes_on(server, tmp_path / str(at), references("language"), at, what)


@pytest.mark.long
@pytest.mark.parametrize("name", TRAININGS)
@pytest.mark.parametrize("what", ERRORS)
def test_a_disk_that_does_not_take_it_at_any_call(server, references, tmp_path, name, what):
    for at in range(len(references(name).calls)):
        fails_and_goes_on(server, tmp_path / str(at), references(name), at, what)
    print(f"{name}, {what}: {len(references(name).calls)} calls")


# A disk of its own, which only this script sees: full, then with room, then read-only.
SCRIPT = """
mount -t tmpfs -o size=120k tmpfs disk && cd disk || exit 77
"$@" > ../full.out 2> ../full.err; echo $? > ../full.code
cp -r run ../full
mount -o remount,size=10m . || exit 77
"$PYTHON" -m unrolled train --resume run --quiet > ../room.out 2> ../room.err; echo $? > ../room.code
cp -r run ../room
mount -o remount,ro . || exit 77
"$PYTHON" -m unrolled train --resume run --steps 20 --quiet > ../ro.out 2> ../ro.err; echo $? > ../ro.code
"$PYTHON" -m unrolled sample run --seed 1 --length 20 > ../sample.out 2> ../sample.err; echo $? > ../sample.code
"""


@pytest.mark.long
def test_a_real_disk(references, tmp_path):
    """In a name space of our own even who is not root may mount."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    prepare(tmp_path)
    (tmp_path / "disk").mkdir()
    arguments = [str(tmp_path / each) if each == "text.txt" else each for each in LANGUAGE]
    script = SCRIPT.replace("$PYTHON", sys.executable)
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    done = subprocess.run([*command, sys.executable, "-m", "unrolled", *arguments], cwd=tmp_path)
    if done.returncode == 77 or not (tmp_path / "full.code").exists():
        pytest.skip("no disk can be mounted here")
    ends = {path.stem: path.read_text().strip() for path in tmp_path.glob("*.code")}
    said = {path.stem: path.read_text() for path in tmp_path.glob("*.err")}
    assert ends == {"full": "1", "room": "0", "ro": "1", "sample": "0"}, said
    assert "No space left on device; make room for it" in said["full"]
    assert "Read-only file system; make the folder writable" in said["ro"]
    full = RunDirectory.open(tmp_path / "full")
    assert [full.checkpoint(step).step for step in full.steps()]
    events, expected = (
        [{k: v for k, v in each.items() if k not in ("seconds", "symbols_per_second")} for each in run.history()]
        for run in (RunDirectory.open(tmp_path / "room"), RunDirectory.open(references("language").folder / "run"))
    )
    assert events == expected
