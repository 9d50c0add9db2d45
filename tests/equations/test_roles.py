"""Which name is an input, a state, an output, a parameter; of which kind; and how large."""

import pickle

import pytest

from unrolled.equations.elaboration import system
from unrolled.errors import SizeError
from unrolled.recurrence import Recurrence


def roles(text: str, **options: object) -> tuple[str, str, str, str, str]:
    """Inputs, states, intermediates, outputs, parameters, each as one word."""
    s = system(text, **options)  # type: ignore[arg-type]  # the tests pass what system takes
    return tuple(" ".join(each) for each in (s.inputs, s.states, s.intermediates, s.outputs, s.parameters))  # type: ignore[return-value]  # five of them


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)", ("x", "h", "", "y", "U W V")),
        ("h_t = tanh(U x_t + W h_{t-1})", ("x", "h", "", "", "U W")),
        ("a_t = U x_t; h_t = tanh(a_t + h_{t-1}); o_t = V h_t", ("x", "h", "a", "o", "U V")),
        ("h_t = σ(W x_t + U h_{t-1}) ⊙ c_{t-1}; c_t = h_t + c_{t-1}", ("x", "h c", "", "", "W U")),
        ("h_t = U x_t + V z_t", ("x z", "", "", "h", "U V")),
        ("h_t = h_{t-1} + 1", ("", "h", "", "", "")),
        # a closing softmax is an output although the next step reads it
        ("h_t = tanh(U x_t); y_t = softmax(V h_t + W y_{t-1})", ("x", "y", "h", "y", "U V W")),
        # two sequences that no state needs: the last-defined one is the output
        ("h_t = x_t + h_{t-1}; a_t = V h_t; o_t = W a_t", ("x", "h", "a", "o", "V W")),
        # order of the text does not matter for roles
        ("o_t = V h_t; h_t = tanh(U x_t + W h_{t-1})", ("x", "h", "", "o", "V U W")),
        # a parameter keeps its name in both equations
        ("h_t = tanh(U x_t + W h_{t-1}); y_t = W h_t", ("x", "h", "", "y", "U W")),
        # the parameter of a first value
        ("h_t = W h_{t-1}; h_{-1} = h0", ("", "h", "", "", "W h0")),
        ("α = 0.5; h_t = α h_{t-1} + x_t", ("x", "h", "", "", "")),
    ],
)
def test_roles_are_inferred(text: str, expected: tuple[str, ...]) -> None:
    assert roles(text) == expected


def test_outputs_are_what_is_asked_for() -> None:
    text = "a_t = U x_t; h_t = tanh(a_t + h_{t-1}); y_t = V h_t"
    assert system(text, outputs=["h", "a"]).outputs == ("h", "a")
    assert system(text, outputs=["h", "a"]).intermediates == ("y",)
    assert system(text, outputs=()).outputs == ()
    assert system(f"a : output; h : output; {text}").outputs == ("a", "h")
    assert system(f"h_t : output; {text}").outputs == ("h",)


@pytest.mark.parametrize("outputs", [["h"], ["y", "h"], ["y"]])
def test_the_canonical_text_keeps_the_outputs(outputs: list[str]) -> None:
    asked = Recurrence("h_t = tanh(U x_t + W h_{t-1})", "y_t = V h_t", outputs=outputs)
    assert Recurrence(str(asked)).outputs == asked.outputs == tuple(outputs)


def test_no_output_at_all_can_be_asked_for() -> None:
    asked = Recurrence("h_t = tanh(U x_t + W h_{t-1})", "y_t = V h_t", outputs=[])
    assert asked.outputs == ()
    assert pickle.loads(pickle.dumps(asked)) == asked


def test_the_order_of_outputs_is_kept() -> None:
    asked = Recurrence("h_t = x_t + h_{t-1}; y_t = V h_t", outputs=["y", "h"])
    assert asked != Recurrence("h_t = x_t + h_{t-1}; y_t = V h_t", outputs=["h", "y"])
    assert Recurrence(str(asked)) == asked


