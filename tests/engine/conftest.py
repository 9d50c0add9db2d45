"""Random numbers repeat; inputs of a few elements need no threads."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
