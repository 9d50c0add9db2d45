"""What is said when a text is no recurrence: the kind of error, the words that matter, and where the caret points."""

import copy
import pickle

import pytest

from unrolled.equations.elaboration import system
from unrolled.errors import EquationError, SizeError, UnrolledError, caret
from unrolled.recurrence import Recurrence

# text with the characters that the caret must mark between ‹ and › → words that the message must contain
ERRORS = {
    # functions
    "h_t = ‹tahn›(x_t)": "no function tahn: did you mean tanh?",
    "h_t = W ‹sftmax›(x_t)": "did you mean softmax?",
    "h_t = ‹foo›(x_t)": "the functions are tanh, ",
    "h_t = ‹tanh› x_t": "tanh is a function and needs brackets: tanh(…)",
    "h_t = W ‹exp› x_t": "exp is a function and needs brackets",
    "h_t = ‹σ› x_t": "σ is a function and needs brackets",
    "h_t = ‹max(x_t)›": "max takes 2 arguments, not 1",
    "h_t = ‹softmax(x_t, y_t)›": "softmax takes 1 argument, not 2",
    "h_t = clip(x_t, ‹a›, 1)": "limits of clip are numbers",
    "h_t = softmax(‹1›)": "softmax acts on a whole vector",
    # times
    "h_t = ‹x_{t+1}›": "x_{t+1} is in the future",
    "h_t = ‹x(t + 2)›": "Shift the equation by 2",
    "h_t = ‹h_{t-2}› + x_t": "only t and t-1 exist. Add a state that remembers: g_t = h_{t-1}, and write g_{t-1}",
    "h_t = ‹x_{t-1}›": "the input of the step before is not kept. Add a state that keeps it: z_t = x_t",
    "h_t = ‹x_0› + x_t": "names one step, but an equation holds at every step",
    "h_t = ‹x_{-1}› + x_t": "x_{-1} names one step",
    "h_t = ‹x› + x_t": "x is a sequence elsewhere: write x_t or x_{t-1}",
    "‹h_0› = 3 x_t": "An equation holds at every step t; write h_t = …",
    "‹h_{t+1}› = x_t": "h_{t+1} is another step. Shift the equation",
    "‹h› = tanh(W x_t)": "h has no time, so this line sets a constant",
    "h_t = ‹T› x_t": "T is reserved for time",
    "‹t_t› = x_t": "t is reserved for time",
    "‹t› = 3; h_t = x_t": "t is reserved for time",
    "‹σ› = 3; h_t = x_t": "σ is a function",
    # what is defined
    "h_t = x_t\n‹h_t› = 2 x_t": "h has two equations",
    "α = 1; ‹α› = 2; h_t = α x_t": "α has two values",
    "h_t = h_{t-1} + x_t; h_{-1} = 0; ‹h_{-1}› = 1": "h has two first values",
    "h_t = x_t\n‹q_{-1}› = 0": "q gets a first value but is no state",
    "h_t = h_{t-1} + x_t; y_t = h_t; ‹y_{-1}› = 0": "y gets a first value but is no state",
    "h_t = h_{t-1} + x_t; h_{-1} = ‹2 b›": "A first value is a number or a parameter",
    "h_t = W h_{t-1} + x_t; h_{-1} = ‹W›": "The first value of h is a vector, but W is a matrix",
    "‹a_t› = b_t + x_t; b_t = a_t": "a_t → b_t → a_t. Somewhere on the way use the step before, for example b_{t-1}",
    "‹h_t› = h_t + x_t": "h_t → h_t",
    "h_t = x_t; ‹y› : output": "y cannot be an output: no equation defines it. The equations define h.",
    "‹x› = 2; h_t = x_t": "x is a sequence (x_t) and a constant",
    # kinds
    "h_t = W x_t + ‹W›": "W is a matrix elsewhere, but here it stands beside +",
    "h_t = tanh(‹b› ⊙ x_t + b x_t)": "b is a matrix elsewhere",
    "U : vector\nh_t = ‹U› x_t": "U is a vector elsewhere, but here it multiplies what follows it, as a matrix does",
    "A : matrix\nh_t = ‹A› + x_t": "A is a matrix elsewhere",
    "‹x› : matrix\nh_t = x_t": "x is a sequence",
    "h : scalar\n‹h_t› = W x_t": "declared a scalar, but its equation gives a vector",
    "h_t = α x_t + ‹W› (2 α)": "The matrix W multiplies a scalar",
    "h_t = ‹x_t› y_t": "x_t is a vector and cannot multiply what follows it. Write x_t ⊙ …",
    "h_t = ‹σ(x_t)› y_t": "σ(x_t) is a vector and cannot multiply what follows it",
    r"h_t = ‹\frac{x_t}{2}› y_t": "is a vector and cannot multiply what follows it",
    "h_t = ‹x_t› W": "a matrix stands on their left. Write W x_t",
    "h_t = ‹x_t^T› y_t": "For aᵀb write dot(a, b)",
    "h_t = a_t / ‹b_t› c_t": "b_t is a vector and cannot multiply",
    "h_t = [‹1› ; x_t]": "a bare number has no size of its own",
    "A : scalar; h_t = A x_t; ‹A› : 2": "A is declared twice",
    "‹A› : 2×3×4; h_t = A x_t": "A shape has one or two sizes",
    "A : ‹0›×3; h_t = A x_t": "A size is a positive whole number",
    "A : ‹2.5›; h_t = A ⊙ x_t": "A size is a positive whole number",
    "A : ‹foo›; h_t = A x_t": "scalar, vector, matrix, output, name",
    # numbers
    "h_t = ‹1e999› x_t": "too large for a double",
    "h_t = x_t^‹1e999›": "too large for a double",
    "α = ‹1/0›; h_t = α x_t": "no finite number",
    "α = ‹1e308/1e-308›; h_t = α x_t": "no finite number",
    "h_t = clip(x_t, ‹-1/0›, 1)": "no finite number",
    "h_t = h_{t-1} + x_t; h_{-1} = ‹1/0›": "no finite number",
    # signs and brackets
    "h_t = x_t ‹+›": "The equation ends where something is still missing",
    "h_t = ‹(›x_t": "This ( is never closed",
    "h_t = x_t‹)›": "This ) closes a bracket that was never opened",
    "h_t = [x_t‹)›": "This ) closes the [ before it",
    "h_t = x_t ‹=› y_t": "A second = in one equation",
    "‹x_t + y_t› = h_t": "An equation has one name at time t on its left",
    "‹tanh(x_t)›": "An equation has one name at time t on its left",
    "h_t = x_t‹,› y_t": "A comma separates arguments",
    "h_t = x_t^‹y›": "An exponent is a number",
    "h_t = W^T‹^T› x_t": "A transpose follows a matrix, once",
    "h_t = ‹x_{?}›": "A subscript is letters and digits",
    "h_t = x‹_›{a{b}}": "no braces inside braces",
    "h_t = x_t ‹$› y_t": "'$' cannot stand here",
    # LaTeX
    r"h_t = ‹\foo›{x_t}": r"The LaTeX command \foo is not part of the language",
    r"h_t = \frac{a_t‹}›": r"\frac has a numerator but no denominator",
}

