"""Threads: torch's count is obeyed, no bit depends on it, and a forked child has threads of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from unrolled import nn
from unrolled.native.core import Absent, find_core

pytestmark = pytest.mark.skipif(isinstance(find_core(), Absent), reason="there is no core")

LONG = 60  # seconds after which a process counts as hung


@pytest.fixture
def layer() -> nn.LSTM:
    torch.manual_seed(0)
    return nn.LSTM(8, 128)


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def gradients(layer: nn.LSTM, threads: int = 2) -> list[torch.Tensor]:
    torch.set_num_threads(threads)
    x = torch.linspace(-1, 1, 9 * 7 * 8).reshape(9, 7, 8)
    return list(torch.autograd.grad(layer(x)[0].sin().sum(), list(layer.parameters())))


def test_the_number_of_threads_changes_no_gradient(layer: nn.LSTM) -> None:
    one, *others = (gradients(layer, threads) for threads in (1, 2, 3, 4))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_several_callers_at_once(layer: nn.LSTM) -> None:
    expected = gradients(layer)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: gradients(layer), range(24)):
            assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


# In a process of its own: what other tests left behind, and torch's threads, which hang in a child, are not ours.
FORK = """
import os, torch
from unrolled import nn
torch.set_num_threads(2)
layer, x = nn.LSTM(8, 128), torch.randn(9, 7, 8)
with torch.no_grad():
    expected = layer(x)[0].numpy().tobytes()  # the parent's threads exist now, and the child has none of them
    child = os.fork()
    same = layer(x)[0].numpy().tobytes() == expected
if not child:
    os._exit(0 if same else 1)
raise SystemExit(os.waitpid(child, 0)[1] or not same)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=LONG)
