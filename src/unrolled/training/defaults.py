"""What a task has in place of the defaults of a model that writes, which options it has at all, and presets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "default": {},
        "tiny": {
            "limit": 500_000,
            "recurrence": "gru",
            "layers": 1,
            "hidden": 128,
            "learning_rate": 5e-3,
            "schedule": "cosine",
            "minutes": 1.0,
            "evaluate_every": 400,
            "threads": 1,  # so small a network gains nothing from a second, and loses much where other programs run
        },
    }
)


# What suits a task, in place of the defaults of a model that writes.
TASK_DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "language": {},
        "classify": {
            "recurrence": "gru",
            "layers": 1,
            "hidden": 256,
            "embedding": 64,
            "bidirectional": True,
            "pooling": "max",
            "dropout": 0.5,
            "batch": 64,
            "learning_rate": 2e-3,
            "schedule": "cosine",
            "evaluate_every": 200,
            "epochs": 12,
        },
        "regress": {
            "target": "value",
            "recurrence": "gru",
            "layers": 1,
            "hidden": 128,
            "embedding": 64,
            "bidirectional": True,
            "pooling": "mean",
            "batch": 32,
            "learning_rate": 2e-3,
            "schedule": "cosine",
            "evaluate_every": 200,
            "epochs": 20,
        },
        "caption": {
            "input": "label",
            "target": "text",
            "recurrence": "gru",
            "layers": 1,
            "hidden": 128,
            "embedding": 32,
            "enters": "both",
            "dropout": 0.2,
            "batch": 64,
            "learning_rate": 3e-3,
            "schedule": "cosine",
            "evaluate_every": 200,
            "epochs": 10,
        },
        "translate": {
            "target": "translation",
            "recurrence": "gru",
            "layers": 1,
            "hidden": 128,
            "embedding": 32,
            "bidirectional": True,
            "attention": True,
            "dropout": 0.1,
            "batch": 64,
            "learning_rate": 3e-3,
            "schedule": "cosine",
            "evaluate_every": 500,
            "epochs": 10,
        },
        "tag": {
            "input": "form",
            "target": "upos",
            "recurrence": "lstm",
            "layers": 1,
            "hidden": 200,
            "embedding": 100,
            "bidirectional": True,
            "dropout": 0.5,
            "batch": 16,
            "learning_rate": 2e-3,
            "schedule": "cosine",
            "evaluate_every": 200,
            "epochs": 20,
        },
    }
)


# Options that only some tasks have; all others are for all.
BELONGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("limit", "documents", "sequence_length", "update_every", "bptt_memory", "gradient",
             "evaluation_lanes", "sample_length", "temperature", "prime"),
            ("language",),
        ),
        **dict.fromkeys(("input", "target", "held_out"), ("classify", "tag", "regress", "caption", "translate")),
        "symbols": ("language", "classify", "regress", "caption", "translate"),
        "pooling": ("classify", "regress"),
        "stop": ("caption", "translate"),
        "enters": ("caption", "translate"),
        "attention": ("translate",),
    }
)  # fmt: skip
