"""Several processes: together they do what one does alone, to rounding; what one of them meets, all of them do."""

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from training.several import JOBS, followed, timeless
from training.small import caption, classify, language, regress, tag, translate
from unrolled.checkpoint import RunDirectory
from unrolled.cli import main
from unrolled.data.lanes import Position
from unrolled.errors import ConfigurationError, ProcessError
from unrolled.training import loop, resume, train
from unrolled.training.config import resolve
from unrolled.training.ranks import Ranks
from unrolled.training.replay import replay
from unrolled.training.setup import begin

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


class Rank(Ranks):
    """One of several processes, whose others exist only in turn."""

    def __init__(self, rank, count, others=False):
        self.rank, self.count, self.others = rank, count, others

    def any(self, flag):
        return flag or self.others


DATA = [
    (language, {}),
    (language, {"documents": "\n", "update_every": 3, "limit": 300}),
    (language, {"bptt_memory": "2", "batch": 7, "sequence_length": 70}),
    (language, {"gradient": "rtrl", "layers": 1, "documents": "\n", "limit": 300}),
    (classify, {}),
    (tag, {}),
    (regress, {}),
    (translate, {}),
    (caption, {"stop": "length"}),
]


def passes(options, ranks, count):
    """Loss, symbols and gradients at the first positions, as a process of its own finds them."""
    job = begin(dataclasses.replace(resolve(options), run=f"{options['run']}-{ranks.rank}-{ranks.count}"), None, ranks)
    position, found = Position(), []
    for _ in range(count):
        job.optimiser.zero_grad()
        loss, symbols = job.task.loss(position)
        loss.backward()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in job.task.layer.parameters()]
        found.append((loss.item(), symbols, gradients))
        position = position.after(job.task.steps_per_epoch)
        job.task.accept(position)
    job.run.unlock()
    return found, job


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize(("data", "options"), DATA)
def test_the_shares_of_all_add_up_to_the_batch(data, options, count, tmp_path):
    options = data(tmp_path, **options, run=str(tmp_path / "run"))
    alone, job = passes(options, Ranks(), 1)
    steps = job.task.steps_per_epoch + 2  # with the last batch of an epoch, which may be smaller
    alone, job = passes({**options, "run": str(tmp_path / "whole")}, Ranks(), steps)
    shares = [passes(options, Rank(rank, count), steps)[0] for rank in range(count)]
    for (loss, symbols, gradients), *own in zip(alone, *shares, strict=True):
        assert sum(each[0] for each in own) == pytest.approx(loss, rel=1e-12)
        assert sum(each[1] for each in own) == symbols
        for gradient, *parts in zip(gradients, *(each[2] for each in own), strict=True):
            torch.testing.assert_close(sum(parts), gradient, rtol=1e-10, atol=1e-14)


def test_some_share_is_empty(tmp_path):
    """Else the tests here would show nothing of it."""
    job = begin(resolve(classify(tmp_path, run=str(tmp_path / "run"))))
    smallest = min(len(job.task.batches(0, number)) for number in range(len(job.task.batches)))
    job.run.unlock()
    assert smallest == 1


def test_a_state_that_is_not_finite_elsewhere_is_taken_over_nowhere(tmp_path):
    """The lanes of all processes carry the states of one moment."""
    for others, kept in ((False, True), (True, False)):
        options = language(tmp_path, run=str(tmp_path / f"run-{others}"))
        job = begin(resolve(options), None, Rank(1, 2, others))
        job.task.loss(Position(0, 0))
        job.task.reject(Position(0, 1), anew=False)
        job.run.unlock()
        assert (job.task.state is not None) == kept


@pytest.mark.parametrize(
    ("options", "count", "message"),
    [({"batch": 2}, 3, "--batch 3 or more"), ({"text": "-"}, 2, "standard input is read by one process")],
)
def test_what_cannot_be_shared_is_refused(options, count, message, tmp_path):
    options = {**language(tmp_path, run=str(tmp_path / "run")), **options}
    with pytest.raises(ConfigurationError, match=message):
        begin(resolve(options), None, Rank(0, count))
    assert not (tmp_path / "run").exists()


def test_other_processes_have_other_random_numbers(tmp_path):
    options = language(tmp_path, run=str(tmp_path / "run"), dropout=0.5, hidden=50)
    streams = []
    for rank in range(3):
        job = begin(dataclasses.replace(resolve(options), run=f"{tmp_path}/{rank}"), None, Rank(rank, 3))
        job.run.unlock()
        with job.randomness():
            streams.append(torch.rand(4).tolist())
    assert len({tuple(each) for each in streams}) == 3


