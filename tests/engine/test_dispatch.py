"""Which executor runs a call: told as a value, and logged once."""

from __future__ import annotations

import logging

import pytest
import torch

import unrolled as ur
from unrolled.engine import dispatch
from unrolled.native.core import Absent, find_core

needs_core = pytest.mark.skipif(isinstance(find_core(), Absent), reason="there is no core")


@pytest.fixture(autouse=True)
def _unforced(monkeypatch):
    monkeypatch.delenv("UNROLLED_BACKEND", raising=False)
    dispatch._say_once.cache_clear()


@needs_core
def test_each_level_of_a_stack_is_told():
    choices = ur.engine.explain_choice(ur.nn.LSTM(3, 4, num_layers=2), torch.zeros(5, 2, 3))
    assert [choice.backend for choice in choices] == ["native", "native"]
    assert find_core().isa in choices[0].reason


@needs_core
def test_a_refusal_is_told_and_logged_once(caplog):
    layer, x = ur.nn.GRU(3, 4, dtype=torch.bfloat16), torch.zeros(5, 2, 3, dtype=torch.bfloat16)
    with caplog.at_level(logging.INFO, logger="unrolled"):
        for _ in range(3):
            (choice,) = ur.engine.explain_choice(layer, x)
            layer(x)
    assert choice.to_dict() == {
        "backend": "reference",
        "reason": "native: it computes with one dtype, float32 or float64",
    }
    assert len(caplog.records) == 1
    assert "one dtype" in caplog.text


def test_a_missing_core_is_worth_a_warning(caplog, monkeypatch):
    monkeypatch.setattr("unrolled.engine.native.find_core", lambda: Absent("it was never built"))
    (choice,) = ur.engine.explain_choice(ur.nn.RNN(3, 4), torch.zeros(5, 2, 3))
    assert choice.backend == "reference"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "it was never built" in caplog.text


@needs_core
def test_forcing_is_told(monkeypatch):
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    (choice,) = ur.engine.explain_choice(ur.nn.RNN(3, 4), torch.zeros(5, 2, 3))
    assert choice.reason == "native: UNROLLED_BACKEND asks for the reference"
