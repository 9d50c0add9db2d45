"""The sentences of part (d): words in classes (table 3), sentences from templates (table 4), and how likely a word is.

The paper's text counts 13 classes and 15 templates, its tables have 12 and 16; the tables are used. Table 3 has two
words of each class; the others are the leaves of figure 7. "break", which it gives as food, is read as bread. The text
says that some classes lie within others: humans and aggressors are animate, fragile things and food inanimate, and
VERB-TRAN has every verb that takes an object except eat, without which table 5 ("dog move mouse") has no template.

Shapes: likelihoods (T, BITS), one row for each word of a text, about the word after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from unrolled.reproduce.elman1990.network import Array

_HUMAN, _AGGRESSOR, _SMALL = ("man", "woman", "boy", "girl"), ("dragon", "monster", "lion"), ("cat", "mouse", "dog")
_FRAGILE, _FOOD, _THING = ("glass", "plate"), ("cookie", "bread", "sandwich"), ("book", "rock", "car")
CLASSES: Mapping[str, tuple[str, ...]] = {
    "NOUN-HUM": _HUMAN,
    "NOUN-ANIM": (*_HUMAN, *_AGGRESSOR, *_SMALL),
    "NOUN-INANIM": (*_FRAGILE, *_FOOD, *_THING),
    "NOUN-AGRESS": _AGGRESSOR,
    "NOUN-FRAG": _FRAGILE,
    "NOUN-FOOD": _FOOD,
    "VERB-INTRAN": ("think", "sleep", "exist"),
    "VERB-TRAN": ("see", "chase", "like", "move", "break", "smell", "smash"),
    "VERB-AGPAT": ("move", "break"),
    "VERB-PERCEPT": ("smell", "see"),
    "VERB-DESTROY": ("break", "smash"),
    "VERB-EAT": ("eat",),
}
TEMPLATES: Sequence[tuple[str, ...]] = (
    ("NOUN-HUM", "VERB-EAT", "NOUN-FOOD"),
    ("NOUN-HUM", "VERB-PERCEPT", "NOUN-INANIM"),
    ("NOUN-HUM", "VERB-DESTROY", "NOUN-FRAG"),
    ("NOUN-HUM", "VERB-INTRAN"),
    ("NOUN-HUM", "VERB-TRAN", "NOUN-HUM"),
    ("NOUN-HUM", "VERB-AGPAT", "NOUN-INANIM"),
    ("NOUN-HUM", "VERB-AGPAT"),
    ("NOUN-ANIM", "VERB-EAT", "NOUN-FOOD"),
    ("NOUN-ANIM", "VERB-TRAN", "NOUN-ANIM"),
    ("NOUN-ANIM", "VERB-AGPAT", "NOUN-INANIM"),
    ("NOUN-ANIM", "VERB-AGPAT"),
    ("NOUN-INANIM", "VERB-AGPAT"),
    ("NOUN-AGRESS", "VERB-DESTROY", "NOUN-FRAG"),
    ("NOUN-AGRESS", "VERB-EAT", "NOUN-HUM"),
    ("NOUN-AGRESS", "VERB-EAT", "NOUN-ANIM"),
    ("NOUN-AGRESS", "VERB-EAT", "NOUN-FOOD"),
)
WORDS = tuple(dict.fromkeys(word for members in CLASSES.values() for word in members))
BITS = 31  # two more than words: one of them is zog's, who is never met in training
ZOG = len(WORDS)
NUMBER = {**{word: number for number, word in enumerate(WORDS)}, "zog": ZOG}

# the branches that figure 7 shows; what they are not named by is their order
NOUNS, VERBS = (
    frozenset(word for name, members in CLASSES.items() if name.startswith(kind) for word in members)
    for kind in ("NOUN", "VERB")
)
ANIMATES, INANIMATES = frozenset(CLASSES["NOUN-ANIM"]), frozenset(CLASSES["NOUN-INANIM"])
LARGE_BRANCHES = (VERBS, NOUNS, ANIMATES, INANIMATES)
SMALL_BRANCHES = tuple(
    map(frozenset, (_HUMAN, (*_AGGRESSOR, *_SMALL), _AGGRESSOR, _SMALL, _FOOD, _FRAGILE))
)  # fmt: skip
HUMANS = frozenset(_HUMAN)

Sentence = tuple[str, ...]


def sentences(count: int, seed: int) -> list[Sentence]:
    """Random sentences: a template, all as likely, then a word of each of its classes, all as likely.

    >>> sentences(3, 0)
    [('dragon', 'eat', 'woman'), ('man', 'move'), ('man', 'chase', 'mouse')]
    """
    rng = np.random.Generator(np.random.PCG64(seed))

    def word(name: str) -> str:
        return CLASSES[name][rng.integers(len(CLASSES[name]))]

    return [tuple(map(word, TEMPLATES[number])) for number in rng.integers(0, len(TEMPLATES), count)]


def likelihoods(text: Iterable[Sentence]) -> Array:
    """For each word of a text, how likely each word is to come next, given the words of its sentence so far."""
    return np.stack([following(each[: end + 1]) for each in text for end in range(len(each))])


@cache
def following(begin: Sentence) -> Array:
    """How likely each word is after the beginning of a sentence; where the sentence may end there, a new one begins.

    >>> {word: round(float(following(("boy", "eat"))[NUMBER[word]]), 2) for word in ("bread", "boy", "eat")}
    {'bread': 0.33, 'boy': 0.0, 'eat': 0.0}
    """
    total = np.zeros(BITS)
    for template in TEMPLATES:
        weight = _chance(template, begin)
        if not weight:
            continue
        if len(template) == len(begin):
            total += weight * following(())
        else:
            members = CLASSES[template[len(begin)]]
            total[[NUMBER[word] for word in members]] += weight / len(members)
    return total / total.sum()


def _chance(template: Sequence[str], begin: Sentence) -> float:
    """How likely this template is to begin with these words."""
    if len(begin) > len(template):
        return 0.0
    pairs = zip(begin, (CLASSES[name] for name in template), strict=False)
    return float(np.prod([(word in members) / len(members) for word, members in pairs]))
