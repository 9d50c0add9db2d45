"""One process at a time writes in a run directory, and a dead one does not hinder the next."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from survival.processes import KILLED
from survival.whole import COMMON, RESUME, prepare

FOREVER = ["train", "text.txt", "--recurrence", "elman", "--batch", "2", "--steps", "1000000", *COMMON]


def running(server, folder):
    """A training that goes on until it is killed."""
    process = server.start(prepare(folder), FOREVER, name="first")
    until, metrics = time.monotonic() + 30, Path(folder, "run", "metrics.jsonl")
    while not (metrics.exists() and metrics.stat().st_size):
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


def kill(server, process, folder):
    os.kill(process, signal.SIGKILL)
    assert server.wait(process, folder, "first").code == KILLED


@pytest.mark.parametrize("arguments", [FOREVER, RESUME])
def test_the_second_process_is_refused_and_told_by_whom(server, tmp_path, arguments):
    process = running(server, tmp_path)
    try:
        ended = server.run(tmp_path, arguments)
        assert (ended.code, ended.out) == (1, "")
        assert f"run is in use by process {process}" in ended.err
        listed = json.loads(server.run(tmp_path, ["runs", ".", "--json"]).out)
        assert (listed["state"], listed["pid"]) == ("running", process)
    finally:
        kill(server, process, tmp_path)


def test_a_dead_process_does_not_block(server, tmp_path):
    process = running(server, tmp_path)
    kill(server, process, tmp_path)
    assert json.loads((tmp_path / "run" / "lock").read_text())["pid"] == process  # it could not clean up
    assert json.loads(server.run(tmp_path, ["runs", ".", "--json"]).out)["state"] == "stopped"
    ended = server.run(tmp_path, [*RESUME, "--steps", "3"])
    assert ended.code == 0, ended.err
    assert json.loads(server.run(tmp_path, ["runs", ".", "--json"]).out)["state"] == "finished"


def test_of_many_that_begin_at_once_one_wins(server, tmp_path):
    arguments = ["5" if each == "1000000" else each for each in FOREVER]
    prepare(tmp_path)
    processes = [server.start(tmp_path, arguments, name=str(k)) for k in range(5)]
    ended = [server.wait(process, tmp_path, str(k)) for k, process in enumerate(processes)]
    assert sorted(each.code for each in ended) == [0, 1, 1, 1, 1]
    for each in ended:
        assert each.code == 0 or "in use by" in each.err or "exists already" in each.err
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [event["step"] for event in steps if event["event"] == "step"] == [1, 2, 3, 4, 5]
