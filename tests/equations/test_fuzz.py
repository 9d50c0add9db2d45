"""Any text at all: a System or an EquationError, nothing else, and what is printed is read as the same."""

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrences import Example, recurrences
from unrolled.equations.elaboration import system
from unrolled.equations.library import CELLS
from unrolled.equations.notation import GREEK
from unrolled.equations.operations import FUNCTIONS
from unrolled.equations.system import System
from unrolled.errors import EquationError
from unrolled.recurrence import Recurrence

TOKENS = [
    *("h_t", "h_{t-1}", "x_t", "W", "b", "α", "h(t)", "h(t-1)", "h^{(t)}", "W_ih", "h_{-1}", "h0", "t", "T", "_", "'"),
    *("(", ")", "[", "]", "{", "}", "⊙", "*", "+", "-", "/", "·", "^2", "^T", "^", "=", ";", "\n", ",", ":", "\\\\"),
    *("0", "1", "0.5", "1e308", "1e999", "20×20", "scalar", "vector", "matrix", "output", "name", "\\frac{", "}{"),
    *("\\mathbf{", "\\text{", "\\left(", "\\right)", "\\odot", "\\begin{aligned}", "&", "#", "%", "₋", "ₜ", "²", "ᵀ"),
    *(f"{name}(" for name in FUNCTIONS), *list(GREEK)[:5],
]  # fmt: skip
VALID = [
    *CELLS.values(),
    "α : scalar; A : 2×3; gate : name; gate_t = tanh(α A x_t) + clip(b, -1, 1); h_t = W^T [gate_t ; h_{t-1}]",
    r"\begin{aligned} h_t &= \frac{\tanh\left(\mathbf{U} x_t\right)}{1 + b^2} \\ y_t &= \text{relu}(h_t) \end{aligned}",
    "hₜ = σ(U·xₜ + W hₜ₋₁)  # a remark\nh₋₁ = h0; y^{(t)} = V h^{(t)}",
]


def meaning(text: str) -> System | EquationError:
    """What ``text`` means, or why it means nothing."""
    try:
        return system(text)
    except EquationError as error:
        return error


def read(text: str) -> None:
    """Read ``text``; where it has a meaning, its canonical text has the same and changes no more."""
    made = meaning(text)
    if isinstance(made, System):
        same(made, system(str(made)))
    elif made.start is not None and made.end is not None:
        assert 0 <= made.start < made.end <= len(text) + 1


def same(one: System, other: System) -> None:
    assert one == other
    assert hash(one) == hash(other)
    assert str(one) == str(other)
    roles = ("inputs", "states", "intermediates", "outputs", "parameters", "shapes")
    assert [getattr(one, role) for role in roles] == [getattr(other, role) for role in roles]


@given(st.text())
def test_any_text(text: str) -> None:
    read(text)


@given(st.text("abhxtWα_^{}()[]⊙+-*/=;:,.0123456789 \n\\ₜ₋₁²ᵀ'"))
def test_any_text_of_the_characters_of_equations(text: str) -> None:
    read(text)


@given(st.lists(st.sampled_from(TOKENS), max_size=20), st.sampled_from(["", " "]), st.booleans())
def test_any_sequence_of_tokens(tokens: list[str], between: str, equation: bool) -> None:
    read("h_t = " * equation + between.join(tokens))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-16"])
@given(data=st.binary(max_size=200))
def test_any_bytes(encoding: str, data: bytes) -> None:
    read(data.decode(encoding, errors="replace"))