# What two processes do, started once; each test looks at one of these.
def scenarios(folder):
    text = language(folder, documents="\n", update_every=3, weight_decay=0.1, clipping="adaptive")
    drop = language(folder, dropout=0.4, recurrence="lstm")
    frames = regress(folder, learning_rate=0.05)
    found = {
        "language": {"options": {**text, "run": "language"}},
        "bounded": {"options": {**language(folder, bptt_memory="2", sequence_length=70), "run": "bounded"}},
        "classify": {"options": {**classify(folder), "run": "classify"}},
        "stopped": {"options": {**text, "run": "stopped"}, "stop_at": 13},
        "further": {"resume": "further", "changes": {"steps": 30}},
        "dropout": {"options": {**drop, "run": "dropout"}},
        "dropout stopped": {"options": {**drop, "run": "dropout-stopped"}, "stop_at": 13},
        "dropout further": {"resume": "dropout-stopped"},
        "minutes": {"options": {**text, "steps": None, "minutes": 0.01, "run": "minutes"}},
        "again": {"options": {**text, "run": "language"}},
    }
    for policy in ("skip", "rollback", "random-step", "stop"):
        options = {**frames, "on_accident": policy, "run": policy}
        found[policy] = {"options": options, "broken": True}
    return found


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder in which two processes did it all; "further" was begun by one."""
    folder = tmp_path_factory.mktemp("together")
    found = scenarios(folder)
    (folder / "0").mkdir()
    list(train(resolve({**found["language"]["options"], "run": str(folder / "0" / "further"), "steps": 13})))
    (folder / "scenarios.json").write_text(json.dumps(found))
    script = Path(__file__).with_name("several.py")
    command = [*TORCHRUN, str(script), str(folder)]
    with subprocess.Popen(command, env=ONE_THREAD, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, said = process.communicate(timeout=200)
        finally:
            process.terminate()  # torchrun ends the others
    assert process.returncode == 0, said
    return folder


def seen(folder, name):
    """What each process saw."""
    return [json.loads((folder / f"seen-{rank}.json").read_text())[name] for rank in range(2)]


def alone(folder, name):
    """The run of the same options in this process, made once."""
    run = folder / "alone" / name
    if not run.exists():
        scenario = json.loads((folder / "scenarios.json").read_text())[name]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "begin", lambda *given, make=loop.begin: JOBS.append(make(*given)) or JOBS[-1])
            options = resolve({**scenario["options"], "run": str(run)})
            followed(lambda: train(options), scenario.get("broken", False))
    return run


def difference(one, other):
    """The largest difference between two runs, in what was saved last and in what happened on the way."""
    runs = RunDirectory.open(one), RunDirectory.open(other)
    worst, (first, second) = 0.0, [run.latest() for run in runs]
    for part in ("model", "trainer"):
        arrays, others = getattr(first, part), getattr(second, part)
        assert {name for name in arrays.keys() ^ others.keys() if not name.startswith("random/")} == set()
        for name in arrays.keys() & others.keys():
            if not name.startswith("random/"):
                worst = max(worst, float(np.abs(arrays[name].astype(float) - others[name].astype(float)).max()))
    for event, same in zip(*(run.history() for run in runs), strict=True):
        for name, value in timeless(event).items():
            if isinstance(value, float):
                worst = max(worst, abs(value - same[name]))
            elif name not in ("run", "use", "record", "message"):
                assert value == same[name]
    return worst


@pytest.mark.parametrize("name", ["language", "bounded", "classify", "skip", "rollback", "random-step"])
def test_two_processes_do_what_one_does(name, together):
    assert difference(together / "0" / name, alone(together, name)) < 1e-9


def test_the_accidents_happened(together):
    for policy in ("skip", "rollback", "random-step"):
        events = seen(together, policy)[1]
        assert {event["policy"] for event in events if event["event"] == "accident"} == {policy}
    first, second = seen(together, "stop")
    assert first[-2]["event"] == second[-2]["event"] == "accident"
    assert "training stopped" in first[-1]["error"]
    assert first[-1]["reported"] is None
    assert second[-1] == {"error": first[-1]["error"], "reported": True}


def test_one_sees_again_what_two_met(together):
    (accident,) = (event for event in seen(together, "stop")[0] if event.get("event") == "accident")
    found = replay(together / "0" / accident["record"])
    assert found.reproduced
    assert str(found.first) == str(replay(alone(together, "stop") / "accidents" / str(accident["step"])).first)


def test_one_goes_on_where_two_stopped(together, tmp_path):
    shutil.copytree(together / "0" / "stopped", tmp_path / "run")
    events = [[event["event"] for event in each] for each in seen(together, "stopped")]
    assert events[0] == events[1]
    assert seen(together, "stopped")[0][-1]["interrupted"]
    assert seen(together, "stopped")[0][-1]["step"] == 13
    list(resume(tmp_path / "run", {"steps": 30}))
    assert difference(tmp_path / "run", alone(together, "language")) < 1e-9


def test_two_go_on_where_one_stopped(together):
    history = RunDirectory.open(together / "0" / "further").history()
    whole = RunDirectory.open(alone(together, "language")).history()
    losses = [[event["loss"] for event in each if event["event"] == "step"] for each in (history, whole)]
    np.testing.assert_allclose(*losses, rtol=1e-9)
    final = [RunDirectory.open(run).latest().model for run in (together / "0" / "further", alone(together, "language"))]
    for name, array in final[0].items():
        np.testing.assert_allclose(array, final[1][name], rtol=1e-9, atol=1e-12)


def test_two_go_on_where_two_stopped_to_the_last_bit_with_dropout(together):
    whole, broken = (RunDirectory.open(together / "0" / name).latest() for name in ("dropout", "dropout-stopped"))
    assert whole.step == broken.step == 30
    for part in ("model", "trainer"):
        arrays, others = getattr(whole, part), getattr(broken, part)
        assert {name: array.tobytes() for name, array in arrays.items()} == {
            name: array.tobytes() for name, array in others.items()
        }
    assert "random/1/cpu" in whole.trainer
    assert whole.trainer["random/1/cpu"].tobytes() != whole.trainer["random/cpu"].tobytes()


def test_a_checkpoint_has_the_states_of_all_lanes(together):
    for name in ("state/h", "clipping/norms"):
        two, one = (
            RunDirectory.open(run).latest().trainer for run in (together / "0/language", alone(together, "language"))
        )
        assert two[name].shape == one[name].shape
    assert two["state/h"].shape[-2] == 5


def test_one_clock_ends_them_all(together):
    first, second = seen(together, "minutes")
    assert [event for event in first if event["event"] == "step"] == [
        event for event in second if event["event"] == "step"
    ]
    assert first[-1]["event"] == second[-1]["event"] == "finished"


def test_only_the_first_one_writes(together):
    assert list((together / "1").iterdir()) == []
    assert (together / "0" / "language" / "model.safetensors").exists()


def test_all_see_the_same(together):
    for name in ("language", "classify", "dropout further", "rollback"):
        first, second = seen(together, name)
        assert first == second


def test_an_error_of_one_is_that_of_all_and_reported_once(together):
    first, second = seen(together, "again")
    assert "exists already" in first[0]["error"]
    assert first[0]["reported"] is None
    assert second == [{"error": first[0]["error"], "reported": True}]


def test_what_they_tell_each_other(together):
    first, second = seen(together, "talk")
    assert (first["told"], second["told"]) == (10, 10)
    assert (first["agreed"], second["agreed"]) == (10, 11)
    assert first["gathered"] == second["gathered"] == [{"rank": 0}, {"rank": 1}]
    assert first["any"] == second["any"] == [False, True, True]
    for name in ("told fails", "first fails"):
        assert first[name] == ["ConfigurationError", "rank 0 cannot"]
        assert second[name] == ["ProcessError", "rank 0 cannot"]
    assert first["second fails"] == ["ProcessError", "rank 1 cannot"]
    assert second["second fails"] == ["ConfigurationError", "rank 1 cannot"]
    expected = [2.0, 5, [[3.0] * 3] * 2, [[1.0, 2, 3], [4, 5, 6]], None]
    assert first["summed"] == second["summed"] == expected
    assert first["spread"] == second["spread"] == 0


def children(process):
    """The processes that a process started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            found += [int(path.name)] if int(fields[1]) == process else []
    return found


