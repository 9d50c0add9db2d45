"""(d) Discovering lexical classes from word order: sentences without marks between them, word by word.

Shapes: a text of T words; patterns (T, 31), one bit each; likelihoods (T, 31); hidden states (T, 150).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.diagnose.clustering import Branch, cluster
from unrolled.diagnose.plots import BLUE, GREY, ORANGE, panels
from unrolled.diagnose.state_plots import draw_tree
from unrolled.nn import Recurrent
from unrolled.reproduce.bench import Bench
from unrolled.reproduce.claims import Criterion
from unrolled.reproduce.elman1990 import grammar
from unrolled.reproduce.elman1990.criteria import (
    CLASSES_COSINE,
    CLASSES_LARGE,
    CLASSES_RMS,
    CLASSES_SMALL,
    CLASSES_TARGET,
    CLASSES_ZOG,
)
from unrolled.reproduce.elman1990.experiment import Design, Networks, rows, trained
from unrolled.reproduce.elman1990.grammar import BITS, NUMBER, WORDS, Sentence
from unrolled.reproduce.elman1990.network import Array, Sizes, run
from unrolled.reproduce.elman1990.online import Rule
from unrolled.reproduce.elman1990.today import Windows
from unrolled.reproduce.report import Picture, Row, Section

SENTENCES, QUICK_SENTENCES = 10_000, 300  # enough for every word to come
DESIGN = Design("classes", Sizes(BITS, 150, BITS), passes=6, rule=Rule(0.1), windows=Windows(0.001, lanes=1, steps=25))
KINDS = ((grammar.VERBS, GREY), (grammar.ANIMATES, ORANGE), (grammar.INANIMATES, BLUE))
COLORS = {word: color for kind, color in KINDS for word in kind}


@dataclass(frozen=True)
class Text:
    """The words of all sentences, one after the other, by their numbers; and how likely each is to be followed by
    which."""

    words: Any
    likelihoods: Array

    @classmethod
    def of(cls, sentences: Sequence[Sentence]) -> Text:
        """The text that these sentences make."""
        return cls(np.array([NUMBER[word] for each in sentences for word in each]), grammar.likelihoods(sentences))

    def patterns(self) -> Array:
        """One bit for each word."""
        return np.eye(BITS)[self.words]


def section(bench: Bench) -> Section:
    """Train all networks, and look at them on the text that they were trained on, as the paper does."""
    count = QUICK_SENTENCES if bench.quick else SENTENCES
    text = Text.of(grammar.sentences(count, seed=1))
    patterns = text.patterns()
    networks = trained(DESIGN, patterns[:-1], patterns[1:], bench)
    counts = Row("words in the text", f"{len(text.words):,}", published="27,354, 27,454 and 27,534")
    found = [counts, *rows(networks, lambda layer: measure(layer, text)), *_told(networks, text), *baselines(text)]
    pictures = [
        Picture(
            "classes",
            "Hidden states of words, trained as in 1990 and not trained; verbs grey, animates orange, inanimates blue",
            lambda: draw(networks, text),
        ),
        Picture("zog", "zog, who was never met, in place of man", lambda: draw_zog(networks, text)),
    ]
    about = (
        f"31-150-31 units and 150 of context, {SENTENCES:,} sentences. {DESIGN.said}; {len(networks.then)} networks. "
        "The paper counts its words in three ways; ours are as many as the sentences have. It counts 15 templates and "
        "13 classes, and shows 16 and 12: those that it shows are used, all as likely. Of zog a network knows only "
        "where it stands: the weights of its unit are as they were drawn, since it was never on."
    )
    return Section("(d) Discovering lexical classes from word order", [], found, about, pictures)


def measure(layer: Recurrent, text: Text) -> Mapping[Criterion, float]:
    """The numbers of the criteria."""
    patterns = text.patterns()
    y, h = run(layer, patterns)
    tree = cluster(WORDS, _means(h, text.words))
    return {
        CLASSES_TARGET: target_error(y[:-1], patterns[1:]),
        CLASSES_RMS: rms(y, text.likelihoods),
        CLASSES_COSINE: cosine(y, text.likelihoods),
        CLASSES_LARGE: _branches(tree, grammar.LARGE_BRANCHES),
        CLASSES_SMALL: _branches(tree, grammar.SMALL_BRANCHES),
        CLASSES_ZOG: zog_belongs(*zog_means(layer, text)),
    }


def target_error(y: Array, wanted: Array) -> float:
    """Root of the mean over words of the squares summed over units."""
    return float(np.sqrt(((y - wanted) ** 2).sum(-1).mean()))


def rms(y: Array, likelihoods: Array) -> float:
    """Root of the mean square over units and words."""
    return float(np.sqrt(((y - likelihoods) ** 2).mean()))


def cosine(y: Array, likelihoods: Array) -> float:
    """Mean over words of the cosine of the angle between the two."""
    lengths = np.linalg.norm(y, axis=-1) * np.linalg.norm(likelihoods, axis=-1)
    return float(((y * likelihoods).sum(-1) / lengths).mean())


def zog_means(layer: Recurrent, text: Text) -> tuple[list[str], Array]:
    """The words with zog in place of man, and their mean hidden states."""
    words = np.where(text.words == NUMBER["man"], grammar.ZOG, text.words)
    _, h = run(layer, np.eye(BITS)[words])
    names = ["zog" if word == "man" else word for word in WORDS]
    return names, _means(h, words, [NUMBER[name] for name in names])


def zog_belongs(names: Sequence[str], means: Array) -> int:
    """How many of two hold: the animates, with zog, are one branch; the nearest word to zog is human."""
    animates = grammar.ANIMATES - {"man"} | {"zog"}
    return _branches(cluster(names, means), [animates]) + (nearest(names, means) in grammar.HUMANS)


def nearest(names: Sequence[str], means: Array) -> str:
    """The word whose mean hidden state is nearest to zog's."""
    distance = np.linalg.norm(means - means[names.index("zog")], axis=-1)
    return names[int(np.argsort(distance)[1])]


