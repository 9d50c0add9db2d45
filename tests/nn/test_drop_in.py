"""The drop-in layers and cells against torch's own: values, derivatives, errors, and everything that is stored."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

from derivatives import two_derivatives
from unrolled import nn as ours

LAYERS = ("RNN", "GRU", "LSTM")
CELLS = ("RNNCell", "GRUCell", "LSTMCell")
ENTRIES = {entry.name.removeprefix("nn."): entry for entry in module_db}
F64 = torch.float64


def both(name: str, *args, **kwargs):
    """Torch's module and ours from the same arguments, with the same parameters, in float64."""
    kwargs.setdefault("dtype", F64)
    theirs, mine = getattr(nn, name)(*args, **kwargs), getattr(ours, name)(*args, **kwargs)
    mine.load_state_dict(theirs.state_dict())
    return theirs, mine


def same(mine, theirs, message: str = "") -> None:
    # every tensor compared here is of the size of 1
    torch.testing.assert_close(mine, theirs, rtol=1e-11, atol=1e-11, msg=lambda text: f"{message}\n{text}")


def hidden(name: str, *shape: int):
    """A random hx of one shape: a pair for the LSTM."""
    h = torch.randn(*shape, dtype=F64)
    return (h, torch.randn(*shape, dtype=F64)) if name.startswith("LSTM") else h


# ── torch's database of module inputs ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS + CELLS)
def test_every_entry_of_torchs_database(name, training):
    entry = ENTRIES[name]
    # the GRU's and RNN's entries have packed samples on request, the others ignore it
    samples = entry.module_inputs_func(
        entry, device="cpu", dtype=F64, requires_grad=True, training=training, with_packed_sequence=True
    )
    assert samples
    for sample in samples:
        how, given = sample.constructor_input, sample.forward_input
        theirs, mine = both(name, *how.args, **how.kwargs)
        theirs.train(training), mine.train(training)
        expected = two_derivatives(theirs, given.args)
        assert all(part for part in expected)
        same(two_derivatives(mine, given.args), expected, f"{name} {how.args} {how.kwargs}")


def _error_samples():
    for name in LAYERS + CELLS:
        entry = ENTRIES[name]
        samples = entry.module_error_inputs_func(
            entry, device="cpu", dtype=torch.float32, requires_grad=False, training=False
        )
        for number, sample in enumerate(samples):
            yield pytest.param(name, sample, id=f"{name}-{number}")


@pytest.mark.parametrize(("name", "sample"), list(_error_samples()))
def test_every_error_of_torchs_database(name, sample):
    how, given = sample.module_error_input.constructor_input, sample.module_error_input.forward_input
    if sample.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
        with pytest.raises(sample.error_type, match=sample.error_regex):
            getattr(ours, name)(*how.args, **how.kwargs)
        return
    module = getattr(ours, name)(*how.args, **how.kwargs)
    with pytest.raises(sample.error_type, match=sample.error_regex):
        module(*given.args, **given.kwargs)


