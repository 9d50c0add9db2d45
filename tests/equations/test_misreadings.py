"""What lectures write and this language would read as something else is refused, with what to write instead."""

import pytest

from unrolled import Recurrence, nn
from unrolled.errors import EquationError, SizeError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"h_t = \sigma_h(W x_t + U h_{t-1} + b)", "σ is a function, without subscript"),
        ("h_t = σ'(W x_t)", "σ is a function, without subscript"),
        ("h_t = f(U x_t + W h_{t-1})", "reads as a function"),
        ("h_t = tanh(U x_t); y_t = g(V h_t)", "reads as a function"),
        (r"h_t = \sqrt[3]{x_t}", "Only the square root"),
        ("h_t = tanh(U x_t + W h_{t-1}); h_0 = 1", "h_{-1}"),
        ("h_{0} = 0.5; h_t = tanh(U x_t + W h_{t-1})", "h_{-1}"),
    ],
)
def test_a_misreading_is_refused(text, said):
    with pytest.raises(EquationError) as refused:
        Recurrence(text)
    assert said in str(refused.value)


def test_what_is_meant_can_be_written():
    assert Recurrence("h_t = f (U x_t + W h_{t-1})").parameters == ("f", "U", "W")
    assert Recurrence("f_t = σ(U x_t); h_t = f_t ⊙ h_{t-1}").intermediates == ("f",)
    assert Recurrence("W_0 = 2; h_t = W_0 x_t") == Recurrence("W_0 = 2; h_t = W_0 x_t")
    plain = Recurrence("h_t = W_ih x_t + softmax(h_{t-1})")
    assert Recurrence(r"\mathbf{h_t} = \mathbf{W_{ih}} \mathbf{x_{t}} + \operatorname*{softmax}(h_{t-1})") == plain


def test_two_sizes_that_do_not_follow_are_asked_for_as_python_takes_them():
    with pytest.raises(SizeError, match=r'sizes=\{"b\.size": …\}'):
        nn.Recurrent("h_t = A (B x_t + b) + [c ; x_t]", x=3)