def _told(networks: Networks, text: Text) -> list[Row]:
    """Which word zog is nearest to."""
    named = (("as in 1990", networks.then), ("as today", networks.today))
    found = [(name, [nearest(*zog_means(layer, text)) for layer in group]) for name, group in named]
    return [Row(f"the word nearest to zog; trained {name}", ", ".join(each)) for name, each in found]


def baselines(text: Text) -> list[Row]:
    """What would be without a network: the likelihoods themselves, and how often each word comes, always the same."""
    wanted = text.patterns()
    always = np.broadcast_to(wanted.mean(0), wanted.shape)
    best = text.likelihoods
    three = "the two errors and the cosine"
    return [
        Row(f"{three} of outputs that are the likelihoods, the least possible", _three(best, wanted, best)),
        Row(f"{three} of outputs that always are how often each word comes", _three(always, wanted, best)),
        Row("the error against the likelihoods with all units off", f"{rms(np.zeros_like(best), best):.4f}"),
    ]


def _three(y: Array, wanted: Array, best: Array) -> str:
    return f"{target_error(y[:-1], wanted[1:]):.3f}, {rms(y, best):.4f}, {cosine(y, best):.3f}"


def _means(h: Array, words: Any, numbers: Sequence[int] = range(len(WORDS))) -> Array:
    """The mean hidden state at each word."""
    return np.stack([h[words == number].mean(0) for number in numbers])


def _branches(tree: Branch, groups: Sequence[frozenset[str]]) -> int:
    """How many of the groups are branches of the tree."""
    found = {frozenset(branch.names) for branch in tree.walk()}
    return sum(group in found for group in groups)


def draw(networks: Networks, text: Text) -> Any:
    """Figure 7: the tree of words of the first network, and that of the same network before training."""
    figure, both = panels(2)
    figure.set_size_inches(9.2, 6)
    titles = ("trained as in 1990", "not trained")
    for axes, title, layer in zip(both, titles, (networks.then[0], networks.untrained[0]), strict=True):
        _, h = run(layer, text.patterns())
        draw_tree(axes, cluster(WORDS, _means(h, text.words)), COLORS)
        axes.set(title=title)
    return figure


def draw_zog(networks: Networks, text: Text) -> Any:
    """Figure 9: the tree of the first network that reads zog for man."""
    figure, axes = panels(1)
    figure.set_size_inches(5, 6)
    draw_tree(axes, cluster(*zog_means(networks.then[0], text)), COLORS)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == "zog" else "normal")
    return figure
