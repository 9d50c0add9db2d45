"""Random numbers that depend on where they are used and on nothing else.

A draw is the first 64-bit word of the Philox4x64-10 block whose key is (seed, stream) and whose counter is the position
plus one (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), cut to its upper 53 bits.
"""

from __future__ import annotations

import numpy as np

from unrolled.errors import ConfigurationError

WORD = 2**64


def draw(seed: int, stream: int, position: int) -> float:
    """The number in [0, 1) that belongs to (seed, stream, position), each an integer from 0 to 2⁶⁴ − 1."""
    for name, value in (("seed", seed), ("stream", stream), ("position", position)):
        if not 0 <= value < WORD:
            raise ConfigurationError(f"the {name} is {value}; it must lie between 0 and 2^64 - 1")
    key = np.array([seed, stream], dtype=np.uint64)
    # numpy steps the counter before it makes a block, hence the "plus one" above
    generator = np.random.Philox(key=key, counter=np.array([position, 0, 0, 0], dtype=np.uint64))
    return (int(generator.random_raw()) >> 11) * 2.0**-53
