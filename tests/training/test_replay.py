"""A recorded accident seen again: the batch as it was, and what in it was not finite first."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from unrolled.checkpoint.tensors import module_arrays
from unrolled.cli import main
from unrolled.data.corpora import split
from unrolled.data.lanes import Position
from unrolled.data.truncation import Window
from unrolled.errors import CheckpointError
from unrolled.nn import language_model
from unrolled.training import Accident, Started, TrainConfig, loop, train
from unrolled.training.budget import Budget
from unrolled.training.config import resolve
from unrolled.training.finding import WORDS, Finding
from unrolled.training.ragged import apart, flat
from unrolled.training.randomness import own_randomness
from unrolled.training.record import Record, batch_arrays
from unrolled.training.recording import recording_of
from unrolled.training.replay import replay
from unrolled.training.trace import trace
from unrolled.training.window import RecordedWindow, window_loss

CORPUS = split("pangrams", "the quick brown fox jumps over the lazy dog; pack my box.\n" * 30)
RNG = np.random.default_rng(0)
SYMBOLS, LANES, LENGTH = 5, 3, 7


def arrays(window=(4, 4, 11, 11), documents=False):
    """A window of random symbols in three lanes, documents beginning here and there."""
    steps = window[2] - window[0]
    found = {name: RNG.integers(0, SYMBOLS, (steps, LANES)) for name in ("inputs", "targets")}
    found["window"] = np.array(window)
    if documents:
        found["begins"] = RNG.random((steps, LANES)) < 0.3
    return found


def model(recurrence="gru", layers=1, hidden=4, **options):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return language_model(recurrence, SYMBOLS, hidden, layers, dtype=torch.float64, **options)


def generators(seed=5):
    return {"cpu": torch.Generator().manual_seed(seed).get_state()}


def test_the_trace_is_that_of_elmans_network_by_hand():
    """In plain torch, with the gradient of the loss in each state, read-out and all."""
    layer, batch = model("h_t = tanh(U x_t + W h_{t-1} + b); y_t = softmax(V h_t)"), arrays()
    U, W, b, V = (getattr(layer, name) for name in "UWbV")
    h, states, losses = torch.zeros(LANES, 4, dtype=torch.float64), [], []
    for x, wanted in zip(batch["inputs"], batch["targets"], strict=True):
        h = torch.tanh(U[:, torch.from_numpy(x)].t() + h @ W.t() + b)
        h.retain_grad()
        states.append(h)
        losses.append(functional.cross_entropy(h @ V.t(), torch.from_numpy(wanted), reduction="none"))
    torch.stack(losses).mean().backward()
    found = trace(layer, batch, None, generators())
    assert found.first is None
    assert found.states == ("h",)
    assert [each.step for each in found.steps] == list(range(LENGTH))
    for each, state, loss in zip(found.steps, states, losses, strict=True):
        for largest, values in (
            (each.loss, loss),
            (each.state, state.norm(dim=1)),
            (each.gradient, state.grad.norm(dim=1)),
        ):
            assert largest.lane == int(values.argmax())
            assert largest.value == pytest.approx(values.max().item(), rel=1e-12)


CASES = {
    "plain": {},
    "dropout between layers": {"layers": 3, "dropout": 0.4},
    "documents": {"documents": True},
    "documents and dropout": {"layers": 2, "dropout": 0.4, "documents": True},
    "windows that overlap": {"layers": 2, "dropout": 0.4, "window": (2, 6, 9, 5), "documents": True},
    "the first window of those": {"dropout": 0.4, "window": (0, 0, 3, 0), "anew": True},
    "segments": {"layers": 2, "dropout": 0.4, "budget": "2"},
    "an embedding": {"dropout": 0.4, "embedding": 3, "layers": 2},
    "an output that feeds back": {"recurrence": "jordan", "dropout": 0.4},
    "two states": {"recurrence": "lstm", "layers": 2},
    "a first state that is learnt": {"recurrence": "h_t = tanh(U x_t + W h_{t-1}); h_{-1} = h0", "anew": True},
}


@pytest.mark.parametrize("case", CASES)
def test_the_steps_are_those_of_the_fused_computation(case, monkeypatch):
    options = dict(CASES[case])
    window, documents = options.pop("window", (4, 4, 11, 11)), options.pop("documents", False)
    budget, anew = options.pop("budget", None), options.pop("anew", False)
    budget = None if budget is None else Budget.parse(budget)
    monkeypatch.setattr("unrolled.training.budget.STEPS", 3)
    layer, batch = model(**options), arrays(window, documents)
    with torch.no_grad():
        _, state = layer.logits(torch.zeros(1, LANES, dtype=torch.int64))
    if not anew:
        batch |= {f"state/{name}": 0.3 * RNG.normal(size=each.shape) for name, each in state.items()}
    given = None if anew else {name: torch.from_numpy(batch[f"state/{name}"]) for name in state}
    with own_randomness(generators(), torch.device("cpu")):
        loss, _ = window_loss(layer, RecordedWindow(batch), Window(*window), given, budget)
        loss.backward()
    found = trace(layer, batch, budget, generators())
    assert found.first is None
    assert sum(each.loss is not None for each in found.steps) == window[2] - window[1]
    walked = walk_of(layer, batch, budget)
    assert walked.loss == pytest.approx(loss.item(), rel=1e-12)
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(walked.totals[name], parameter.grad, rtol=1e-9, atol=1e-14)


def walk_of(layer, batch, budget):
    """The sums that a trace makes on its way."""
    from unrolled.training import trace as module

    seen = []

    class Watched(module._Walk):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.loss, self.totals = 0.0, {name: torch.zeros_like(p) for name, p in layer.named_parameters()}
            seen.append(self)

        def _step(self, t, before):
            logits, losses, after = super()._step(t, before)
            if losses is not None and not torch.is_grad_enabled():
                self.loss += losses.sum().item() / self.count
            return logits, losses, after

        def _back(self, t, carried, parameters):
            found = super()._back(t, carried, parameters)
            for total, each in zip(self.totals.values(), found[2], strict=True):
                total += 0 if each is None else each
            return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_Walk", Watched)
        module.trace(layer, batch, budget, generators())
    return seen[0]


def first(layer, batch):
    return trace(layer, batch, None, generators()).first


def test_what_is_not_finite_first():
    batch = arrays()
    layer = model("h_t = relu(U x_t + W h_{t-1}); y_t = softmax(V h_t)")
    assert first(layer, batch) is None
    for tensor, value, expected in (
        (layer.W, float("nan"), Finding("weight", "W")),
        (layer.V, 1e308, Finding("logits", step=0, lane=0)),
        (layer.W, 1e200, Finding("state", "h", step=2, lane=0)),
    ):
        before = tensor.detach().clone()
        with torch.no_grad():
            layer.U.fill_(1.0)
            tensor.fill_(value)
        assert first(layer, batch) == expected
        with torch.no_grad():
            tensor.copy_(before)
    state = np.zeros((LANES, 4))
    state[1, 2] = np.inf
    assert first(layer, {**batch, "state/h": state}) == Finding("carried", "h")


def test_a_state_in_one_lane_of_one_layer():
    layer, batch = model("h_t = U x_t + W h_{t-1}; y_t = softmax(V h_t)", layers=2), arrays()
    batch["inputs"] = np.zeros_like(batch["inputs"])
    batch["inputs"][3, 2] = 4
    with torch.no_grad():
        layer.U_l0.zero_()[:, 4] = 1e300
        layer.U_l1.fill_(1e9)
    assert first(layer, batch) == Finding("state", "h of layer 2", step=3, lane=2)


def test_a_gradient_that_alone_is_not_finite():
    """Nothing is read, so that the states are 0; going back each step multiplies by 4 · 1e100."""
    layer, batch = model("h_t = U x_t + W h_{t-1}; y_t = softmax(V h_t)"), arrays()
    with torch.no_grad():
        layer.U.zero_()
        layer.W.fill_(1e100)
    found = trace(layer, batch, None, generators())
    assert found.first == Finding("gradient of state", "h", step=LENGTH - 5, lane=0)
    assert all(np.isfinite(each.state.value) and np.isfinite(each.loss.value) for each in found.steps)
    assert not np.isfinite(found.steps[0].gradient.value)
    assert np.isfinite(found.steps[LENGTH - 4].gradient.value)


def test_a_gradient_that_is_finite_but_too_long():
    layer, batch = model("h_t = U x_t; y_t = softmax(V h_t)"), arrays()
    with torch.no_grad():
        layer.U.fill_(1e200)
        layer.V.zero_()
    assert first(layer, batch) == Finding("norm")


def test_every_finding_is_a_sentence():
    for kind in WORDS:
        sentence = Finding(kind, "W", 3, 1).sentence
        assert sentence.startswith("Not finite first: ")
        assert "{" not in sentence


@pytest.fixture
def config(tmp_path):
    return TrainConfig(
        recurrence="irnn", layers=2, hidden=8, dropout=0.2, batch=4, sequence_length=9, learning_rate=1e4, steps=30,
        evaluate_every=30, sample_length=0, on_accident="skip", run=str(tmp_path / "run"),
    )  # fmt: skip


def accident_of(events):
    return next(event for event in events if isinstance(event, Accident))


def test_an_explosion_is_reproduced_from_the_record_alone(config, capsys):
    accident = accident_of(train(config, corpus=CORPUS))
    found = replay(accident.record)
    assert found.reproduced
    assert found.first is not None
    assert found.first.kind in ("state", "logits")
    assert found.trace is not None
    assert len(found.trace.steps) == 9
    recorded = json.loads((Path(accident.record) / "record.json").read_text())
    assert found.trace.to_dict() == recorded["trace"]
    assert list(found.gradients) == recorded["not_finite"]["gradients"]
    assert main(["replay", accident.record]) == 0
    shown = capsys.readouterr().out
    assert found.first.sentence in shown
    (marked,) = [line for line in shown.splitlines() if "← first" in line]
    assert int(marked.split()[0]) == found.first.step
    assert main(["replay", accident.record, "--json"]) == 0
    data = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert data["reproduced"] is True
    assert data["loss"] == "nan"
    assert data["first"]["sentence"] == found.first.sentence
    assert len(data["trace"]["steps"]) == 9
    assert data["recorded"]["step"] == accident.step


@pytest.mark.parametrize(
    "options",
    [{"update_every": 3}, {"bptt_memory": "2"}, {"documents": "\n"}, {"recurrence": "lstm", "learning_rate": 1e39}],
)
def test_other_ways_to_read_a_text_are_reproduced_too(config, options):
    accident = accident_of(train(dataclasses.replace(config, **options), corpus=CORPUS))
    found = replay(accident.record)
    assert found.reproduced
    assert found.first is not None
    assert repr((found.loss, found.gradient_norm)) == repr((accident.loss, accident.gradient_norm))


def test_a_replay_that_is_finite_says_so(config, capsys):
    accident = accident_of(train(config, corpus=CORPUS))
    folder = Path(accident.record)
    record = Record.read(folder)
    tame = {name: np.full_like(array, 0.01) for name, array in record.weights.items()}
    dataclasses.replace(record, weights=tame).write(folder.parent.parent)
    assert main(["replay", accident.record]) == 3
    assert "Not reproduced: now everything is finite." in capsys.readouterr().out


def test_an_update_that_overflows_is_reproduced(config, capsys):
    for rate, clipping in ((1e39, "norm"), (1e39, "adaptive")):
        run = dataclasses.replace(
            config, recurrence="gru", learning_rate=rate, clipping=clipping, run=config.run + clipping
        )
        accident = accident_of(train(run, corpus=CORPUS))
        found = replay(accident.record)
        assert (found.loss, found.gradient_norm) == (accident.loss, accident.gradient_norm)
        assert found.reproduced
        assert found.first == Finding("update")
    assert main(["replay", accident.record]) == 0
    assert "what the update makes of the weights" in capsys.readouterr().out


def test_what_is_no_record(config, tmp_path, capsys):
    assert main(["replay", str(tmp_path)]) == 1
    assert "holds no record of an accident" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "gone")]) == 1
    assert "gone does not exist; the record of an accident is a folder" in capsys.readouterr().err
    accident = accident_of(train(config, corpus=CORPUS))
    for folder in (Path(config.run), Path(accident.record).parent):
        assert main(["replay", str(folder)]) == 1
        said = capsys.readouterr().err
        assert said.startswith(
            f"unrolled: {folder} is not itself the record of an accident; name one, such as {folder}"
        )
        assert Path(said.rstrip().rpartition("such as ")[2], "record.json").is_file()
    path = Path(accident.record) / "batch.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match=r"batch\.safetensors was changed"):
        replay(accident.record)


WORDS_OF = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog"]


def examples(task):
    """Small data for each task that learns from examples: options and rows."""
    texts = [" ".join(RNG.choice(WORDS_OF, RNG.integers(1, 5))) for _ in range(60)]
    frames = [RNG.normal(size=(n, 2)).tolist() for n in RNG.integers(1, 6, 60)]
    names = [WORDS_OF[i % 3] for i in range(60)]
    return {
        "classify": ({}, [{"text": t, "label": n} for t, n in zip(texts, names, strict=True)]),
        "frames": (
            {"task": "regress", "input": "frames", "target": "value"},
            [{"frames": f, "value": len(f)} for f in frames],
        ),
        "regress": ({"target": "value"}, [{"text": t, "value": len(t)} for t in texts]),
        "tag": (
            {"input": "form", "target": "upos"},
            [{"form": t.split(), "upos": [w[0] for w in t.split()]} for t in texts],
        ),
        "caption": ({}, [{"label": n, "text": t} for t, n in zip(texts, names, strict=True)]),
        "pictures": (
            {"task": "caption", "input": "pixels"},
            [{"pixels": [[i, i % 7], [i % 3, 1]], "text": t} for i, t in enumerate(texts)],
        ),
        "translate": ({}, [{"text": t + str(i), "translation": t[::-1]} for i, t in enumerate(texts)]),
    }[task]


@pytest.fixture(params=["classify", "frames", "regress", "tag", "caption", "pictures", "translate"])
def options(request, tmp_path):
    own, rows = examples(request.param)
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return resolve({
        "task": request.param, **own, "data": str(tmp_path / "data.jsonl"), "hidden": 6, "embedding": 4, "layers": 1,
        "dropout": 0.3, "batch": 8, "steps": 6, "evaluate_every": 6, "on_accident": "skip",
        "run": str(tmp_path / "run"),
    })  # fmt: skip


def test_a_batch_of_examples_comes_back_to_the_bit(options):
    """Loss and gradient of every task, dropout and all, from the arrays of a record."""
    job = loop.begin(options)
    job.run.unlock()
    position, random = Position(0, 2), dict(job.random)
    record = Record(
        {"options": options.to_dict()}, module_arrays(job.task.layer), batch_arrays(job.task.batch(position), random)
    )
    with job.randomness():
        loss, _ = job.task.loss(position)
        loss.backward()
    recording = recording_of(job.run, record, options, torch.device("cpu"))
    recording.layer.load_state_dict(job.task.layer.state_dict())
    with own_randomness(record.random, torch.device("cpu")):
        again = recording.loss()
        again.backward()
    assert again.item() == loss.item()
    for one, other in zip(recording.layer.parameters(), job.task.layer.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.equal(one.grad, other.grad)
    assert job.task.trace(dict(record.batch), random) is None


def test_weights_that_are_not_finite_are_found_in_every_task(options, job):
    events = train(options)
    assert isinstance(next(events), Started)
    name, parameter = list(job.task.layer.named_parameters())[-1]
    with torch.no_grad():
        parameter.fill_(float("nan"))
    accident = accident_of_stopped(events)
    found = replay(accident.record)
    assert found.reproduced
    assert found.first == Finding("weight", name)
    assert found.trace is None
    assert main(["replay", accident.record]) == 0


def accident_of_stopped(events):
    """The first event, with which the run ends: there are no finite weights in memory."""
    event = next(events)
    assert isinstance(event, Accident)
    assert event.policy == "stop"
    events.close()
    return event


def test_a_number_that_the_model_cannot_hold_is_found(tmp_path, job):
    own, rows = examples("frames")
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = resolve({
        **own, "data": str(tmp_path / "data.jsonl"), "hidden": 6, "batch": 8, "steps": 7, "on_accident": "skip",
        "run": str(tmp_path / "run"),
    })  # fmt: skip
    events = train(config)
    assert isinstance(next(events), Started)
    job.task.training.inputs[0][0, 0] = 1e300
    found = replay(accident_of(events).record)
    assert found.reproduced
    assert found.first == Finding("input")


@pytest.mark.parametrize(
    "items",
    [
        [np.array([1, 2]), np.array([], np.int64), np.array([3])],
        [np.ones((2, 3)), np.zeros((0, 3))],
        [(np.array([7, 8]), [np.array([1]), np.array([2, 3])]), (np.array([], np.int64), [])],
        [(np.array([], np.int64), [])],
    ],
)
def test_sequences_of_different_lengths_come_back(items):
    found = apart("x", flat("x", items))
    assert len(found) == len(items)
    for one, other in zip(found, items, strict=True):
        for a, b in zip(parts(one), parts(other), strict=True):
            assert a.dtype == b.dtype
            assert np.array_equal(a, b)


def parts(item):
    return [item[0], *item[1]] if isinstance(item, tuple) else [item]
