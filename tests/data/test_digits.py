"""Digits as pictures and as streams: no picture on two sides, columns in their order."""

import numpy as np
import pytest

from unrolled.data.digits import NAMES, digit_streams, digits
from unrolled.errors import ConfigurationError

pytest.importorskip("sklearn")
PARTS = ("train", "dev", "test")


def test_no_picture_is_in_two_parts():
    from sklearn.datasets import load_digits

    parts = {part: digits(part) for part in PARTS}
    assert [len(parts[part].digits) for part in PARTS] == [1438, 179, 180]
    together = np.concatenate([parts[part].pictures for part in PARTS]).reshape(1797, 64)
    whole = load_digits().data
    assert np.array_equal(np.sort(together, 0), np.sort(whole, 0))
    rows = [{row.tobytes() for row in parts[part].pictures} for part in PARTS]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]


def test_a_stream_is_columns_of_whole_digits():
    pictures = {picture.tobytes(): NAMES[digit] for picture, digit in zip(*vars(digits("test")).values(), strict=True)}
    streams = list(digit_streams(20, 3, "test", 0, 4))
    assert {len(stream.frames) // 8 for stream in streams} == {0, 1, 2, 3, 4}
    for stream in streams:
        assert stream.frames.shape == (len(stream.names), 8)
        for begin in range(0, len(stream.names), 8):
            picture = np.ascontiguousarray(stream.frames[begin : begin + 8].T)
            assert [pictures[picture.tobytes()]] * 8 == list(stream.names[begin : begin + 8])
    again = list(digit_streams(20, 3, "test", 0, 4))
    assert all(np.array_equal(one.frames, other.frames) for one, other in zip(streams, again, strict=True))


def test_impossible_streams():
    with pytest.raises(ConfigurationError, match="at least 0 streams"):
        digit_streams(1, 0, "test", 3, 2)