@given(st.binary(max_size=50).map(lambda data: data.decode("utf-8", errors="surrogateescape")))
def test_bytes_that_are_no_text(text: str) -> None:
    read(f"h_t = x_t {text}")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A right text with a few characters or tokens deleted, inserted, doubled or swapped."""
    text = list(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        i, j = draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["delete", "token", "character", "swap", "double"])):
            case "delete":
                del text[min(i, j) : min(i, j) + 1 + abs(i - j) % 5]
            case "token":
                text.insert(i, draw(st.sampled_from(TOKENS)))
            case "character":
                text.insert(i, draw(st.characters()))
            case "swap" if i < len(text) and j < len(text):
                text[i], text[j] = text[j], text[i]
            case "double":
                text[i:i] = text[min(i, j) : max(i, j)]
    return "".join(text)


@settings(max_examples=600)
@given(mutated())
def test_right_texts_with_mistakes(text: str) -> None:
    read(text)


@pytest.mark.slow
@settings(max_examples=10_000)
@given(mutated())
def test_many_right_texts_with_mistakes(text: str) -> None:
    read(text)


@pytest.mark.parametrize(
    "text",
    [
        # each of these was, or could be, slow, or a deep recursion, or another exception
        "h_t = x_t" + " + x_t" * 15_000,
        "h_t = x_t" + " - b" * 9_000,
        "h_t = x_t" + " / x_t" * 7_000,
        "h_t = " + "W " * 49_000 + "x_t",
        "h_t = " + "2 " * 49_000 + "x_t",
        "h_t = " + "-" * 90_000 + "x_t",
        "h_t = " + "(" * 45_000 + "x_t" + ")" * 45_000,
        "h_t = " + "tanh(" * 15_000,
        "h_t = " + "[" * 190 + "x_t" + " ; x_t]" * 190,
        "h_t = [x_t" + " ; x_t" * 15_000 + "]",
        "h_t = " + "a" * 99_000,
        "h_t = " + "a" * 99_000 + "(x_t)",
        "a" + " " * 99_990,
        "h_t = x_t\n" + "a" * 90_000 + "!:",
        "h_t = tanh" + " " * 99_000 + "x_t",
        "h_t = h(t" + " " * 99_000,
        r"h_t = \mathbf{" + " " * 99_000 + "x",
        "\n" * 100_000,
        "h_t = x" + "'" * 99_000,
        "h_t = x_" + "a" * 99_000,
        "h_t = h" + "₁" * 99_000,
        "\\frac{" * 16_000,
        "\\" * 100_000,
        "A : " + "1" * 5000 + "×2; h_t = A x_t",
        "h_t = x_{t-" + "1" * 5000 + "}",
        "h_t = x_t^" + "1" * 5000,
        "a : scalar\n" * 9_000,
        "\n".join(f"h{i}_t = h{i + 1}_t" for i in range(5000)),
        "\n".join(f"h{i}_t = h{i + 1}_{{t-1}} + 1" for i in range(3500)) + "\nh3500_t = x_t",
        "\n".join(f"h{i}_t = U h{i}_{{t-1}}" for i in range(4000)),
        "\n".join(f"h{i}_t = W [a{i}_t ; b{i}_t ; c{i}_t]" for i in range(1200)),
        "\n".join(["h0_t = x_t", "h1_t = x_t", *(f"h{i + 2}_t = [h{i + 1}_t ; h{i}_t]" for i in range(2500))]),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_long_texts_are_read_or_refused(text: str) -> None:
    assert len(text) <= 100_000
    made = meaning(text)
    if isinstance(made, EquationError):
        assert len(str(made)) < 2000
    elif len(str(made)) <= 100_000:  # with blanks between its signs a text may become too long
        same(made, system(str(made)))


def test_deep_nesting_leaves_room_on_the_stack() -> None:
    """The deepest expression that is read is also read far down in somebody's program."""

    def below(frames: int, text: str) -> str:
        return below(frames - 1, text) if frames else str(system(text))

    for text in (
        "tanh(" * 195 + "x_t" + ")" * 195,
        "[" * 195 + "x_t" + " ; x_t]" * 195,
        "W (" * 195 + "x_t" + ")" * 195,
    ):
        assert below(150, f"h_t = {text}")


# ── right texts, from the generator ─────────────────────────────────────────────────────────────────────────────


@settings(max_examples=200)
@given(recurrences())
def test_the_canonical_text_of_a_random_recurrence_is_read_as_the_same(example: Example) -> None:
    same(example.system, system(str(example.system)))
    assert example.system.resolve(dict(example.sizes)) == system(str(example.system)).resolve(dict(example.sizes))


@given(recurrences())
def test_pickle_copy_and_hash(example: Example) -> None:
    made = Recurrence(example.text)
    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert again == made
        assert hash(again) == hash(made)
        assert str(again) == str(made)
    assert pickle.loads(pickle.dumps(made.system)) == made.system
    assert {made: 1}[Recurrence(str(made))] == 1


def test_a_recurrence_is_not_changed() -> None:
    made = Recurrence("elman")
    with pytest.raises(AttributeError, match="immutable"):
        made.system = None  # type: ignore[misc]  # that is what is refused
    assert made != "elman"
    assert repr(made) == "Recurrence('h_t = tanh(U x_t + W h_{t-1})', 'y_t = softmax(V h_t)')"
    assert eval(repr(made), {"Recurrence": Recurrence}) == made
