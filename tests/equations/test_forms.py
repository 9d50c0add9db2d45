"""Every way of writing: what a lecturer may write, and the one canonical text that it means."""

import pytest

from unrolled.equations.elaboration import system
from unrolled.recurrence import Recurrence

ELMAN = "h_t = tanh(U x_t + W h_{t-1})"

FORMS = {
    # times
    "h_t = tanh(U x_t + W h_{t-1})": ELMAN,
    "h_{t} = tanh(U x_{t} + W h_{ t - 1 })": ELMAN,
    "hₜ = tanh(U xₜ + W hₜ₋₁)": ELMAN,
    "h^{(t)} = tanh(U x^{(t)} + W h^{(t-1)})": ELMAN,
    "h^(t) = tanh(U x^(t) + W h^(t-1))": ELMAN,
    "h⁽ᵗ⁾ = tanh(U x⁽ᵗ⁾ + W h⁽ᵗ⁻¹⁾)": ELMAN,
    "h(t) = tanh(U x(t) + W h(t-1))": ELMAN,
    "h( t ) = tanh(U x( t ) + W h( t - 1 ))": ELMAN,
    "h(t) = tanh(U x(t) + W h(t-\n1))": ELMAN,
    "h_t = tanh(U x_{t+0} + W h_{t−1})": ELMAN,
    # products, with and without blanks
    "h_t=tanh(Ux_t+Wh_{t-1})": ELMAN,
    "h_t = tanh(U·x_t + W·h_{t-1})": ELMAN,
    "h_t = tanh((U) x_t + W (h_{t-1}))": ELMAN,
    "h_t = tanh[U x_t + W h_{t-1}]": ELMAN,
    "h_t = tanh{U x_t + W h_{t-1}}": ELMAN,
    "h_t = W (r_t ⊙ h_{t-1})": "h_t = W (r_t ⊙ h_{t-1})",
    "h_t = W(r_t*h_{t-1})": "h_t = W (r_t ⊙ h_{t-1})",
    "h_t = W_ih x_t": "h_t = W_ih x_t",
    "h_t = W_{ih} x_t": "h_t = W_ih x_t",
    "h_t = W_{i,h} x_t": "h_t = W_ih x_t",
    "h_t = Wᵢₕ xₜ": "h_t = W_ih x_t",
    "h_t = W^T x_t": "h_t = W^T x_t",
    "h_t = Wᵀ x_t": "h_t = W^T x_t",
    "h_t = W^⊤ x_t": "h_t = W^T x_t",
    "h_t = W^{T} x_t": "h_t = W^T x_t",
    "h_t = W_{ih}^T x_t": "h_t = W_ih^T x_t",
    "h_t = A B x_t": "h_t = A B x_t",
    "h_t = A (B x_t)": "h_t = A B x_t",
    # elementwise
    "h_t = a_t * b_t": "h_t = a_t ⊙ b_t",
    "h_t = a_t ∘ b_t": "h_t = a_t ⊙ b_t",
    "h_t = a_t / b_t": "h_t = a_t / b_t",
    "h_t = a_t^2": "h_t = a_t^2",
    "h_t = a_t²": "h_t = a_t^2",
    "h_t = a_t^{-1}": "h_t = a_t^{-1}",
    "h_t = a_t^(0.5)": "h_t = a_t^0.5",
    "h_t = -a_t": "h_t = -a_t",
    "h_t = +a_t": "h_t = a_t",
    "h_t = -a_t^2": "h_t = -a_t^2",
    "h_t = (-a_t)^2": "h_t = (-a_t)^2",
    "h_t = a_t - -b_t": "h_t = a_t - (-b_t)",
    "h_t = a_t + b_t - c_t": "h_t = a_t + b_t - c_t",
    "h_t = a_t - (b_t - c_t)": "h_t = a_t - (b_t - c_t)",
    "h_t = (a_t - b_t) - c_t": "h_t = a_t - b_t - c_t",
    "h_t = a_t / b_t / c_t": "h_t = a_t / b_t / c_t",
    "h_t = a_t / (b_t / c_t)": "h_t = a_t / (b_t / c_t)",
    "h_t = 1 − z_t": "h_t = 1 - z_t",
    "h_t = .5 x_t + 1e3": "h_t = 0.5 x_t + 1000",
    "h_t = 2x_t": "h_t = 2 x_t",
    "h_t = (x_t)": "h_t = x_t",
    # a parameter is a vector beside ⊙ or +, a matrix when juxtaposed, a scalar when a juxtaposed Greek one
    "h_t = p ⊙ c_t + b": "h_t = p ⊙ c_t + b",
    "h_t = αx_t": "h_t = α x_t",
    "h_t = alpha x_t": "h_t = α x_t",
    "h_t = α·x_t": "h_t = α x_t",
    "h_t = Θ x_t": "h_t = Θ x_t",
    "h_t = Theta x_t": "h_t = Θ x_t",
    # declarations and constants
    "α : scalar; h_t = α ⊙ x_t": "α : scalar\nh_t = α ⊙ x_t",
    "A : 20×20; h_t = A x_t": "A : 20×20\nh_t = A x_t",
    "A : 20 x 20; h_t = A x_t": "A : 20×20\nh_t = A x_t",
    "b : 20; h_t = b + x_t": "b : 20\nh_t = b + x_t",
    "b, a : vector; h_t = a ⊙ x_t + b": "a : vector\nb : vector\nh_t = a ⊙ x_t + b",
    "gate : name; gate_t = σ(W x_t)": "gate : name\ngate_t = σ(W x_t)",
    "α = 0.5; h_t = α h_{t-1} + x_t": "α = 0.5\nh_t = α h_{t-1} + x_t",
    "α = 1/4; h_t = α x_t": "α = 0.25\nh_t = α x_t",
    "α = -2; h_t = α x_t": "α = -2\nh_t = α x_t",
    # functions
    "h_t = sigmoid(x_t)": "h_t = σ(x_t)",
    "h_t = logistic(x_t)": "h_t = σ(x_t)",
    "h_t = sigma(x_t)": "h_t = σ(x_t)",
    "h_t = ln(x_t)": "h_t = log(x_t)",
    "h_t = identity(x_t)": "h_t = x_t",
    "h_t = clip(x_t, -1, 1/2)": "h_t = clip(x_t, -1, 0.5)",
    "h_t = max(min(a_t, b_t), 0)": "h_t = max(min(a_t, b_t), 0)",
    "h_t = dot(a_t, b_t) c_t": "h_t = dot(a_t, b_t) c_t",
    "h_t = layernorm(softmax(x_t))": "h_t = layernorm(softmax(x_t))",
    # concatenation; a bracket with one part only groups
    "h_t = [a_t ; b_t]": "h_t = [a_t ; b_t]",
    "h_t = [a_t, b_t]": "h_t = [a_t ; b_t]",
    "h_t = [a_t + b_t]": "h_t = a_t + b_t",
    "h_t = W [h_{t-1}, x_t] + b": "h_t = W [h_{t-1} ; x_t] + b",
    # the first value
    ELMAN + "; h_{-1} = 0": ELMAN + "\nh_{-1} = 0",
    ELMAN + "; h_{-1} = 0.5": ELMAN + "\nh_{-1} = 0.5",
    ELMAN + "; h_{-1} = h0": ELMAN + "\nh_{-1} = h0",
    ELMAN + "; h₋₁ = s_0": ELMAN + "\nh_{-1} = s_0",
    # names
    "h'_t = W' x''_t": "h'_t = W' x''_t",
    "h1_t = W2 x3_t": "h1_t = W2 x3_t",
    "h_{f,t} = W_1 x_{a,t}": "h_{f,t} = W_1 x_{a,t}",
    "h_t = W_{i,0} x_t": "h_t = W_i0 x_t",
    "𝐡_t = 𝑾 𝐱_t": "h_t = W x_t",
    # LaTeX
    r"\mathbf{h}_t = \tanh\left(\mathbf{U}\mathbf{x}_t + \mathbf{W}\mathbf{h}_{t-1}\right)": ELMAN,
    r"h_t = \tanh \bigl( U \cdot x_t + W \, h_{t-1} \bigr)": ELMAN,
    r"\begin{aligned} h_t &= \tanh(U x_t + W h_{t-1}) \\ y_t &= \text{softmax}(V h_t) \end{aligned}": (
        ELMAN + "\ny_t = softmax(V h_t)"
    ),
    r"h_t = \frac{a_t}{b_t}": "h_t = a_t / b_t",
    r"h_t = \frac{\frac{a_t}{2}}{1 + b_t}": "h_t = a_t / 2 / (1 + b_t)",
    r"h_t = a_t \odot b_t": "h_t = a_t ⊙ b_t",
    r"h_t = \operatorname{relu}(\alpha x_t)": "h_t = relu(α x_t)",
    r"h_t = \sigma(W^\top x_t)": "h_t = σ(W^T x_t)",
    r"h_t = \sqrt{x_t} + \max(x_t, 0)": "h_t = sqrt(x_t) + max(x_t, 0)",
    r"h_t = \varepsilon x_t": "h_t = ε x_t",
    # layout
    "h_t = x_t # a remark\n\n  y_t = h_t ;; ": "h_t = x_t\ny_t = h_t",
    "h_t = tanh(U x_t\n  + W h_{t-1})": ELMAN,
}


