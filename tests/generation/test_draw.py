"""The counter-based draw against Philox4x64-10 written out from the paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import ConfigurationError
from unrolled.generation import draw

WORD = 2**64
words = st.integers(0, WORD - 1)


def philox4x64(counter, key):
    """Salmon et al. 2011, section 3.3, ten rounds; constants from Random123's philox.h."""
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * counter[0], WORD)
        high1, low1 = divmod(0xCA5A826395121157 * counter[2], WORD)
        counter = (high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0)
        key = ((key[0] + 0x9E3779B97F4A7C15) % WORD, (key[1] + 0xBB67AE8584CAA73B) % WORD)
    return counter


def test_the_reference_gives_the_known_answer():
    # Random123, tests/kat_vectors: philox4x64 10, all zero
    assert philox4x64((0, 0, 0, 0), (0, 0))[0] == 0x16554D9ECA36314C


@given(seed=words, stream=words, position=st.integers(0, WORD - 2))
def test_a_draw_is_one_word_of_philox(seed, stream, position):
    word = philox4x64((position + 1, 0, 0, 0), (seed, stream))[0]
    assert draw(seed, stream, position) == (word >> 11) / 2**53


@pytest.mark.parametrize("arguments", [(-1, 0, 0), (0, WORD, 0), (0, 0, -5)])
def test_out_of_range(arguments):
    with pytest.raises(ConfigurationError, match="must lie between 0 and"):
        draw(*arguments)


def test_draws_are_even():
    numbers = [draw(1, 2, position) for position in range(4000)]
    assert abs(sum(numbers) / 4000 - 0.5) < 0.02
    assert all(0 <= number < 1 for number in numbers)