SIZE_ERRORS = {
    "h_t = [a_t ; b_t] + ‹a_t›": "This has size a, but what stands before it has size a + b",
    "h_t = dot(x_t, ‹[x_t ; x_t]›)": "This has size 2·x, but the argument before it has size x",
    "h_t = A x_t + b\nA : 3×4\n‹b› : 5": "This has size 5, but b has size 3",
    "h_t = W [h_{t-1} ; x_t]; y_t = ‹W› h_t": "W has size h + x elsewhere and h here",
}


def marked(text: str) -> tuple[str, int, int]:
    """The text without its marks, and where they stood."""
    start = text.index("‹")
    return text.replace("‹", "").replace("›", ""), start, text.index("›") - 1


@pytest.mark.parametrize(("text", "words"), {**ERRORS, **SIZE_ERRORS}.items())
def test_an_error_says_what_is_wrong_and_points_at_it(text: str, words: str) -> None:
    source, start, end = marked(text)
    with pytest.raises(EquationError) as caught:
        Recurrence(source)
    error = caught.value
    assert words in error.message
    assert (error.start, error.end) == (start, end), f"the caret marks {source[error.start : error.end]!r}\n{error}"
    assert error.source == source
    assert isinstance(error, SizeError) == (text in SIZE_ERRORS)
    *_, line, marks = str(error).splitlines()
    assert marks.strip() == "^" * (end - start)
    assert line[marks.index("^") :].startswith(source[start:end])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is no equation here"),
        (" \n ;; # a remark", "There is no equation here"),
        ("α = 2", "There is no equation here"),
        ("h_t = x_t" + " " * 100_000, "100,009 characters long; at most 100,000 are read"),
        ("h_t = " + "(" * 201 + "x_t" + ")" * 201, "more than 200 deep"),
        ("h_t = " + "tanh(" * 200 + "x_t" + ")" * 200, "more than 200 deep"),
        ("h_t = " + "-" * 201 + "x_t", "more than 200 deep"),
        ("h_t = " + "W " * 201 + "x_t", "more than 200 deep"),
        ("h_t = W" + " · W" * 201 + "· x_t", "more than 200 deep"),
        (r"h_t = \frac{a_t", r"A \frac is never closed"),
    ],
    ids=lambda value: value[:30],
)
def test_errors_about_the_whole_text(text: str, words: str) -> None:
    with pytest.raises(EquationError) as caught:
        Recurrence(text)
    assert words in caught.value.message


