"""JAX: a scan over the steps, the products with x before it, compiled by XLA, which takes all processors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.peers.data import arrays
from benchmarks.works import Work


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """The outputs, or the gradients of input and parameters."""
    given = {name: jnp.asarray(array) for name, array in arrays(work).items()}
    g = given.pop("g")
    step = _CELLS[work.cell]

    def outputs(given: dict[str, Any]) -> Any:
        hidden = given["w_hh"].shape[1]
        projected = given["x"] @ given["w_ih"].T + given["b_ih"]
        first = jnp.zeros((given["x"].shape[1], hidden))
        state = (first, first) if work.cell == "lstm" else (first,)
        return jax.lax.scan(lambda s, x: step(s, x, given["w_hh"], given["b_hh"]), state, projected)[1]

    compute = jax.jit(outputs if work.kind == "inference" else jax.grad(lambda given: jnp.vdot(outputs(given), g)))
    return lambda: jax.block_until_ready(compute(given)), f"JAX {jax.__version__}"


def _elman(state: Any, x: Any, w: Any, b: Any) -> Any:
    h = jnp.tanh(x + state[0] @ w.T + b)
    return (h,), h


def _softsign(state: Any, x: Any, w: Any, b: Any) -> Any:
    z = x + state[0] @ w.T
    h = z / (1 + jnp.abs(z))
    return (h,), h


def _gru(state: Any, x: Any, w: Any, b: Any) -> Any:
    (h,) = state
    r_x, z_x, n_x = jnp.split(x, 3, -1)
    r_h, z_h, n_h = jnp.split(h @ w.T + b, 3, -1)
    r, z = jax.nn.sigmoid(r_x + r_h), jax.nn.sigmoid(z_x + z_h)
    h = (1 - z) * jnp.tanh(n_x + r * n_h) + z * h
    return (h,), h


def _lstm(state: Any, x: Any, w: Any, b: Any) -> Any:
    h, c = state
    i, f, n, o = jnp.split(x + h @ w.T + b, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(n)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def _minimal_gated(state: Any, x: Any, w: Any, b: Any) -> Any:
    (h,) = state
    f_x, n_x = jnp.split(x, 2, -1)
    w_f, w_n = jnp.split(w, 2)
    f = jax.nn.sigmoid(f_x + h @ w_f.T)
    h = (1 - f) * h + f * jnp.tanh(n_x + (f * h) @ w_n.T)
    return (h,), h


_CELLS = {"elman": _elman, "gru": _gru, "lstm": _lstm, "minimal_gated": _minimal_gated, "softsign": _softsign}