# ── more forms of input ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2}, {"bias": False}], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_with_and_without_hx(name, options, batch_first):
    theirs, mine = both(name, 3, 4, batch_first=batch_first, **options)
    x = torch.randn(5, 6, 3, dtype=F64)
    states = len(list(theirs.parameters())) // (2 if options.get("bias") is False else 4)
    hx = hidden(name, states, 5 if batch_first else 6, 4)
    for arguments in ((x,), (x, hx)):
        same(two_derivatives(mine, arguments), two_derivatives(theirs, arguments))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("enforce_sorted", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_packed_sequence(name, enforce_sorted, bidirectional):
    theirs, mine = both(name, 3, 4, num_layers=2, bidirectional=bidirectional)
    lengths = [5, 3, 3, 1] if enforce_sorted else [3, 1, 5, 3]
    padded = torch.randn(5, 4, 3, dtype=F64)
    x = pack_padded_sequence(padded, torch.tensor(lengths), enforce_sorted=enforce_sorted)
    for arguments in ((x,), (x, hidden(name, 4 if bidirectional else 2, 4, 4))):
        same(two_derivatives(mine, arguments), two_derivatives(theirs, arguments))
    output, expected = mine(x)[0], theirs(x)[0]
    assert isinstance(output, nn.utils.rnn.PackedSequence)
    for field in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        left, right = getattr(output, field), getattr(expected, field)
        assert (left is None and right is None) or torch.equal(left, right)


@pytest.mark.parametrize("name", LAYERS)
def test_hidden_states_keep_the_callers_order(name):
    _, mine = both(name, 3, 4)
    sequences = [torch.randn(n, 3, dtype=F64) for n in (2, 5, 3)]
    hx = hidden(name, 1, 3, 4)
    _, state = mine(pack_sequence(sequences, enforce_sorted=False), hx)
    for b, sequence in enumerate(sequences):
        alone = tuple(s[:, b : b + 1] for s in hx) if name == "LSTM" else hx[:, b : b + 1]
        _, expected = mine(sequence.unsqueeze(1), alone)
        for got, want in zip(*((state, expected) if name == "LSTM" else ((state,), (expected,))), strict=True):
            same(got[:, b : b + 1], want)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4, 3), (4, 0, 3), (4, 3), (1, 3)])
def test_small_shapes(name, shape):
    theirs, mine = both(name, 3, 4)
    x = torch.randn(shape, dtype=F64)
    same(mine(x), theirs(x))


@pytest.mark.parametrize("name", LAYERS)
def test_an_empty_sequence_leaves_the_state_as_it_is(name):
    _, mine = both(name, 3, 4)  # torch refuses T = 0
    hx = hidden(name, 1, 2, 4)
    output, state = mine(torch.zeros(0, 2, 3, dtype=F64), hx)
    assert output.shape == (0, 2, 4)
    same(state, hx)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("options", [{}, {"bias": False}], ids=str)
def test_a_cell_on_a_batch(name, options):
    theirs, mine = both(name, 3, 4, **options)
    x = torch.randn(5, 3, dtype=F64)
    for arguments in ((x,), (x, hidden(name, 5, 4)), (torch.zeros(0, 3, dtype=F64),)):
        same(two_derivatives(mine, arguments), two_derivatives(theirs, arguments))


def test_a_cells_nonlinearity_may_change():
    theirs, mine = both("RNNCell", 3, 4)
    x = torch.randn(5, 3, dtype=F64)
    theirs.nonlinearity = mine.nonlinearity = "relu"
    same(mine(x), theirs(x))
    mine.nonlinearity = "sin"
    with pytest.raises(RuntimeError, match="Unknown nonlinearity: sin"):
        mine(x)


def test_arguments_in_torchs_order():
    x = torch.randn(2, 5, 3, dtype=F64)
    for name, arguments in {
        "RNN": (3, 4, 2, "relu", False, True, 0.0, True),
        "GRU": (3, 4, 2, False, True, 0.0, True),
        "LSTM": (3, 4, 2, False, True, 0.0, True, 2),
    }.items():
        theirs, mine = both(name, *arguments)
        same(mine(x), theirs(x))
        assert repr(mine) == repr(theirs)
    for name, arguments in {
        "RNNCell": (3, 4, False, "relu"),
        "GRUCell": (3, 4, False),
        "LSTMCell": (3, 4, False),
    }.items():
        theirs, mine = both(name, *arguments)
        same(mine(x[0]), theirs(x[0]))
        assert repr(mine) == repr(theirs)


