"""A network with more units computes what it computed, of any cell for which that is possible."""

import pytest
import torch

from unrolled.checkpoint.model import ModelDescription
from unrolled.diagnose.limits.widening import grown, widened
from unrolled.equations import library
from unrolled.training import TrainConfig

SYMBOLS, HIDDEN = 7, 5


def described(recurrence, layers=1, embedding=0):
    return ModelDescription(recurrence, SYMBOLS, HIDDEN, layers, embedding, dtype="float64")


@pytest.mark.parametrize("recurrence", [*library.CELLS, "h_t = tanh(U x_t + W [h_{t-1}, x_t]); y_t = softmax(V h_t)"])
@pytest.mark.parametrize(("layers", "embedding"), [(1, 0), (3, 4)])
def test_the_same_predictions(recurrence, layers, embedding):
    if "[" in recurrence and layers > 1:
        layers = 1  # it reads the input twice, and cannot be stacked on another size
    description = described(recurrence, layers, embedding)
    layer = description.build()
    larger = widened(layer, description, TrainConfig())
    x = torch.randint(0, SYMBOLS, (30, 2))
    torch.testing.assert_close(larger.logits(x)[0], layer.logits(x)[0], rtol=0, atol=1e-12)
    assert sum(each.numel() for each in larger.parameters()) > sum(each.numel() for each in layer.parameters())
    assert larger.sizes["h"] == grown(HIDDEN)


@pytest.mark.parametrize("recurrence", ["vanilla", "lstm"])
def test_the_new_units_are_not_read_yet_and_will_be(recurrence):
    description = described(recurrence, layers=2)
    larger = widened(description.build(), description, TrainConfig())
    larger.logits(torch.randint(0, SYMBOLS, (9, 2)))[0].square().sum().backward()
    read_out = next(each for each in larger.parameters() if each.shape == (SYMBOLS, grown(HIDDEN)))
    assert (read_out[:, HIDDEN:] == 0).all()
    assert (read_out.grad[:, HIDDEN:] != 0).all()


@pytest.mark.parametrize("recurrence", [
    "h_t = layernorm(tanh(U x_t + W h_{t-1})); y_t = softmax(V h_t)",
    "h_t = softmax(U x_t + W h_{t-1}); y_t = softmax(V h_t)",
    "h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V (h_t ⊙ mean(h_t)))",
])  # fmt: skip
def test_where_the_length_of_the_state_enters_there_is_none(recurrence):
    description = described(recurrence)
    assert widened(description.build(), description, TrainConfig()) is None
