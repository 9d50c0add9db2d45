"""What `import unrolled` offers, and what it does not load."""

import subprocess
import sys

import pytest

import unrolled

PUBLIC = [
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
TORCH_FREE = [
    "unrolled",
    "unrolled.errors",
    "unrolled.recurrence",
    "unrolled.equations.elaboration",
    "unrolled.equations.library",
    "unrolled.equations.network",
    "unrolled.equations.extension",
    "unrolled.calculus.evaluate",
    "unrolled.calculus.reverse",
    "unrolled.program.compile",
    "unrolled.program.adjoint",
    "unrolled.program.validation",
    "unrolled.data.vocabulary",
    "unrolled.checkpoint.format",
]


def test_the_public_names() -> None:
    assert sorted(unrolled.__all__) == PUBLIC
    assert dir(unrolled) == unrolled.__all__


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(unrolled, name) is not None


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'unrolled' has no attribute 'recurrences'"):
        unrolled.recurrences  # noqa: B018  # looking it up is the test


def loaded_after(statement: str) -> set[str]:
    """The modules that a fresh Python has loaded after ``statement``."""
    code = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", TORCH_FREE)
def test_loads_no_torch(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert module in loaded
    assert "torch" not in loaded


def test_importing_the_package_loads_next_to_nothing() -> None:
    loaded = {name for name in loaded_after("import unrolled") if name.startswith("unrolled")}
    assert loaded == {"unrolled"}


def test_a_recurrence_needs_no_torch() -> None:
    use = "import unrolled as ur; print(ur.Recurrence('elman').states, end=' '); ur.errors"
    loaded = loaded_after(use)
    assert "('h',)" in loaded
    assert "torch" not in loaded


def test_the_package_says_that_it_is_typed() -> None:
    from importlib.resources import files

    assert files("unrolled").joinpath("py.typed").is_file()
