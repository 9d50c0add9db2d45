"""What this machine can do at most, measured on the spot."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("ceiling.cpp")
VECTORS = {"x86_64": [("avx512f", 64), ("avx2", 32)]}  # bytes of a vector register, by the processor's flags


@dataclass(frozen=True)
class Ceilings:
    """Billions of float operations a second on one thread and on all, gigabytes a second that one thread reads."""

    gflops: float
    gflops_all: float
    gbytes: dict[str, float]


def ceilings() -> Ceilings | None:
    """Measured; None where there is no C++ compiler."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "ceiling"
        command = [compiler, "-O3", "-march=native", "-ffp-contract=fast", "-pthread", f"-DBYTES={_vector_bytes()}"]
        subprocess.run([*command, str(SOURCE), "-o", str(program)], check=True)
        said = subprocess.run([str(program), str(os.cpu_count())], check=True, capture_output=True, text=True).stdout
    return Ceilings(**json.loads(said))


def _vector_bytes() -> int:
    information = Path("/proc/cpuinfo")
    flags = information.read_text().split() if information.exists() else []
    return next((size for flag, size in VECTORS.get(platform.machine(), []) if flag in flags), 16)


def machine() -> str:
    """The processor, in words."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} processors"
