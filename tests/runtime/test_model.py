"""A model without torch: the text that torch writes, many streams at once, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from unrolled.errors import BackendError, ConfigurationError, DataError, ProgramError
from unrolled.generation import Sampler, draw
from unrolled.native.core import Absent, Core, find_core
from unrolled.nn import Recurrent, language_model
from unrolled.runtime import Model, Sampling

pytestmark = pytest.mark.skipif(isinstance(find_core(), Absent), reason="there is no core")

SYMBOLS = 27
# a draw so near to an edge of the cumulative distribution may fall on either side
EDGES = {torch.float32: 1e-6, torch.float64: 1e-12}
CELLS = ["vanilla", "gru", "lstm", "lstm_peephole", "minimal_gated", "irnn"]


def layer(cell: str = "gru", dtype: torch.dtype = torch.float32, **options):
    torch.manual_seed(3)
    made = language_model(cell, vocabulary=SYMBOLS, **{"hidden": 9, "num_layers": 2, "dtype": dtype, **options}).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)  # far from uniform
    return made


def model(made, threads: int = 2) -> Model:
    core = find_core()
    assert isinstance(core, Core)
    return Model(made.programs(), {name: p.detach().numpy() for name, p in made.named_parameters()}, core, threads)


def by_torch(
    made, prompt: list[int], count: int, sampler: Sampler, seed: int, stream: int
) -> tuple[list[int], list[float], int]:
    """The symbols, their probabilities, and how many of the draws were at an edge."""
    ids, found, chances, state, edges = prompt, [], [], None, 0
    edge = EDGES[next(made.parameters()).dtype]
    for position in range(count):
        with torch.no_grad():
            logits, state = made.logits(torch.tensor(ids)[:, None], state)
        last, u = logits[-1, 0].double().numpy(), draw(seed, stream, position)
        symbol, chance = sampler.choose(last, u)
        cumulative = np.cumsum(sampler.probabilities(last))
        edges += np.abs(cumulative / cumulative[-1] - u).min() < edge
        found.append(symbol)
        chances.append(chance)
        ids = [symbol]
    return found, chances, edges


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_the_text_that_torch_writes(cell: str, dtype: torch.dtype) -> None:
    made = layer(cell, dtype)
    expected, chances, edges = by_torch(made, [3, 1, 4], 300, Sampler(0.8), seed=11, stream=2)
    assert edges == 0  # seeds for which no draw is at an edge, so that all must be equal
    own = model(made)
    written = own.write(own.start(1), np.array([[3], [1], [4]]), 300, Sampling(11, 0.8), [2])
    assert written.symbols[:, 0].tolist() == expected
    np.testing.assert_allclose(written.probabilities[:, 0], chances, rtol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{"temperature": 0.0}, {"top_k": 3}, {"top_p": 0.7}, {"top_k": 5, "top_p": 0.5, "temperature": 1.7}],
    ids=str,
)
def test_every_way_to_choose(options: dict) -> None:
    made = layer()
    expected, chances, edges = by_torch(made, [0], 200, Sampler(**options), seed=5, stream=0)
    assert edges == 0 or options.get("temperature") == 0
    own = model(made)
    written = own.write(own.start(1), np.array([[0]]), 200, Sampling(5, **options))
    assert written.symbols[:, 0].tolist() == expected
    np.testing.assert_allclose(written.probabilities[:, 0], chances, rtol=1e-4)


@pytest.mark.parametrize("options", [{"num_layers": 1}, {"num_layers": 3, "hidden": 70}, {"embedding": 5}], ids=str)
def test_stacks_and_embeddings(options: dict) -> None:
    made = layer("lstm", **options)
    expected, _, edges = by_torch(made, [7], 100, Sampler(), seed=1, stream=9)
    assert edges == 0
    own = model(made)
    assert own.write(own.start(1), np.array([[7]]), 100, Sampling(1), [9]).symbols[:, 0].tolist() == expected


@pytest.mark.parametrize("isa", getattr(find_core(), "isas", ()))
@pytest.mark.parametrize("cell", ["vanilla", "lstm"])
def test_a_model_writes_in_the_precision_in_which_it_was_trained(isa: str, cell: str) -> None:
    made = layer(cell, precision="bf16")
    expected, chances, _ = by_torch(made, [3, 1, 4], 60, Sampler(0.8), seed=11, stream=2)
    arrays = {name: p.detach().numpy() for name, p in made.named_parameters()}
    own = Model(made.programs(), arrays, replace(find_core(), isa=isa))
    written = own.write(own.start(1), np.array([[3], [1], [4]]), 60, Sampling(11, 0.8), [2])
    assert written.symbols[:, 0].tolist() == expected
    np.testing.assert_allclose(written.probabilities[:, 0], chances, rtol=0.02)  # a number may be rounded otherwise
    exact = Model(made.programs(), arrays, find_core(), precision="fp32")
    unlike = exact.write(own.start(1), np.array([[3], [1], [4]]), 1, Sampling(11, 0.8), [2])
    assert not np.allclose(unlike.probabilities[0], written.probabilities[0], rtol=1e-5)


def test_a_precision_that_does_not_exist() -> None:
    made = layer(dtype=torch.float64)
    arrays = {name: p.detach().numpy() for name, p in made.named_parameters()}
    with pytest.raises(ConfigurationError, match="fp32, bf16, int8"):
        Model(made.programs(), arrays, find_core(), precision="fp8")
    with pytest.raises(ConfigurationError, match="float64"):
        Model(made.programs(), arrays, find_core(), precision="bf16")


def test_threads_that_share_a_step_write_the_same() -> None:
    made = layer("vanilla", hidden=320, num_layers=2)
    one, two, three = (model(made, threads) for threads in (1, 2, 3))
    texts = [each.write(each.start(1), np.array([[2]]), 60, Sampling(4)) for each in (one, two, three)]
    for other in texts[1:]:
        assert np.array_equal(other.symbols, texts[0].symbols)
        assert np.array_equal(other.probabilities, texts[0].probabilities)
        assert all(np.array_equal(a, b) for a, b in zip(other.states, texts[0].states, strict=True))


def test_a_stream_depends_on_no_other() -> None:
    own = model(layer())
    prompts = np.random.default_rng(0).integers(0, SYMBOLS, (4, 13))
    together = own.write(own.start(13), prompts, 50, Sampling(8), range(13))
    for stream in (0, 5, 12):
        alone = own.write(own.start(1), prompts[:, stream : stream + 1], 50, Sampling(8), [stream])
        assert np.array_equal(alone.symbols[:, 0], together.symbols[:, stream])
        assert np.array_equal(alone.probabilities[:, 0], together.probabilities[:, stream])


def test_in_stretches_as_at_once() -> None:
    own = model(layer("lstm"))
    whole = own.write(own.start(2), np.array([[1, 2]]), 40, Sampling(3))
    states, read, position, found = own.start(2), np.array([[1, 2]]), 0, []
    for count in (1, 2, 7, 30):
        written = own.write(states, read, count, Sampling(3), positions=[position] * 2)
        found.append(written.symbols)
        states, read, position = written.states, written.symbols[-1:], position + count
    assert np.array_equal(np.concatenate(found), whole.symbols)


def test_after_the_stop_symbol_nothing_comes() -> None:
    own = model(layer())
    free = own.write(own.start(3), np.array([[1, 2, 3]]), 40, Sampling(6)).symbols
    stop = int(free[10, 0])
    held = own.write(own.start(3), np.array([[1, 2, 3]]), 40, Sampling(6, stop=stop)).symbols
    for stream in range(3):
        where = np.flatnonzero(free[:, stream] == stop)
        end = where[0] + 1 if len(where) else 40
        assert np.array_equal(held[:end, stream], free[:end, stream])
        assert (held[end:, stream] == -1).all()


def test_numbers_that_are_none() -> None:
    made = layer()
    with torch.no_grad():
        next(made.parameters()).fill_(float("nan"))
    own = model(made)
    written = own.write(own.start(1), np.array([[0]]), 5)
    assert written.symbols is None
    assert written.probabilities is None


def test_what_cannot_be_done_is_refused() -> None:
    made = layer()
    own = model(made)
    for read, choice, reason in (
        ([[SYMBOLS]], Sampling(), "no symbol"),
        ([[-1]], Sampling(), "no symbol"),
        (np.zeros((0, 1)), Sampling(), "must be read before"),
        ([[0]], Sampling(temperature=-1.0), "out of range"),
        ([[0]], Sampling(top_p=1.5), "out of range"),
    ):
        with pytest.raises(BackendError, match=reason):
            own.write(own.start(1), np.array(read, np.int64), 1, choice)
    with pytest.raises(DataError, match="2 streams"):
        own.write(own.start(2), np.array([[0]]), 1)
    with pytest.raises(ProgramError, match="missing"):
        Model(made.programs(), {"nothing": np.zeros(1, np.float32)}, find_core())
    with pytest.raises(ProgramError, match="both directions"):
        model(Recurrent("gru", bidirectional=True, x=SYMBOLS, h=4))


def test_writing_does_not_load_torch(tmp_path) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 200)
    run = str(tmp_path / "run")
    program = (
        "import sys; from unrolled.cli import main; status = main(sys.argv[1:]); "
        "sys.exit(status or ('torch' in sys.modules) != (sys.argv[1] == 'train'))"
    )
    train = ["train", str(tmp_path / "text.txt"), "--hidden", "8", "--layers", "1", "--steps", "3", "--run", run]
    for arguments in (train, ["sample", run, "--length", "20", "--seed", "1", "--prime", "to "]):
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("to ")
    assert len(done.stdout) == len("to ") + 20 + 1
