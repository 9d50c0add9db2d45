"""What holds for every test: one thread a process, repeatable examples, GPU tests only where a GPU is."""

import os
import signal

import pytest
from hypothesis import settings

# A shell without job control starts what it puts in the background with Ctrl-C ignored, and its children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# torch, which nothing has imported yet, reads these: pytest-xdist keeps every core busy already.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

# A deadline measures the machine; in CI, the same code draws the same examples.
settings.register_profile("unrolled", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("unrolled")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked gpu where torch finds none, and import torch only if there are any."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="torch finds no GPU here"))
