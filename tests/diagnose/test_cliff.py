"""The cliff: the loss by hand, what clipping does to a descent, and a picture."""

import math

import numpy as np
import pytest
import torch

from by_hand import cliff
from unrolled.diagnose.cliff import HEIGHT, RATE, START, THRESHOLD, WIDTH, cliff_loss, cliff_plot, descent
from unrolled.errors import DataError


def test_the_loss_is_that_of_fifty_steps():
    w, b = np.linspace(*WIDTH, 5), np.linspace(*HEIGHT, 5)
    found = cliff_loss(torch.from_numpy(w), torch.from_numpy(b))
    assert found.tolist() == pytest.approx([cliff(*each)[0] for each in zip(w, b, strict=True)], rel=1e-9)


@pytest.mark.parametrize(("kind", "threshold"), [("norm", math.inf), ("norm", THRESHOLD), ("value", THRESHOLD)])
def test_a_descent_by_hand(kind, threshold):
    """The first step over the wall and ten after it; later ones hang on the last bit."""
    place = np.array(START)
    for found in descent(kind, threshold)[:13]:
        assert found == pytest.approx(place, rel=1e-6)
        _, gradient = cliff(*place)
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
    assert cliff(*descent("norm", THRESHOLD)[-1])[0] < cliff(*START)[0] / 2


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_picture(tmp_path, ending):
    path = tmp_path / f"cliff.{ending}"
    cliff_plot(path)
    assert path.read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")


def test_a_picture_that_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        cliff_plot(tmp_path / "cliff.nonsense")
