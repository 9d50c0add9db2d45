"""The operator that stands for a recurrence in a compiled graph, by torch's own checks of operators."""

import pytest
import torch

from unrolled.engine import operator
from unrolled.equations.library import load
from unrolled.program.compile import compile_system


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.parametrize("cell", ["elman", "gru"])
def test_torchs_checks_of_an_operator(cell, ids):
    """Its fake kernel, its autograd formula, its schema, and that it can be traced for any size."""
    torch.manual_seed(0)
    system = load(cell, outputs=("h",))
    shapes = system.resolve({"x": 3, "h": 4} | ({"y": 2} if cell == "elman" else {}))
    sizes = {name: shapes[name][0] for name in system.sequences}
    program = compile_system(system, sizes, ("x",) if ids else ())
    parameters = [torch.randn(shapes[name], dtype=torch.float64, requires_grad=True) for name in system.parameters]
    # transposed, so that a result which takes over the strides of an argument is seen
    x = torch.randint(3, (5,)) if ids else torch.randn(3, 5, dtype=torch.float64).t().requires_grad_()
    h = torch.randn(4, 2, dtype=torch.float64).t().requires_grad_()
    assert operator.run(program, [x], [h], parameters, [2, 2, 1])[0][0].shape == (5, 4)
    found = torch.library.opcheck(torch.ops.unrolled.run.default, (program.text, [x], [h], parameters, [2, 2, 1]))
    assert set(found.values()) == {"SUCCESS"}
