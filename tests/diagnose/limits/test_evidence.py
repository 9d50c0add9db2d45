"""What is measured of a run, where that is out of the ordinary."""

import dataclasses

import numpy as np
import pytest
import torch

import planted
from unrolled.data.documents import Documents
from unrolled.diagnose.limits.evidence import Subject, gather
from unrolled.errors import DataError
from unrolled.training.evaluation import result_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    text = planted.markov(12_000)
    options = {"hidden": 4, "steps": 3, "epochs": None, "sequence_length": 220, "batch": 4, "recurrence": "vanilla"}
    return planted.trained(tmp_path_factory.mktemp("evidence"), text, **options)


def test_a_model_whose_loss_is_not_finite(run):
    of = Subject.of(run)
    with torch.no_grad():
        next(of.layer.parameters()).fill_(torch.nan)
    with pytest.raises(DataError, match="is not finite"):
        result_of(gather(of, 1))


def test_a_reach_as_far_as_is_asked(run):
    """A unit that keeps all that it ever read: it is felt for longer than lags are asked of."""
    of = Subject.of(run)
    with torch.no_grad():
        for parameter in of.layer.parameters():
            parameter.mul_(1e-3)
        of.layer.W.copy_(torch.eye(4))
    found = result_of(gather(of, 1))
    assert (found.horizon, found.reach, found.lag) == (None, 220, None)
    assert found.silence == "it is asked of at most 200 steps back, and the model may reach 220"


def test_ids_of_a_small_unsigned_type_in_a_file(run, tmp_path):
    """As of a long text: all that is measured is the same."""
    of = Subject.of(run)
    mapped = {}
    for part in ("training", "held_out"):
        np.save(tmp_path / f"{part}.npy", getattr(of, part).ids.astype(np.uint8))
        mapped[part] = Documents(np.load(tmp_path / f"{part}.npy", mmap_mode="r"))
    assert result_of(gather(dataclasses.replace(of, **mapped), 1)) == result_of(gather(of, 1))