@pytest.mark.parametrize(
    ("text", "name", "shape"),
    [
        ("h_t = W x_t", "W", (4, 3)),
        ("h_t = W^T x_t", "W", (3, 4)),
        ("h_t = b ⊙ (W x_t)", "b", (4,)),
        ("h_t = W x_t + b", "b", (4,)),
        ("h_t = α (W x_t)", "α", ()),
        ("α : vector; h_t = α + W x_t", "α", (4,)),
        ("a : scalar; h_t = a (W x_t)", "a", ()),
        ("a : scalar; h_t = a + W x_t", "a", ()),
        ("h_t = tanh(β) ⊙ (W x_t)", "β", (4,)),
        ("h_t = W [x_t ; x_t ; h_{t-1}]", "W", (4, 10)),
        ("h_t = W x_t; h_{-1} = s; y_t = h_{t-1}", "s", (4,)),
        ("h_t = W x_t; y_t = dot(u, h_t) h_t", "u", (4,)),
        ("E : 7×3; h_t = W (E x_t)", "W", (4, 7)),
    ],
)
def test_shapes_of_parameters(text: str, name: str, shape: tuple[int, ...]) -> None:
    assert system(text).resolve({"x": 3, "h": 4})[name] == shape


def test_a_matrix_before_its_own_result_is_square() -> None:
    recurrence = Recurrence("h_t = tanh(U x_t + W h_{t-1})")
    assert recurrence.system.resolve({"x": 65, "h": 512}) == {"x": (65,), "h": (512,), "U": (512, 65), "W": (512, 512)}
    assert {name: str(size) for name, size in recurrence.sizes.items()} == {"x": "x", "h": "h"}


def test_elementwise_partners_have_one_size() -> None:
    shapes = system("h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ tanh(W x_t)").resolve({"h": 4, "x": 3})
    assert shapes["z"] == (4,)


def test_a_size_that_follows_need_not_be_given() -> None:
    assert system("A : 5×3; h_t = A x_t").resolve({})["x"] == (3,)
    assert system("h_t = [x_t ; z_t]").resolve({"x": 3, "h": 5})["z"] == (2,)
    assert system("h_t = [x_t ; x_t]").resolve({"h": 6})["x"] == (3,)
    assert system("s_t = dot(x_t, x_t); h_t = [x_t ; s_t]").resolve({"x": 3})["h"] == (4,)


def test_declared_sizes_may_be_names() -> None:
    shapes = system("A : n×m; B : m×n; y_t = A B x_t").resolve({"n": 5, "m": 2})
    assert (shapes["A"], shapes["B"], shapes["x"], shapes["y"]) == ((5, 2), (2, 5), (5,), (5,))


def test_what_nothing_determines_is_a_free_size() -> None:
    s = system("y_t = A B x_t")
    with pytest.raises(SizeError, match="does not follow from what was given: write "):
        s.resolve({"x": 3, "y": 2})
    (free,) = set(s.free_sizes) - {"x", "y"}
    assert s.resolve({"x": 3, "y": 2, free: 4})["A"] == (2, 4)


def test_a_scalar_sequence_has_size_one() -> None:
    s = system("s_t = dot(u, x_t) + s_{t-1}; y_t = s_t x_t")
    assert s.resolve({"x": 3}) == {"x": (3,), "s": (), "y": (3,), "u": (3,)}
    assert str(s.sizes["s"]) == "1"


def test_a_scalar_input_is_declared() -> None:
    s = system("a : scalar; h_t = a_t x_t + h_{t-1}")
    assert s.resolve({"x": 3})["a"] == ()


def test_a_recurrence_without_vectors_is_a_vector_recurrence() -> None:
    assert system("h_t = 0.5 h_{t-1} + 1").resolve({"h": 3}) == {"h": (3,)}
