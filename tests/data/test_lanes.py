"""Lanes against slicing by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.lanes import Lanes, Position
from unrolled.data.truncation import Truncation
from unrolled.errors import DataError


def window(lanes, index):
    """Inputs and targets of a window."""
    found = lanes.truncation.window(index)
    stretch = lanes.stretch(found.losses, found.end)
    return stretch.inputs, stretch.targets


def test_two_lanes_by_hand():
    lanes = Lanes(np.arange(10, 25), 2, Truncation(3, 3))  # 15 symbols: 7 predictions a lane, of which 2 windows
    assert len(lanes) == 2
    inputs, targets = window(lanes, 0)
    assert inputs.tolist() == [[10, 17], [11, 18], [12, 19]]
    assert targets.tolist() == [[11, 18], [12, 19], [13, 20]]
    inputs, targets = window(lanes, 1)
    assert inputs.tolist() == [[13, 20], [14, 21], [15, 22]]
    assert targets.tolist() == [[14, 21], [15, 22], [16, 23]]


@given(symbols=st.integers(2, 200), batch=st.integers(1, 7), length=st.integers(1, 9))
def test_each_lane_reads_on_where_it_stopped(symbols, batch, length):
    ids = np.arange(symbols)
    if (symbols - 1) // batch < length:
        with pytest.raises(DataError, match="need at least"):
            Lanes(ids, batch, Truncation(length, length))
        return
    lanes = Lanes(ids, batch, Truncation(length, length))
    read = np.concatenate([window(lanes, k)[0] for k in range(len(lanes))])
    steps = (symbols - 1) // batch
    for lane in range(batch):
        assert read[:, lane].tolist() == ids[lane * steps : lane * steps + len(read)].tolist()
    for k in range(len(lanes)):
        inputs, targets = window(lanes, k)
        assert (targets == inputs + 1).all()
        assert inputs.shape == (length, batch)
    assert steps - len(read) < length  # nothing is left out that would fill a window


def test_the_position_goes_on_to_the_next_epoch():
    lanes = Lanes(np.arange(13), 2, Truncation(3, 3))
    positions = [Position()]
    for _ in range(4):
        positions.append(positions[-1].after(len(lanes)))
    assert positions == [Position(0, 0), Position(0, 1), Position(1, 0), Position(1, 1), Position(2, 0)]
    with pytest.raises(IndexError):
        window(lanes, 2)


def test_a_short_text_is_told_what_would_fit():
    with pytest.raises(DataError, match=r"1,900 symbols; .* at least 2,501: .*--batch 37"):
        Lanes(np.zeros(1900, np.int64), 50, Truncation(50, 50))
    Lanes(np.zeros(1900, np.int64), 37, Truncation(50, 50))
    with pytest.raises(DataError, match="--batch 1 --sequence-length 29"):
        Lanes(np.zeros(30, np.int64), 50, Truncation(50, 50))
    Lanes(np.zeros(30, np.int64), 1, Truncation(29, 29))
