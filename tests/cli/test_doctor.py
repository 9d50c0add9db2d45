"""``unrolled doctor``: what runs here, and what the environment forces."""

import json

import pytest

from unrolled.cli import main
from unrolled.native.core import Core, find_core


@pytest.fixture
def fresh():
    """The core is looked for again, before the test and after it."""
    find_core.cache_clear()
    yield
    find_core.cache_clear()


def said(capsys) -> dict:
    assert main(["doctor", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_it_names_the_instruction_set_in_use(capsys, monkeypatch, fresh):
    if not isinstance(find_core(), Core):
        pytest.skip("there is no core")
    monkeypatch.setenv("UNROLLED_ISA", "generic")
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    find_core.cache_clear()
    found = said(capsys)
    assert found["instruction set"] == "generic"
    assert "generic" in found["runs here"]
    assert found["forced by the environment"] == ["UNROLLED_BACKEND=reference", "UNROLLED_ISA=generic"]


def test_it_says_why_there_is_no_core(capsys, monkeypatch, fresh):
    monkeypatch.setattr("unrolled.native.core.LIBRARY", "no-such-library")
    assert "no C++ compiler was found" in said(capsys)["native core"]


def test_an_instruction_set_that_does_not_run_here_is_named(capsys, monkeypatch, fresh):
    if not isinstance(find_core(), Core):
        pytest.skip("there is no core")
    monkeypatch.setenv("UNROLLED_ISA", "sse9")
    find_core.cache_clear()
    assert "UNROLLED_ISA is 'sse9'" in said(capsys)["native core"]


def test_as_text(capsys):
    assert main(["doctor"]) == 0
    assert "native core" in capsys.readouterr().out
