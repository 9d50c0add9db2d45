"""LaTeX: spelt as in books, closed in its brackets, and accepted by pdflatex where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from unrolled.equations.library import CELLS
from unrolled.explain.result import Result
from unrolled.recurrence import Recurrence


def results() -> list[Result]:
    """Every kind of result, of every cell."""
    found: list[Result] = []
    for cell in CELLS:
        recurrence = Recurrence(cell)
        state, parameter = recurrence.states[-1], recurrence.parameters[0]
        found += [recurrence.expand(f"{state}_1"), recurrence.expand(f"{state}_2", named=True)]
        found += [recurrence.derive(f"{state}_1", parameter), recurrence.derive(f"{state}_t", parameter, "scalar")]
        found += [recurrence.tape(f"{state}_1"), recurrence.tape(f"{state}_0", mode="forward")]
        found += [recurrence.jacobian(f"{state}_t", f"{state}_{{t-1}}")]
    other = Recurrence(
        "k : scalar; a_t = sum(x_t) + mean(x_t); h_t = layernorm(W [(α^2 / k) h_{t-1} ; a_t]) ⊙ max(h', 0.5)"
    )
    found += [other.expand("h_1"), other.derive("h_1", "k"), other.derive("h_t", "α")]
    learned = Recurrence("h_t = sqrt(1 + (W^T h_{t-1})^2) / (1 + abs(b)); h_{-1} = h0")
    found += [learned.derive("h_2", "h0"), learned.derive("h_t", "W"), learned.expand("h_1")]
    return found


@pytest.mark.parametrize(
    ("written", "latex"),
    [
        ("h_t = tanh(U x_t + W h_{t-1})", r"\tanh\left(U \, x_{0} + W \, h_{-1}\right)"),
        ("h_t = σ(W_ih x_t) ⊙ b", r"\sigma\left(W_{\mathrm{ih}} \, x_{0}\right) \odot b"),
        ("h_t = (1 - α) x_t / 2", r"\frac{\left(1 - \alpha\right) \, x_{0}}{2}"),
        ("h_t = W^T x_t + x_t^2", r"W^{\top} \, x_{0} + x_{0}^{2}"),
        ("h_t = softmax(Γ x_t)", r"\operatorname{softmax}\left(\Gamma \, x_{0}\right)"),
        ("h_t = [x_t ; z_t]", r"\begin{bmatrix} x_{0} \\ z_{0} \end{bmatrix}"),
        ("h_t = -x_t - (-z_t)", r"-x_{0} - \left(-z_{0}\right)"),
        ("h_t = sqrt(x_t) + clip(z_t, -1, 1)", r"\sqrt{x_{0}} + \operatorname{clip}\left(z_{0}, -1, 1\right)"),
        ("h_t = h'_{t-1} ⊙ x_t; h'_t = h_t", r"h'_{-1} \odot x_{0}"),
    ],
)
def test_spelling(written: str, latex: str) -> None:
    assert Recurrence(written).expand("h_0").latex() == latex


def test_derivatives_adjoints_and_tangents(elman: Recurrence) -> None:
    found = elman.derive("h_t", "U").latex()
    for part in (
        r"\frac{\partial h_{t}}{\partial U} &= \operatorname{diag}\left(1 - h_{t}^{2}\right) \,"
        r" \left(x_{t}^{\top} \otimes I + W \, \frac{\partial h_{t-1}}{\partial U}\right)",
        r"\delta_{t} &= \left(\frac{\partial \ell_{t}}{\partial h_{t}} + W^{\top} \, \delta_{t+1}\right) \odot",
        r"\frac{\partial L}{\partial U} &= \sum_t \delta_{t} \, x_{t}^{\top}",
    ):
        assert part in found
    tape = elman.tape("h_1", "U", initial={"h": 0}).latex()
    assert r"w_{10} &= \tanh\left(w_{9}\right)" in tape
    assert r"\bar{w}_{9} &= \bar{w}_{10} \, \left(1 - w_{10}^{2}\right)" in tape
    assert r"\bar{w}_{1}^{(2)} &= \bar{w}_{7} \, w_{3} \\ \bar{w}_{1} &= \bar{w}_{1}^{(1)} + \bar{w}_{1}^{(2)}" in tape
    assert r"\dot{w}_{5} &= \dot{w}_{1} \, w_{2}" in elman.tape("h_1", "U", mode="forward", initial={"h": 0}).latex()


def test_every_bracket_is_closed() -> None:
    for found in results():
        written = found.latex()
        depth = 0
        for character in written.replace(r"\{", "").replace(r"\}", ""):
            depth += (character == "{") - (character == "}")
            assert depth >= 0
        assert depth == 0
        assert written.count(r"\left") == written.count(r"\right")
        assert written.count(r"\begin{") == written.count(r"\end{")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")
def test_pdflatex_sets_it(tmp_path: Path) -> None:
    pages = "\n".join(rf"\[ {found.latex()} \]" for found in results())
    head = r"\documentclass{article}\usepackage{amsmath}\usepackage[paperwidth=2.5m,paperheight=2.5m]{geometry}"
    (tmp_path / "all.tex").write_text(rf"{head}\begin{{document}}{pages}\end{{document}}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
