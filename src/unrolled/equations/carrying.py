"""Which parameters carry a state from one step to the next: what multiplies it, and what opens the gate that keeps it.

A recurrent matrix multiplies what a state was one step before (``W h_{t-1}``, ``U (r_t ⊙ h_{t-1})``). The gate that
keeps a state s is what s_{t-1} is multiplied by in the equation of s (``f_t ⊙ c_{t-1}``, ``(1 - z_t) ⊙ h_{t-1}``).
"""

from __future__ import annotations

from collections.abc import Iterator

from unrolled.equations.expression import BEFORE, NOW, Expression, is_number, symbol, walk
from unrolled.equations.system import System


def recurrent_matrices(system: System) -> tuple[str, ...]:
    """The parameters that multiply a state of the step before.

    >>> from unrolled.equations.library import load
    >>> recurrent_matrices(load("gru_reset_before"))
    ('U_r', 'U_z', 'U')
    """
    found = dict[str, None]()
    for node in walk(right for _, right in system.equations):
        if node.op == "matmul" and (matrix := _parameter(node.args[0])) is not None and _reads_back(node.args[1]):
            found[matrix] = None
    return tuple(found)


def keeping_biases(system: System) -> dict[tuple[str, ...], int]:
    """The biases inside each gate that keeps a state, with the sign by which the first of them opens it.

    >>> from unrolled.equations.library import load
    >>> keeping_biases(load("lstm")), keeping_biases(load("minimal_gated"))
    ({('b_if', 'b_hf'): 1}, {('b_f',): -1})
    """
    found = {}
    for state in system.states:
        for term, _ in _terms(system.definitions[state]):
            if term.op == "mul" and (before := symbol(state, BEFORE)) in term.args:
                gate, sign = _gate(system, term.args[term.args[0] is before])
                biases = [] if gate is None else list(_biases(gate.args[0]))
                if biases:
                    found[tuple(name for name, _ in biases)] = sign * biases[0][1]
    return found


def biases_beside(system: System) -> Iterator[str]:
    """The biases in the sums in which a recurrent matrix stands.

    >>> from unrolled.equations.library import load
    >>> list(biases_beside(load("irnn")))
    ['b']
    """
    matrices = set(recurrent_matrices(system))
    for node in walk(right for _, right in system.equations):
        products = [term for term, _ in _terms(node) if term.op == "matmul"]
        if any(_parameter(term.args[0]) in matrices for term in products):
            yield from (name for name, _ in _biases(node))


def _biases(total: Expression) -> Iterator[tuple[str, int]]:
    """The parameters that are terms of a sum by themselves, each with its sign."""
    terms = _terms(total)
    return ((term.data[0], sign) for term, sign in terms if term.op == "symbol" and term.data[1] is None)


def _terms(total: Expression) -> Iterator[tuple[Expression, int]]:
    """What is added up, each with its sign."""
    stack = [(total, 1)]
    while stack:
        node, sign = stack.pop()
        if node.op == "neg":
            stack.append((node.args[0], -sign))
        elif node.op in ("add", "sub"):
            left, right = node.args
            stack += [(right, -sign if node.op == "sub" else sign), (left, sign)]
        else:
            yield node, sign


def _gate(system: System, factor: Expression) -> tuple[Expression | None, int]:
    """The sigmoid that a factor is, or that it is 1 minus, with the sign; None where it is something else."""
    sign = 1
    while True:
        if factor.op == "sigmoid":
            return factor, sign
        if factor.op == "sub" and is_number(factor.args[0], 1):
            factor, sign = factor.args[1], -sign
        elif factor.op == "symbol" and factor.data[1] == NOW and factor.data[0] in system.definitions:
            factor = system.definitions[factor.data[0]]
        else:
            return None, sign


def _parameter(matrix: Expression) -> str | None:
    """The name of a parameter, also where it is transposed."""
    leaf = matrix.args[0] if matrix.op == "transpose" else matrix
    return leaf.data[0] if leaf.op == "symbol" and leaf.data[1] is None else None


def _reads_back(vector: Expression) -> bool:
    """Whether a state of the step before stands in it, outside products with other matrices."""
    stack = [vector]
    while stack:
        node = stack.pop()
        if node.op == "symbol" and node.data[1] == BEFORE:
            return True
        if node.op != "matmul":
            stack += node.args
    return False