@pytest.mark.slow
@pytest.mark.parametrize("which", ["first", "other"])
def test_one_that_dies_ends_the_run_with_a_message(which, tmp_path, monkeypatch):
    options = language(tmp_path, run="run", steps=10**6, evaluate_every=20, sample_length=0, keep=1)
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if name != "text"]
    command = [*TORCHRUN, "-m", "unrolled", "--", "train", options["text"], *flags, "--json"]
    out = tmp_path / "out"
    with (
        out.open("w") as file,
        subprocess.Popen(
            command, cwd=tmp_path, env=ONE_THREAD, stdout=file, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        run = RunDirectory(tmp_path / "run")
        while not run.steps():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        first = run.owner.pid
        (other,) = set(children(process.pid)) - {first}
        os.kill(first if which == "first" else other, 9)
        try:
            _, said = process.communicate(timeout=100)
        finally:
            process.terminate()
    assert process.returncode == 1
    (message,) = (line for line in said.splitlines() if line.startswith("unrolled: "))
    # the sum fails, or torchrun was faster
    assert "another process of this run has ended" in message or "this process was told to end" in message
    assert "--resume run" in message
    events = [json.loads(line) for line in out.read_text().splitlines(keepends=True) if line.endswith("\n")]
    steps = [event["step"] for event in events if event["event"] == "step"]
    assert steps == list(range(1, len(steps) + 1))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--resume", "run", "--steps", str(run.steps()[-1] + 5), "--quiet"]) == 0


def test_what_another_one_reports_is_not_said_again(monkeypatch, capsys):
    class Failed(Rank):
        def agreed(self, make):
            raise ProcessError("--hidden is 0", reported=True)

    monkeypatch.setattr("unrolled.cli.train._together", lambda: contextlib.nullcontext(Failed(1, 2)))
    assert main(["train", "--hidden", "0"]) == 1
    assert capsys.readouterr() == ("", "")
