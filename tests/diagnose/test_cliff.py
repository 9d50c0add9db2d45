"""The cliff: the loss by hand, what clipping does to a descent, and a picture."""

import math

import numpy as np
import pytest
import torch

from unrolled.diagnose.cliff import HEIGHT, RATE, START, THRESHOLD, WIDTH, cliff_loss, cliff_plot, descent
from unrolled.errors import DataError


def by_hand(w, b):
    """The loss and its gradient, by the recursions of ∂h/∂w and ∂h/∂b."""
    h, dw, db = 0.5, 0.0, 0.0
    for _ in range(50):
        after = 1 / (1 + math.exp(-(w * h + b)))
        slope = after * (1 - after)
        h, dw, db = after, slope * (h + w * dw), slope * (1 + w * db)
    return (h - 0.7) ** 2, np.array([2 * (h - 0.7) * dw, 2 * (h - 0.7) * db])


def test_the_loss_is_that_of_fifty_steps():
    w, b = np.linspace(*WIDTH, 5), np.linspace(*HEIGHT, 5)
    found = cliff_loss(torch.from_numpy(w), torch.from_numpy(b))
    assert found.tolist() == pytest.approx([by_hand(*each)[0] for each in zip(w, b, strict=True)], rel=1e-9)


@pytest.mark.parametrize(("kind", "threshold"), [("norm", math.inf), ("norm", THRESHOLD), ("value", THRESHOLD)])
def test_a_descent_by_hand(kind, threshold):
    """The first step over the wall and ten after it; later ones hang on the last bit."""
    place = np.array(START)
    for found in descent(kind, threshold)[:13]:
        assert found == pytest.approx(place, rel=1e-6)
        _, gradient = by_hand(*place)
        norm = np.linalg.norm(gradient)
        if kind == "norm":
            gradient *= min(1, threshold / (norm + 1e-6))  # as torch divides
        else:
            gradient = np.clip(gradient, -threshold, threshold)
        place = place - RATE * gradient


def test_only_the_clipped_descents_stay():
    assert np.abs(descent("norm", math.inf)[-1]).max() > 50
    for kind in ("norm", "value"):
        steps = np.diff(descent(kind, THRESHOLD), axis=0)
        assert np.linalg.norm(steps, axis=1).max() <= RATE * THRESHOLD * math.sqrt(2) + 1e-9
    assert by_hand(*descent("norm", THRESHOLD)[-1])[0] < by_hand(*START)[0] / 2


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_picture(tmp_path, ending):
    path = tmp_path / f"cliff.{ending}"
    cliff_plot(path)
    assert path.read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")


def test_a_picture_that_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        cliff_plot(tmp_path / "cliff.nonsense")
