"""(b) Structure in letter sequences: consonants at random, after each its vowels.

Shapes: a text of T letters; codes (T, 6); a network reads letter t and answers letter t + 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unrolled.diagnose.plots import BLUE, ORANGE, panels
from unrolled.nn import Recurrent
from unrolled.reproduce.bench import Bench
from unrolled.reproduce.claims import Criterion
from unrolled.reproduce.elman1990.criteria import LETTERS_ALWAYS, LETTERS_BIT, LETTERS_ERROR
from unrolled.reproduce.elman1990.experiment import Design, Networks, middle, rows, trained
from unrolled.reproduce.elman1990.network import Array, Sizes, run
from unrolled.reproduce.elman1990.online import Rule
from unrolled.reproduce.elman1990.today import Windows
from unrolled.reproduce.report import Picture, Row, Section

CONSONANTS = 1000
SYLLABLES = {"b": "ba", "d": "dii", "g": "guuu"}
BITS = ("Consonant", "Vowel", "Interrupted", "High", "Back", "Voiced")
CODES = {"b": "101001", "d": "101101", "g": "101011", "a": "010011", "i": "010101", "u": "010111"}  # table 1
DESIGN = Design("letters", Sizes(6, 20, 6), passes=200, rule=Rule(0.1), windows=Windows(0.01, lanes=10, steps=25))


def text(consonants: int, seed: int) -> str:
    """Random consonants, each with its vowels.

    >>> text(4, 0)
    'guuudiidiiba'
    """
    drawn = np.random.Generator(np.random.PCG64(seed)).integers(0, 3, consonants)
    return "".join(SYLLABLES["bdg"[each]] for each in drawn)


def encode(letters: str) -> Array:
    """The codes of the letters, six bits each."""
    return np.array([[int(bit) for bit in CODES[letter]] for letter in letters], np.float64)


def section(bench: Bench) -> Section:
    """Train and test all networks."""
    patterns = encode(text(bench.count(CONSONANTS), seed=1))
    networks = trained(DESIGN, patterns[:-1], patterns[1:], bench)
    test = text(bench.count(CONSONANTS), seed=2)
    found = rows(networks, lambda layer: measure(layer, test))
    for name, group in (("as in 1990", networks.then), ("as today", networks.today)):
        figures = np.median([_by_kind(layer, test) for layer in group], axis=0)
        found.append(Row(f"RMS error on consonants, and on vowels; trained {name}", "{:.3f}, {:.3f}".format(*figures)))
    picture = Picture("letters", "Error over letters: all bits; two of them", lambda: draw(networks, test))
    about = (
        f"6-20-6 units and 20 of context, {CONSONANTS:,} consonants, {len(patterns):,} letters. {DESIGN.said}; "
        f"{len(networks.then)} networks."
    )
    return Section("(b) Structure in letter sequences", [], found, about, [picture])


def measure(layer: Recurrent, test: str) -> Mapping[Criterion, float]:
    """The numbers of the criteria, on another text."""
    wrong, consonant = _wrong(layer, test), _is_consonant(test)
    first, fourth = wrong[:, BITS.index("Consonant")], wrong[:, BITS.index("High")]
    on_consonants, on_vowels = _by_kind(layer, test)
    return {
        LETTERS_ERROR: on_consonants / on_vowels,
        LETTERS_BIT: float(np.sqrt((first**2).mean() / (fourth[consonant] ** 2).mean())),
        LETTERS_ALWAYS: float((first < fourth).mean()),
    }


def _by_kind(layer: Recurrent, test: str) -> tuple[float, float]:
    """The mean over consonants, and that over vowels, of the RMS error over six bits."""
    error, consonant = np.sqrt((_wrong(layer, test) ** 2).mean(1)), _is_consonant(test)
    return float(error[consonant].mean()), float(error[~consonant].mean())


def _wrong(layer: Recurrent, test: str) -> Array:
    """How far each bit of each letter after the first is off, (T - 1, 6)."""
    patterns = encode(test)
    y, _ = run(layer, patterns[:-1])
    return np.abs(y - patterns[1:])


def _is_consonant(test: str) -> Any:
    return np.array([letter in SYLLABLES for letter in test[1:]])


def draw(networks: Networks, test: str, shown: int = 20) -> Any:
    """Figures 4 and 5: the error over letters, of the middle network as in 1990."""
    layer = middle(networks.then, lambda each: measure(each, test)[LETTERS_ERROR])
    wrong = _wrong(layer, test)[:shown]
    figure, (left, right) = panels(2)
    left.plot(np.sqrt((wrong**2).mean(1)), "o-", color=BLUE, markersize=4)
    left.set(title="RMS error over all bits")
    for name, color in (("High", ORANGE), ("Consonant", BLUE)):
        right.plot(wrong[:, BITS.index(name)], "o-", color=color, markersize=4, label=name)
    right.set(title="error of two bits")
    right.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 1.05))
    for axes in (left, right):
        axes.set_xticks(range(len(wrong)), list(test[1 : len(wrong) + 1]))
        axes.set(xlabel="letter that is predicted", ylim=(0, 1))
    return figure
