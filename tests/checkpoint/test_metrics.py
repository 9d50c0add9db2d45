"""metrics.jsonl: whole lines are read, and what came after a checkpoint is forgotten."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.checkpoint import metrics
from unrolled.errors import CheckpointError

EVENTS = [
    {"event": "step", "step": 1, "loss": 0.1},
    {"event": "accident", "step": 2, "policy": "skip"},
    {"event": "evaluation", "step": 2, "nats": 1e-300},
    {"event": "sample", "step": 2, "text": "ü\n"},
    {"event": "step", "step": 3, "loss": 3.3333333333333335},
    {"event": "step", "step": 4, "loss": None},
    {"event": "evaluation", "step": 4, "nats": 1.0},
    {"event": "sample", "step": 4, "text": ""},
    {"event": "finished", "step": 4},
]


@pytest.fixture
def path(tmp_path):
    for event in EVENTS:
        metrics.append(tmp_path / "metrics.jsonl", event)
    return tmp_path / "metrics.jsonl"


def test_all_events_come_back(path):
    assert metrics.read(path) == EVENTS
    assert metrics.last(path) == EVENTS[-1]


def test_nothing_was_recorded_yet(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert (metrics.read(path), metrics.last(path)) == ([], None)
    metrics.cut(path, 4, 4)
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("step", "evaluated_at", "kept"),
    [(4, 4, 8), (4, 2, 6), (3, 2, 5), (2, 2, 4), (2, -1, 2), (1, -1, 1), (0, -1, 0)],
)
def test_what_came_after_a_checkpoint_is_forgotten(path, step, evaluated_at, kept):
    """An evaluation at the step of a checkpoint may come after it; the end of a run always does."""
    lines = path.read_bytes().splitlines(keepends=True)
    metrics.cut(path, step, evaluated_at)
    assert path.read_bytes() == b"".join(lines[:kept])


@pytest.mark.parametrize("end", [b'{"event": "step", "st', b"\0\0\0\0", b"\xff", b'{"event": "step", "step": 5', b"[]"])
def test_a_line_that_was_cut_is_mended(path, end):
    with path.open("ab") as file:
        file.write(end)
    assert metrics.read(path) == EVENTS
    assert metrics.last(path) == EVENTS[-1]
    metrics.cut(path, 4, 4)
    metrics.append(path, {"event": "step", "step": 5})
    assert metrics.read(path) == [*EVENTS[:-1], {"event": "step", "step": 5}]


def test_a_last_line_that_lost_only_its_end_counts(path):
    path.write_bytes(path.read_bytes()[:-1])
    assert metrics.read(path) == EVENTS


@given(at=st.integers(0, 5), step=st.integers(0, 4))
def test_a_damaged_line_is_refused_where_a_checkpoint_counts_on_what_comes_after(tmp_path_factory, at, step):
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    lines = [json.dumps(event) + "\n" for event in EVENTS[:6]]
    path.write_text("".join(line.replace("{", "[", number == at) for number, line in enumerate(lines)))
    before = path.read_bytes()
    if any(event["step"] <= step for event in EVENTS[at + 1 : 6]):
        with pytest.raises(CheckpointError, match=f"is damaged in line {at + 1}; delete this line"):
            metrics.cut(path, step, step)
        assert path.read_bytes() == before
    else:
        metrics.cut(path, step, step)
        assert metrics.read(path) == [event for event in EVENTS[:at] if event["step"] <= step]


@given(data=st.binary(max_size=200), at=st.integers(0, 400))
def test_whatever_stands_there_is_read_or_refused(tmp_path_factory, data, at):
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    lines = [json.dumps(event).encode() + b"\n" for event in EVENTS]
    whole = b"".join(lines)
    path.write_bytes(whole[:at] + data + whole[at:])
    before = whole[:at].count(b"\n")
    untouched = (not at or whole[:at].endswith(b"\n")) and (not data or data.endswith(b"\n"))
    after = len(lines) - before - (not untouched)  # one line was put into
    found = metrics.read(path)
    assert found[:before] == EVENTS[:before]
    assert after <= 0 or found[-after:] == EVENTS[-after:]
    try:
        metrics.cut(path, 3, 2)
    except CheckpointError:
        return
    assert all(event["step"] <= 3 for event in metrics.read(path))


def test_the_last_event_behind_a_long_one(path):
    with path.open("ab") as file:
        file.write(b'{"event": "sample", "step": 5, "text": "' + b"x" * 2 * metrics.TAIL)
    assert metrics.last(path) == EVENTS[-1]
