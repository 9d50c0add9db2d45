"""(c) Discovering the notion "word": sentences without spaces, letter by letter.

Shapes: a text of T letters; codes (T, 5); a network reads letter t and answers letter t + 1; errors (T - 1,).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.diagnose.plots import BLUE, GREY, panels
from unrolled.nn import Recurrent
from unrolled.reproduce.bench import Bench
from unrolled.reproduce.claims import Criterion
from unrolled.reproduce.elman1990.criteria import (
    WORDS_DECLINE,
    WORDS_ONSET,
    WORDS_PRECISION,
    WORDS_RECALL,
)
from unrolled.reproduce.elman1990.experiment import Design, Networks, middle, rows, trained
from unrolled.reproduce.elman1990.network import Array, Sizes, run
from unrolled.reproduce.elman1990.online import Rule
from unrolled.reproduce.elman1990.today import Windows
from unrolled.reproduce.report import Picture, Row, Section

SENTENCES, SHORTEST, LONGEST = 200, 4, 9
# those of figure 6
SHOWN = ("many", "years", "ago", "a", "boy", "and", "girl", "lived", "by", "the", "sea", "they", "played", "happily")
LEXICON = (*SHOWN, "house")  # the paper has a fifteenth word that figure 6 does not show
LETTERS = sorted(set("".join(LEXICON)))
DESIGN = Design("words", Sizes(5, 20, 5), passes=10, rule=Rule(0.5), windows=Windows(0.02, lanes=1, steps=10))


def words(sentences: int, seed: int) -> list[str]:
    """The words of random sentences of 4 to 9 words, one sentence after the other."""
    rng = np.random.Generator(np.random.PCG64(seed))
    lengths = rng.integers(SHORTEST, LONGEST + 1, sentences)
    return [LEXICON[each] for each in rng.integers(0, len(LEXICON), lengths.sum())]


def codes(seed: int = 0) -> dict[str, Array]:
    """A code of 5 random bits for every letter, no two alike."""
    numbers = np.random.Generator(np.random.PCG64(seed)).permutation(32)[: len(LETTERS)]
    return {
        letter: np.array([number >> bit & 1 for bit in range(5)], np.float64)
        for letter, number in zip(LETTERS, numbers, strict=True)
    }


def encode(letters: str) -> Array:
    """The codes of the letters, five bits each."""
    table = codes()
    return np.stack([table[letter] for letter in letters])


@dataclass(frozen=True)
class Segmentation:
    """Marks against the true beginnings of words: precision, recall, and what as many marks at random would have."""

    precision: float
    recall: float
    chance_precision: float
    chance_recall: float


def segmentation(errors: Array, begins: Any) -> Segmentation:
    """A word is taken to begin where the error is higher than at both neighbours; the first and the last letter, which
    have one neighbour, are not looked at.

    >>> segmentation(np.array([1, 3, 1, 2, 1.0]), np.array([1, 1, 0, 0, 0], bool))
    Segmentation(precision=0.5, recall=1.0, chance_precision=0.3333333333333333, chance_recall=0.6666666666666666)
    """
    peaks = (errors[1:-1] > errors[:-2]) & (errors[1:-1] > errors[2:])
    begins = begins[1:-1]
    right = int((peaks & begins).sum())
    marks, starts = int(peaks.sum()), int(begins.sum())
    return Segmentation(
        right / marks if marks else 0.0, right / starts, starts / len(begins), marks / len(begins)
    )  # fmt: skip


def section(bench: Bench) -> Section:
    """Train and test all networks."""
    read = words(bench.count(SENTENCES), seed=1)
    patterns = encode("".join(read))
    networks = trained(DESIGN, patterns[:-1], patterns[1:], bench)
    test = words(bench.count(SENTENCES), seed=2)
    found = [
        Row("words in the text", f"{len(read):,}", published="1,270"),
        Row("letters in the text", f"{len(patterns):,}", published="4,963"),
        *rows(networks, lambda layer: measure(layer, test)),
    ]
    for name, group in (("as in 1990", networks.then), ("as today", networks.today)):
        found += _told(name, group, test)
    picture = Picture("words", "Error over the letters of figure 6", lambda: draw(networks, test))
    about = (
        f"5-20-5 units and 20 of context, {SENTENCES} sentences of {SHORTEST} to {LONGEST} words. {DESIGN.said}; "
        f"{len(networks.then)} networks. The words are drawn at random: the paper does not say how its sentences were "
        f"made, nor which its fifteenth word was (“{LEXICON[-1]}” here). As it was written, the criterion on the "
        "decline asks too little: of the six orders of three errors one is a fall at both steps, so that a network "
        "that has learnt nothing may meet it; then it does not hold."
    )
    return Section("(c) Discovering the notion “word”", [], found, about, [picture])


def measure(layer: Recurrent, test: Sequence[str]) -> Mapping[Criterion, float]:
    """The numbers of the criteria, on other sentences."""
    errors, place = _errors(layer, "".join(test)), _places(test)
    first, second, third = (float(errors[place == each].mean()) for each in range(3))
    marked = segmentation(errors, place == 0)
    return {
        WORDS_ONSET: first / float(errors[place > 0].mean()),
        WORDS_DECLINE: min(first - second, second - third),
        WORDS_PRECISION: marked.precision,
        WORDS_RECALL: marked.recall,
    }


def _told(name: str, group: Sequence[Recurrent], test: Sequence[str]) -> list[Row]:
    """Chance, and the error at each place of a word."""
    place = _places(test)
    errors = [_errors(layer, "".join(test)) for layer in group]
    chance = [segmentation(each, place == 0) for each in errors]
    random = [
        np.median([getattr(each, which) for each in chance]) for which in ("chance_precision", "chance_recall")
    ]  # fmt: skip
    falling = np.median([[each[place == which].mean() for which in range(5)] for each in errors], axis=0)
    return [
        Row(f"precision and recall of marks at random; trained {name}", "{:.3f}, {:.3f}".format(*random)),
        Row(f"RMS error at letters 1 to 5 of a word; trained {name}", ", ".join(f"{each:.3f}" for each in falling)),
    ]


def _errors(layer: Recurrent, letters: str) -> Array:
    """RMS error over five bits, of every letter after the first."""
    patterns = encode(letters)
    y, _ = run(layer, patterns[:-1])
    return np.sqrt(((y - patterns[1:]) ** 2).mean(1))


def _places(text: Sequence[str]) -> Any:
    """Which letter of its word every letter is, counted from 0, without the first letter of the text."""
    return np.array([place for word in text for place in range(len(word))])[1:]


def draw(networks: Networks, test: Sequence[str]) -> Any:
    """Figure 6: the error over the letters of a text, of the middle network as in 1990."""
    layer = middle(networks.then, lambda each: measure(each, test)[WORDS_ONSET])
    letters = "".join(SHOWN)
    errors = _errors(layer, letters)
    begins = np.flatnonzero(_places(SHOWN) == 0)
    figure, axes = panels(1)
    figure.set_size_inches(11, 3)
    axes.vlines(begins, 0, errors[begins], color=GREY, linewidth=0.8, linestyle=":")
    axes.plot(errors, "-", color=BLUE, linewidth=1)
    axes.plot(begins, errors[begins], "o", color=BLUE, markersize=5)
    axes.set_xticks(range(len(errors)), list(letters[1:]))
    for place, label in enumerate(axes.get_xticklabels()):
        label.set_fontweight("bold" if place in begins else "normal")
    axes.set(xlabel="letter that is predicted (beginnings of words bold)", ylabel="RMS error", ylim=(0, None))
    axes.margins(x=0.01)
    return figure
