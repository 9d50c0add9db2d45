"""``unrolled doctor``."""

from __future__ import annotations

import json as json_format
import os
import platform
from importlib.metadata import version
from typing import Any

from unrolled.cli import OK
from unrolled.cli.options import Switch


def doctor(*, json: Switch = False, debug: Switch = False) -> int:
    """Say what runs here: versions, the native core, its instruction set, what the environment forces.

    Parameters
    ----------
    json
        Write one JSON object.
    debug
        Show tracebacks.
    """
    found = report()
    if json:
        print(json_format.dumps(found))
        return OK
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name:<{width}}  {', '.join(value) if isinstance(value, list) else value}")
    return OK


def report() -> dict[str, Any]:
    """What ``doctor`` says, as JSON data; it does not load torch."""
    from unrolled.native.core import Absent, find_core

    core = find_core()
    forced = {name: os.environ[name] for name in ("UNROLLED_BACKEND", "UNROLLED_ISA") if os.environ.get(name)}
    native: dict[str, Any] = (
        {"native core": f"absent: {core.reason}"}
        if isinstance(core, Absent)
        else {"native core": str(core.path), "instruction set": core.isa, "runs here": list(core.isas)}
    )
    return {
        "unrolled": version("unrolled"),
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        **native,
        "forced by the environment": [f"{name}={value}" for name, value in forced.items()] or "nothing",
    }
