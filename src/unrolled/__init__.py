"""Unrolled: recurrent networks from their equations.

>>> import unrolled as ur
>>> ur.Recurrence("h_t = tanh(U x_t + W h_{t-1})").states
('h',)
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unrolled import diagnose, engine, errors, nn, training
    from unrolled.generation import generate, generate_many, load
    from unrolled.recurrence import Recurrence

__version__ = "0.1.0"
__all__ = [
    "Recurrence",
    "__version__",
    "diagnose",
    "engine",
    "errors",
    "generate",
    "generate_many",
    "load",
    "nn",
    "training",
]

# public name → where it lives; loaded at first use, so that `import unrolled` loads no torch
_LAZY = {
    "Recurrence": "unrolled.recurrence",
    "diagnose": "",
    "engine": "",
    "errors": "",
    "generate": "unrolled.generation",
    "generate_many": "unrolled.generation",
    "load": "unrolled.generation",
    "nn": "",
    "training": "",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'unrolled' has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name) if _LAZY[name] else import_module(f"unrolled.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
