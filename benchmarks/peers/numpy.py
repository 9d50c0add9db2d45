"""numpy: the Elman network and its gradients by hand, large products outside the loop. Its BLAS takes all cores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.peers.data import arrays
from benchmarks.works import Work


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """Forward and backward with the gradients of input and parameters."""
    given = arrays(work)
    x, g, u, w = (given[name] for name in ("x", "g", "w_ih", "w_hh"))
    bias = given["b_ih"] + given["b_hh"]
    steps, batch, hidden = g.shape

    def run() -> None:
        h = np.empty((steps + 1, batch, hidden), np.float32)
        h[0] = 0
        projected = x @ u.T + bias
        for t in range(steps):
            h[t + 1] = np.tanh(projected[t] + h[t] @ w.T)
        d = np.empty_like(g)
        carry = np.zeros((batch, hidden), np.float32)
        for t in reversed(range(steps)):
            d[t] = (g[t] + carry) * (1 - h[t + 1] ** 2)
            carry = d[t] @ w
        rows = d.reshape(-1, hidden)
        _ = rows @ u, rows.T @ x.reshape(steps * batch, -1), rows.T @ h[:-1].reshape(-1, hidden), rows.sum(0)

    return run, f"numpy {np.__version__}"
