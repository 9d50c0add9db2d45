"""A run that is killed at any moment and resumed is the run without a break: every loss, weight and random number.

The kills are of real processes; those of a "power cut" also lose what was not flushed to the disk.
"""

import os
import random
import signal
import time

import pytest

from survival.faults import CTRL_C, KILL, NAMES, POWER
from survival.processes import KILLED, STOPPED
from survival.whole import LANGUAGE, TRAININGS, differences, go_on, prepare, survives, whole

SAMPLE = ["sample", "run", "--seed", "3", "--length", "60"]


@pytest.mark.parametrize(
    ("name", "what", "count"),
    [
        ("language", KILL, 14),
        ("language", NAMES, 6),
        ("epochs", POWER, 6),
        ("classify", KILL, 6),
        ("accidents", NAMES, 8),
    ],
)
def test_a_kill_leaves_no_trace(server, references, tmp_path, name, what, count):
    reference = references(name)
    for at in reference.moments(count):
        found = survives(server, tmp_path / str(at), reference, at=at, what=what)
        assert not found, f"{what} at call {at}, {reference.calls[at]}: {found}"


@pytest.mark.long
@pytest.mark.parametrize("what", [KILL, POWER, NAMES])
@pytest.mark.parametrize("name", TRAININGS)
def test_a_kill_at_any_call_leaves_no_trace(server, references, tmp_path, name, what):
    reference = references(name)
    for at in range(len(reference.calls)):
        found = survives(server, tmp_path / str(at), reference, at=at, what=what)
        assert not found, f"{what} at call {at}, {reference.calls[at]}: {found}"
    saving = sum(call[2] for call in reference.calls)
    print(f"{name}, {what}: {len(reference.calls)} moments, {saving} of them inside a save")


@pytest.mark.long
@pytest.mark.parametrize("name", TRAININGS)
def test_ctrl_c_at_any_call_leaves_no_trace(server, references, tmp_path, name):
    reference = references(name)
    for at in range(len(reference.calls)):
        folder = prepare(tmp_path / str(at))
        ended = server.run(folder, reference.arguments, at=at, what=CTRL_C)
        assert ended.code in (0, STOPPED), ended.err  # 0: the training was over
        ended = go_on(server, folder, reference)
        assert ended.code == 0, ended.err
        found = differences(whole(folder / "run"), reference.whole)
        assert not found, f"Ctrl-C at call {at}, {reference.calls[at]}: {found}"
    print(f"{name}: {len(reference.calls)} moments")


def killed_again_and_again(server, folder, reference, seed):
    """Resume, and kill or stop at a random call, until the run ends; how often that was."""
    draw, kills = random.Random(seed), 0
    ended = server.run(prepare(folder), reference.arguments, at=draw.randrange(100), what=NAMES)
    while ended.code in (KILLED, STOPPED):
        kills += 1
        ended = go_on(server, folder, reference, at=draw.randrange(150), what=draw.choice([KILL, POWER, NAMES, CTRL_C]))
    assert ended.code == 0, ended.err
    assert not differences(whole(folder / "run"), reference.whole), f"seed {seed}"
    return kills


def test_kills_while_a_kill_is_mended_leave_no_trace(server, references, tmp_path):
    assert killed_again_and_again(server, tmp_path / "run", references("language"), seed=1) > 1


@pytest.mark.long
@pytest.mark.parametrize("name", TRAININGS)
def test_many_kills_while_kills_are_mended_leave_no_trace(server, references, tmp_path, name):
    kills = [killed_again_and_again(server, tmp_path / str(seed), references(name), seed) for seed in range(30)]
    print(f"{name}: {sum(kills)} kills in {len(kills)} runs")


def test_a_kill_after_an_evaluation_before_which_it_was_stopped(server, references, tmp_path):
    """The checkpoint is of the same step as the evaluation, which is made twice and recorded once."""
    reference = references("language")
    records = [k for k, call in enumerate(reference.calls) if call == ["open", "metrics.jsonl", False]]
    saves = [k for k, call in enumerate(reference.calls) if call[2]]
    step, _, _ = [k for k in records if k < saves[0]][-3:]  # then an evaluation and a sample
    for folder in (tmp_path / "counted", tmp_path / "killed"):
        assert server.run(prepare(folder), reference.arguments, at=step, what=CTRL_C).code == STOPPED
    calls = go_on(server, tmp_path / "counted", reference).calls
    first = next(k for k, call in enumerate(calls) if call[2])
    assert go_on(server, tmp_path / "killed", reference, at=first, what=KILL).code == KILLED
    recorded = (tmp_path / "killed" / "run" / "metrics.jsonl").read_text()
    assert (recorded.count('"evaluation"'), recorded.count('"sample"')) == (1, 1)
    assert go_on(server, tmp_path / "killed", reference).code == 0
    assert not differences(whole(tmp_path / "killed" / "run"), reference.whole)


def killed_after(server, folder, reference, seconds):
    process = server.start(prepare(folder), reference.arguments)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    code = server.wait(process, folder).code
    ended = go_on(server, folder, reference)
    assert ended.code == 0, ended.err
    assert not differences(whole(folder / "run"), reference.whole), f"killed after {seconds} s"
    return code == KILLED


def duration(server, folder, reference):
    begin = time.monotonic()
    server.run(prepare(folder), reference.arguments)
    return time.monotonic() - begin


def test_a_kill_from_outside_leaves_no_trace(server, references, tmp_path):
    reference = references("language")
    whole_time = duration(server, tmp_path / "timed", reference)
    for k in range(4):
        killed_after(server, tmp_path / str(k), reference, whole_time * (k + 0.5) / 4)


@pytest.mark.long
@pytest.mark.parametrize("name", TRAININGS)
def test_many_kills_from_outside_leave_no_trace(server, references, tmp_path, name):
    reference, draw = references(name), random.Random(7)
    whole_time = duration(server, tmp_path / "timed", reference)
    kills = [killed_after(server, tmp_path / str(k), reference, draw.uniform(0, whole_time)) for k in range(40)]
    print(f"{name}: {sum(kills)} kills from outside in {len(kills)} tries")


def test_the_next_sample_and_answer_are_the_same(server, references, tmp_path):
    for name, use in (("language", SAMPLE), ("classify", ["predict", "run", "films.csv"])):
        reference = references(name)
        folder = tmp_path / name
        at = next(number for number, call in enumerate(reference.calls) if call[1] == "checkpoints/8/model.safetensors"
                  or call[0] == "rename")  # fmt: skip
        assert not survives(server, folder, reference, at=at, what=KILL)
        found, expected = (server.run(each, use) for each in (folder, reference.folder))
        assert (found.code, found.out) == (0, expected.out)
        assert len(found.out) > 60


def test_a_line_of_the_metrics_that_was_cut_is_mended(server, references, tmp_path):
    reference = references("language")
    halves = [
        k for k, (call, path, _) in enumerate(reference.calls) if (call, path) == ("half a write", "metrics.jsonl")
    ]
    at = halves[len(halves) // 2]
    assert server.run(prepare(tmp_path), LANGUAGE, at=at).code == KILLED
    assert not (tmp_path / "run" / "metrics.jsonl").read_text().endswith("\n")
    assert go_on(server, tmp_path, reference).code == 0
    assert not differences(whole(tmp_path / "run"), reference.whole)