# ── dropout, dtypes ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", LAYERS)
def test_dropout_between_layers(name):
    theirs, mine = both(name, 3, 4, num_layers=3, dropout=0.5)
    x = torch.randn(6, 5, 3, dtype=F64)
    torch.manual_seed(1)
    expected = theirs(x)
    torch.manual_seed(1)  # the same draws drop the same components
    same(mine(x), expected)
    assert not torch.equal(mine(x)[0], mine(x)[0])
    same(mine.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("name", LAYERS)
def test_dropping_everything(name):
    theirs, mine = both(name, 3, 4, num_layers=2, dropout=1.0)
    x = torch.randn(6, 5, 3, dtype=F64)
    same(mine(x), theirs(x))


@pytest.mark.parametrize("name", LAYERS)
def test_to_another_dtype_and_back(name):
    theirs, mine = both(name, 3, 4, dtype=torch.float32)
    x = torch.randn(6, 5, 3)
    torch.testing.assert_close(mine(x), theirs(x))
    with pytest.raises(ValueError, match="dtype"):
        mine(x.double())
    same(mine.double()(x.double()), theirs.double()(x.double()))


@pytest.mark.parametrize("name", LAYERS)
def test_autocast(name):
    theirs, mine = both(name, 3, 4, dtype=torch.float32)
    x = torch.randn(6, 5, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got, expected = mine(x)[0], theirs(x)[0]
    torch.testing.assert_close(got.float(), expected.float(), rtol=0, atol=0.02)  # bfloat16 has 8 bits
    got.float().sum().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in mine.parameters())


# ── parameters and storage ───────────────────────────────────────────────────────────────────────────────────────

OPTIONS = [("RNN", {}), ("GRU", {"bias": False}), ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True})]
OPTIONS += [(name, {}) for name in CELLS]


def _example(name: str):
    return torch.randn(*((5, 3) if name in CELLS else (6, 5, 3)), dtype=F64)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_state_dict_both_ways(name, options):
    theirs, mine = getattr(nn, name)(3, 4, **options).double(), getattr(ours, name)(3, 4, **options).double()
    assert list(mine.state_dict()) == list(theirs.state_dict())
    x = _example(name)
    first = mine(x)
    theirs.load_state_dict(mine.state_dict())
    same(theirs(x), first)
    other = getattr(nn, name)(3, 4, **options).double()
    mine.load_state_dict(other.state_dict())
    same(mine(x), other(x))


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_the_same_seed_gives_the_same_first_parameters(name, options):
    torch.manual_seed(3)
    theirs = getattr(nn, name)(3, 4, **options).state_dict()
    torch.manual_seed(3)
    mine = getattr(ours, name)(3, 4, **options)
    torch.testing.assert_close(mine.state_dict(), theirs, rtol=0, atol=0)
    mine.reset_parameters()
    assert all((p.abs() <= 0.5).all() for p in mine.parameters())  # 1/√4
    assert not torch.equal(mine.state_dict()[next(iter(theirs))], next(iter(theirs.values())))


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_pickle_copy_and_save(name, options):
    mine = getattr(ours, name)(3, 4, **options).double()
    x = _example(name)
    expected = mine(x)
    file = io.BytesIO()
    torch.save(mine, file)
    file.seek(0)
    copies = pickle.loads(pickle.dumps(mine)), copy.deepcopy(mine), torch.load(file, weights_only=False)
    for each in copies:
        same(each(x), expected)
    with torch.no_grad():
        next(copies[1].parameters()).zero_()
    same(mine(x), expected)


def test_isinstance():
    # torch.compile refuses every instance of torch.nn.RNN, GRU and LSTM: their base is as far as it goes
    assert all(isinstance(getattr(ours, name)(3, 4), nn.RNNBase) for name in LAYERS)
    assert all(isinstance(getattr(ours, name)(3, 4), getattr(nn, name)) for name in CELLS)


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _z(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape)


