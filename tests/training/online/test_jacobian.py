"""The derivatives of one step, in numbers and in structure, against torch's Jacobians."""

import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch.autograd.functional import jacobian

from recurrences import Example, recurrences
from unrolled.equations.expression import BEFORE, NOW, symbol
from unrolled.errors import EquationError
from unrolled.nn import Recurrent
from unrolled.training.online.composite import composite
from unrolled.training.online.jacobian import Structure, step_of
from unrolled.training.online.matrices import Matrices, entries, plus, times, whole
from unrolled.training.online.values import Values, parameter_leaves

F64 = torch.float64


# a scalar that goes up, where a vector is read; a first state that the output reads as well
HANDED_UP = "s : scalar; s : output; W : 1×3; h_t = tanh(h_{t-1} ⊙ W^T x_t); s_t = tanh(sum(s_{t-1} ⊙ h_t))"
SHARED = "s : scalar; c_t = 0.5 c_{t-1} + tanh(W x_t); s_t = tanh(sum(c_t ⊙ b)); c_{-1} = b"


@settings(max_examples=40)
@example(Example(HANDED_UP, ()), 2, 5)
@example(Example(SHARED, (("x", 3), ("c", 2))), 1, 0)
@given(example=recurrences(ids=False), layers=st.integers(1, 2), seed=st.integers(0, 9))
def test_a_step_of_random_equations(example, layers, seed):
    """∂n_t/∂m_{t-1} in two lanes; where torch finds anything but zero, the structure allows it."""
    torch.manual_seed(seed)
    assume(example.system.states)
    try:
        layer = Recurrent(example.system, layers, sizes=dict(example.sizes), dtype=F64)
    except EquationError:  # which cannot be stacked
        assume(False)
    whole_layer = composite(layer)
    system, step = whole_layer.system, step_of(whole_layer.system)
    states = {name: torch.randn(2, step.size(name), dtype=F64) for name in system.states}
    inputs = {symbol(name, NOW): torch.randn(2, step.size(name), dtype=F64) for name in system.inputs}
    parameters = parameter_leaves({name: each.detach() for name, each in layer.named_parameters()})
    order = whole_layer.needed(symbol(name, NOW) for name in system.states)

    def values(**states):
        before = {symbol(name, BEFORE): each for name, each in states.items()}
        return Values(step, inputs | before | parameters, order, torch.zeros(1, dtype=F64))

    matrices, structure = Matrices(values(**states)), Structure(system)
    for m, before in states.items():
        for n in states:
            right = jacobian(lambda each, m=m, n=n: values(**{**states, m: each})(symbol(n, NOW)).expand(2, -1), before)
            wanted = torch.stack([right[lane, :, lane] for lane in range(2)])
            derivative = step.states[m].get(n)
            if derivative is None:
                assert not wanted.any()
                continue
            found = whole(matrices(derivative)).expand_as(wanted)
            torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)
            assert not wanted[:, ~torch.from_numpy(structure(derivative))].any()


def test_a_diagonal_is_as_good_as_all_its_entries():
    generator = torch.Generator().manual_seed(0)
    diagonals = [torch.randn(2, 3, generator=generator), torch.randn(1, 3, generator=generator)]
    full = torch.randn(2, 3, 3, generator=generator)
    rows, columns = torch.tensor([[0, 2], [1, 2]]), torch.tensor([[2, 0, 1], [1, 1, 0]])
    for one in (*diagonals, full):
        for other in (*diagonals, full):
            torch.testing.assert_close(whole(times(one, other)), whole(one) @ whole(other))
            torch.testing.assert_close(whole(plus(one, other)), whole(one) + whole(other))
        parts = [whole(one)[:, r][:, :, c] for r, c in zip(rows, columns, strict=True)]
        torch.testing.assert_close(entries(one, rows, columns), torch.stack(parts, 1))