@pytest.mark.parametrize(("written", "canonical"), FORMS.items())
def test_what_is_written_means_the_canonical_text(written: str, canonical: str) -> None:
    assert str(Recurrence(written)) == canonical


@pytest.mark.parametrize("canonical", dict.fromkeys(FORMS.values()))
def test_the_canonical_text_means_itself(canonical: str) -> None:
    assert str(Recurrence(canonical)) == canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("h_t = a_t - b_t - c_t", "h_t = a_t - (b_t - c_t)"),
        ("h_t = -a_t^2", "h_t = (-a_t)^2"),
        ("h_t = W^T x_t", "h_t = W x_t"),
        ("h_t = [a_t ; b_t]", "h_t = [b_t ; a_t]"),
        ("h_t = a_t ⊙ x_t + b_t", "h_t = a_t ⊙ (x_t + b_t)"),
        ("h_t = W x_t + b", "h_t = W (x_t + b)"),
        ("h_t = W_ih x_t", "h_t = W_hi x_t"),
        ("α = 0.5; h_t = α x_t", "h_t = α x_t"),
        (ELMAN, ELMAN + "; h_{-1} = h0"),
    ],
)
def test_what_means_something_else_is_unequal(one: str, other: str) -> None:
    assert Recurrence(one) != Recurrence(other)


def test_a_bracket_after_a_name_is_time_only_with_exactly_t_or_a_lag() -> None:
    assert system("h_t = W(t)").inputs == ("W",)
    assert system("h_t = W(x_t)").parameters == ("W",)
    assert system("h_t = W(x(t))").parameters == ("W",)


def test_several_texts_are_several_lines() -> None:
    assert (
        Recurrence(ELMAN, "y_t = V h_t") == Recurrence(ELMAN + "\ny_t = V h_t") == Recurrence(ELMAN + "; y_t = V h_t")
    )


def test_a_name_of_several_letters_is_one_when_it_is_declared() -> None:
    one = Recurrence("hidden_t = tanh(Win x_t + rec hidden_{t-1})", names=["hidden", "Win", "rec"])
    assert one.states == ("hidden",)
    assert one.parameters == ("Win", "rec")
    assert Recurrence(str(one)) == one, "the canonical text declares the names itself"


def test_a_long_undeclared_run_of_letters_is_a_product_of_matrices() -> None:
    assert Recurrence("h_t = ABx_t").parameters == ("A", "B")