WRONG_CALLS = {
    "1-D input": lambda pair: (_z(3),),
    "4-D input": lambda pair: (_z(1, 1, 1, 3),),
    "input size": lambda pair: (_z(5, 2, 4),),
    "integers": lambda pair: (torch.zeros(5, 2, 3, dtype=torch.int64),),
    "size of hx": lambda pair: (_z(5, 2, 3), pair(_z(1, 2, 5))),
    "batch of hx": lambda pair: (_z(5, 2, 3), pair(_z(1, 3, 4))),
    "layers of hx": lambda pair: (_z(5, 2, 3), pair(_z(2, 2, 4))),
    "2-D hx for a batch": lambda pair: (_z(5, 2, 3), pair(_z(2, 4))),
    "3-D hx for one sequence": lambda pair: (_z(5, 3), pair(_z(1, 2, 4))),
    "dtype of hx": lambda pair: (_z(5, 2, 3), pair(_z(1, 2, 4).double())),
    "three states": lambda pair: (_z(5, 2, 3), (_z(1, 2, 4),) * 3),
    "packed input size": lambda pair: (pack_sequence([_z(3, 5), _z(2, 5)]),),
    "packed, batch of hx": lambda pair: (pack_sequence([_z(3, 3), _z(2, 3)]), pair(_z(1, 3, 4))),
    "a list": lambda pair: ([_z(5, 3)],),
}


@pytest.mark.parametrize("wrong", WRONG_CALLS)
@pytest.mark.parametrize("name", LAYERS)
def test_wrong_calls_raise_what_torch_raises(name, wrong):
    arguments = WRONG_CALLS[wrong]((lambda t: (t, t)) if name == "LSTM" else lambda t: t)
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever torch raises is the expected value
        getattr(nn, name)(3, 4)(*arguments)
    with pytest.raises(theirs.type):
        getattr(ours, name)(3, 4)(*arguments)


def test_one_state_of_another_dtype():
    with pytest.raises(RuntimeError, match=r"hidden\[1\].*float32.*float64"):
        ours.LSTM(3, 4)(_z(5, 2, 3), (_z(1, 2, 4), _z(1, 2, 4).double()))


WRONG_CELL_CALLS = {
    "3-D input": lambda pair: (_z(2, 2, 3),),
    "input size": lambda pair: (_z(2, 5),),
    "size of hx": lambda pair: (_z(2, 3), pair(_z(2, 5))),
    "batch of hx": lambda pair: (_z(2, 3), pair(_z(1, 4))),
    "1-D hx for a batch": lambda pair: (_z(2, 3), pair(_z(4))),
    "2-D hx for one": lambda pair: (_z(3), pair(_z(1, 4))),
    "dtype of the input": lambda pair: (_z(2, 3).double(),),
    "dtype of hx": lambda pair: (_z(2, 3), pair(_z(2, 4).double())),
    "three states": lambda pair: (_z(2, 3), (_z(2, 4),) * 3),
}


@pytest.mark.parametrize("wrong", WRONG_CELL_CALLS)
@pytest.mark.parametrize("name", CELLS)
def test_wrong_calls_of_cells_raise_what_torch_raises(name, wrong):
    arguments = WRONG_CELL_CALLS[wrong]((lambda t: (t, t)) if name == "LSTMCell" else lambda t: t)
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever torch raises is the expected value
        getattr(nn, name)(3, 4)(*arguments)
    with pytest.raises(theirs.type):
        getattr(ours, name)(3, 4)(*arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("RNN", {"proj_size": 2}), ("GRU", {"proj_size": 0}), ("LSTM", {"proj_size": 4}), ("LSTM", {"proj_size": -1}),
        ("RNN", {"nonlinearity": "sin"}), ("GRU", {"dropout": 2}), ("LSTM", {"dropout": True}),
        ("GRU", {"gates": 3}), ("RNN", {"num_layers": "2"}), ("LSTM", {"nonlinearity": "tanh"}),
    ],
)  # fmt: skip
def test_wrong_constructors_raise_what_torch_raises(name, arguments):
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever torch raises is the expected value
        getattr(nn, name)(3, 4, **arguments)
    with pytest.raises(theirs.type):
        getattr(ours, name)(3, 4, **arguments)
