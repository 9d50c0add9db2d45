"""The core against the reference: forward, gradients, what is saved; every cell, and what hypothesis invents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from by_core import LENGTHS, Numbers, arrays, program
from recurrences import Example, recurrences
from stepwise import case, cell
from unrolled.equations.library import CELLS, load
from unrolled.errors import BackendError
from unrolled.native import execution
from unrolled.native.core import Absent, Core, find_core
from unrolled.program.compile import compile_system

BOUNDS = {torch.float64: 1e-12, torch.float32: 1e-5}


def pairs(numbers: Numbers, core: Core, threads: int) -> Iterator[tuple[np.ndarray, Tensor]]:
    expected = numbers.by_reference()
    for found, wanted in zip(numbers.by_core(core, threads), expected, strict=True):
        assert (found is None) == (wanted is None)
        if found is not None and wanted is not None:
            assert found.shape == tuple(wanted.shape)
            assert found.dtype == wanted.numpy().dtype
            yield found, wanted


def check(numbers: Numbers, core: Core, threads: int = 2) -> None:
    for found, wanted in pairs(numbers, core, threads):
        if wanted.numel():
            bound = BOUNDS[numbers.dtype] * max(1.0, wanted.abs().max().item())
            assert np.abs(found - wanted.numpy()).max() <= bound


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_library_cells(core: Core, name: str, lengths: tuple[int, ...]) -> None:
    check(Numbers(program(cell(name)), lengths), core)
    check(Numbers(program(cell(name, ids=("x",))), lengths), core)


@pytest.mark.parametrize("name", ["elman", "gru", "lstm"])
def test_sizes_beyond_one_block(core: Core, name: str) -> None:
    """More rows than a block, more columns than a panel, more of both than what is multiplied at once."""
    large = compile_system(load(name), {"x": 131, "h": 67} | ({"y": 5} if name == "elman" else {}))
    for dtype in BOUNDS:
        check(Numbers(large, (5,) * 60 + (3,) * 41, dtype, scale=0.1), core)


@pytest.mark.parametrize("name", ["elman", "lstm", "minimal_gated"])
def test_the_number_of_threads_changes_no_bit(core: Core, name: str) -> None:
    numbers = Numbers(program(cell(name)), (9, 9, 7, 7, 7, 3, 2, 1, 0), torch.float32)
    numbers.by_reference()
    one, *others = (numbers.by_core(core, threads) for threads in (1, 2, 3, 5))
    for other in others:
        for a, b in zip(one, other, strict=True):
            assert (a is None) == (b is None)
            assert a is None or b is None or np.array_equal(a, b)


def test_a_row_is_the_same_alone_and_beside_others(core: Core) -> None:
    lstm = program(cell("lstm"))
    numbers = Numbers(lstm, (4,) * 13, torch.float32)
    inputs, initial, parameters = map(arrays, (numbers.inputs, numbers.initial, numbers.parameters))
    together = execution.forward(core, 2, lstm, inputs, initial, parameters, [13] * 4)
    for row in range(13):
        own = [each.reshape(4, 13, -1)[:, row] for each in inputs], [each[row : row + 1] for each in initial]
        alone = execution.forward(core, 1, lstm, *own, parameters, [1] * 4)
        for a, b in zip(alone.final, together.final, strict=True):
            assert np.array_equal(a[0], b[row])


@given(recurrences(), st.sampled_from(LENGTHS), st.integers(1, 3))
def test_random_recurrences(core: Core, example: Example, lengths: tuple[int, ...], threads: int) -> None:
    numbers = Numbers(program(example), lengths)
    assume(any(t.is_floating_point() for t in (*numbers.inputs, *numbers.initial, *numbers.parameters)))
    for found, wanted in pairs(numbers, core, threads):
        if wanted.numel():
            # relative to the largest number that a recurrence of this kind meets
            assert np.abs(found - wanted.numpy()).max() <= 1e-11 * max(1.0, wanted.abs().max().item())


@pytest.mark.parametrize(
    "text",
    [
        "y_t = 0.5 y_{t-1} + tanh(A [P x_t ; y_{t-1} ; Q x_t])",  # parts of one product around something else
        "y_t = tanh(A [P x_t ; P x_t] + y_{t-1})",  # the same part twice
        "y_t = tanh(A [P x_t ; y_{t-1}] + B [y_{t-1} ; P x_t])",  # the same parts in two orders
        "a_t = b_{t-1}\nb_t = a_{t-1}\ny_t = tanh(P x_t + a_t + b_t)",  # states that change places
        "a_t = tanh(P x_t + a_{t-1})\nb_t = a_{t-1}\ny_t = a_t + 2 b_t + y_{t-1}",  # a state that follows another one
        "a_t = a_{t-1}\ny_t = tanh(P x_t) + a_t + y_{t-1}",  # a state that stays
    ],
)
@pytest.mark.parametrize("lengths", [(4, 4, 4), (3, 2, 2, 1, 0)], ids=str)
def test_values_that_share_a_row(core: Core, text: str, lengths: tuple[int, ...]) -> None:
    system = load("x : 3\ny : 2\nP : 2×3\n" + ("Q : 1×3\n" if "Q" in text else "") + text, outputs=("y",))
    check(Numbers(compile_system(system, {}), lengths), core)


# sizes for which threads share the columns of a step: small batches, and large weights
SHARED = [("torch_rnn", 256, 1), ("lstm", 128, 3), ("gru", 128, 2), ("minimal_gated", 384, 1), ("lstm", 384, 5)]


@pytest.mark.parametrize(("name", "h", "batch"), SHARED)
def test_threads_that_share_columns_change_no_bit(core: Core, name: str, h: int, batch: int) -> None:
    large = compile_system(load(name, outputs=("h",)), {"x": 5, "h": h})
    numbers = Numbers(large, (4,) * batch, torch.float32, scale=0.05)
    check(numbers, core)
    one, *others = (numbers.by_core(core, threads) for threads in (1, 2, 3))
    alone, *together = (
        execution.forward(core, threads, large, *map(arrays, (numbers.inputs, numbers.initial, numbers.parameters)),
                          numbers.batch_sizes).final
        for threads in (1, 2, 3)
    )  # fmt: skip
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True) if a is not None)
    for other in together:  # nothing is saved: states are overwritten
        assert all(np.array_equal(a, b) for a, b in zip(alone, other, strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_stays_in_its_sequence(core: Core, bad: float) -> None:
    gru = program(cell("gru"))
    numbers = Numbers(gru, (4, 4, 4))
    inputs, initial, parameters = map(arrays, (numbers.inputs, numbers.initial, numbers.parameters))
    clean = execution.forward(core, 2, gru, inputs, initial, parameters, [3] * 4).final
    inputs[0][4] = bad  # step 1 of sequence 1
    found = execution.forward(core, 2, gru, inputs, initial, parameters, [3] * 4).final
    for a, b in zip(found, clean, strict=True):
        assert np.array_equal(a[[0, 2]], b[[0, 2]])
        assert not np.array_equal(a[1], b[1])


def test_the_same_by_layer_and_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forced backend runs, or says why not."""
    if isinstance(find_core(), Absent):
        pytest.skip("there is no core")
    given_ = case(cell("lstm"), (4, 2))
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    expected = given_.found()
    monkeypatch.setenv("UNROLLED_BACKEND", "native")
    for a, b in zip(given_.found(), expected, strict=True):
        assert (a - b).abs().max() <= 1e-12
    halves = given_.of(tensor.half() for tensor in given_.differentiable)
    with pytest.raises(BackendError, match="one dtype, float32 or float64"):
        halves.found()
    monkeypatch.setenv("UNROLLED_BACKEND", "cuda")
    with pytest.raises(BackendError, match="native or reference"):
        given_.found()


def test_an_instruction_set_that_does_not_run_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(find_core(), Absent):
        pytest.skip("there is no core")
    monkeypatch.setenv("UNROLLED_ISA", "sse9")
    find_core.cache_clear()
    try:
        with pytest.raises(BackendError, match="UNROLLED_ISA is 'sse9'"):
            case(cell("lstm"), (4, 2)).found()
    finally:
        find_core.cache_clear()
