"""The examples in docstrings and in the documentation do what they say."""

import doctest
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import unrolled

ROOT = Path(__file__).parents[1]
MODULES = [
    "unrolled",
    *(
        m.name
        for m in pkgutil.walk_packages(unrolled.__path__, "unrolled.")
        if "__main__" not in m.name and not m.name.endswith(".libunrolled")  # the core is no module of Python
    ),
]
DOCUMENTS = [
    path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if ">>> " in path.read_text("utf-8")
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples(module: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(exclude_empty=True).find(import_module(module))
    return [each for each in found if each.examples]


def run(test: doctest.DocTest) -> None:
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert not result.failed, "".join(said)


@pytest.mark.parametrize("module", MODULES)
def test_docstrings(module: str) -> None:
    for test in examples(module):
        run(test)


def test_the_examples_are_found() -> None:
    assert (
        sum(len(examples(module)) for module in ("unrolled.recurrence", "unrolled.nn.recurrent", "unrolled.errors"))
        >= 3
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = path.read_text("utf-8").replace("```", "\n")
    run(doctest.DocTestParser().get_doctest(text, {}, path.name, str(path), 0))