def test_an_output_that_nothing_defines() -> None:
    with pytest.raises(EquationError, match="y cannot be an output: no equation defines it"):
        Recurrence("h_t = x_t", outputs=["y"])


def test_a_matrix_with_two_shapes() -> None:
    recurrence = system("h_t = tanh(W h_{t-1} + W x_t)")
    with pytest.raises(SizeError, match="W is 512×512 in one place and 512×65 here") as caught:
        recurrence.resolve({"h": 512, "x": 65})
    assert recurrence.source[caught.value.start : caught.value.end] == "W"
    assert caught.value.start == recurrence.source.rindex("W")


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"x": 3}, "The size of h, y does not follow from what was given: write h=…, y=…"),
        ({"x": 3, "h": 0, "y": 2}, "The size h = 0 is not a positive whole number"),
        ({"x": 3, "h": 2.5, "y": 2}, "The size h = 2.5 is not a positive whole number"),
        ({"x": True, "h": 2, "y": 2}, "The size x = True is not a positive whole number"),
        ({"x": 3, "h": 4, "y": 2, "U": 3}, "There is no size 'U' here; the sizes are h, x, y"),
    ],
)
def test_sizes_that_are_missing_or_unknown(sizes: dict[str, int], words: str) -> None:
    with pytest.raises(SizeError) as caught:
        system("h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)").resolve(sizes)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("h_t = a_t + b_t", {"a": 2, "b": 3}),
        ("A : 5×3; h_t = A x_t", {"x": 4}),
        ("h_t = [x_t ; x_t]", {"h": 5}),
        ("h_t = [x_t ; z_t]", {"h": 5, "x": 5}),
        ("h_t = [x_t ; z_t]", {"h": 2, "x": 5}),
    ],
)
def test_sizes_that_contradict_the_equations(text: str, sizes: dict[str, int]) -> None:
    with pytest.raises(SizeError, match="contradict the equations"):
        system(text).resolve(sizes)


def test_an_error_survives_pickle_and_copy() -> None:
    with pytest.raises(EquationError) as caught:
        Recurrence("h_t = tahn(x_t)")
    for again in (pickle.loads(pickle.dumps(caught.value)), copy.deepcopy(caught.value)):
        assert (str(again), again.start, again.end) == (str(caught.value), 6, 10)


def test_an_equation_error_is_a_value_error_of_the_package() -> None:
    assert issubclass(SizeError, EquationError)
    assert issubclass(EquationError, ValueError)
    assert issubclass(EquationError, UnrolledError)


def test_the_caret_of_a_long_line_shows_a_window_around_the_place() -> None:
    source = "h_t = " + "x_t + " * 1000 + "q_t"
    line, marks = caret(source, len(source) - 3, len(source)).splitlines()
    assert len(line) < 130
    assert line[marks.index("^") :] == "q_t"


def test_the_caret_stands_on_its_own_line_of_several() -> None:
    assert caret("a_t = b_t\nh_t = q_t\nc_t = d_t", 16, 19) == "  h_t = q_t\n        ^^^"


def test_a_tab_before_the_caret_does_not_move_it() -> None:
    line, marks = caret("\th_t = q_t", 7, 10).splitlines()
    assert line[marks.index("^") :] == "q_t"


def test_a_message_stays_short_however_long_the_text() -> None:
    for text in (
        "h_t = " + "a" * 90_000 + "(x_t)",
        "\n".join(f"h{i}_t = h{i + 1}_t" for i in range(900)) + "; h900_t = h0_t",
    ):
        with pytest.raises(EquationError) as caught:
            Recurrence(text)
        assert len(str(caught.value)) < 1500
