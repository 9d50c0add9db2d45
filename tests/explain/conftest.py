"""What the tests of explanations share."""

import pytest

from unrolled.recurrence import Recurrence


@pytest.fixture
def elman() -> Recurrence:
    return Recurrence("elman")
