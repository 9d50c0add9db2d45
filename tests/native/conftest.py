from __future__ import annotations

from dataclasses import replace

import pytest

from unrolled.native.core import Absent, Core, find_core

FOUND = find_core()
ISAS = FOUND.isas if isinstance(FOUND, Core) else ()


@pytest.fixture(scope="session", params=ISAS or [None])
def core(request: pytest.FixtureRequest) -> Core:
    """The core, once under each instruction set that this machine has."""
    if isinstance(FOUND, Absent):
        pytest.skip(FOUND.reason)
    return replace(FOUND, isa=request.param)
