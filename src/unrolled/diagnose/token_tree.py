"""States averaged by token, as a tree: which symbols a network holds to be alike (Elman 1990, figure 7).

Shapes: states (T, n), their averages (tokens, n).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.documents import Symbols
from unrolled.diagnose.clustering import Branch, cluster, tree_purity
from unrolled.diagnose.predicates import VOWELS
from unrolled.diagnose.states import HiddenStates, Model, hidden_states, untrained
from unrolled.errors import DataError

OFTEN, MOST = 5, 60  # how often a token must come to have a mean, and how many of the most frequent are looked at
SHUFFLES = 200


@dataclass(frozen=True)
class TokenTree:
    """The tree of a trained network and those of untrained ones, which read the same text.

    ``classes`` are those of a plain table: vowel, consonant, capital, …; a purity says how well a tree keeps them
    together (see ``tree_purity``). ``chance`` is that of the trained tree with its names shuffled, the mean.
    """

    state: str
    classes: Mapping[str, str]
    counts: Mapping[str, int]
    tree: Branch
    purity: float
    controls: tuple[Branch, ...]
    control_purities: tuple[float, ...]
    chance: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "state": self.state,
            "tokens": {name: {"class": self.classes[name], "count": self.counts[name]} for name in self.classes},
            "tree": self.tree.to_dict(),
            "purity": self.purity,
            "controls": [tree.to_dict() for tree in self.controls],
            "control_purities": list(self.control_purities),
            "chance": self.chance,
        }


def token_tree(
    model: Model, text: str | Symbols, *, state: str | None = None, controls: int = 3, seed: int = 0
) -> Generator[float, None, TokenTree]:
    """Average a state over all places of each token, and join those that are near, yielding the share done. Tokens that
    come less than 5 times are left out, and all but the 60 most frequent.

    Args:
        state: its name (None: the one that the read-out looks at).
        controls: how many untrained networks stand beside; ``seed`` says which.

    Raises:
        ConfigurationError: the model reads no text, or has no state; DataError: fewer than two tokens come often
            enough, there is no such state, or the text is empty or has an unknown symbol.
    """
    trees = []
    for number, network in enumerate((model, *untrained(model, controls, seed))):
        states = hidden_states(network, text)
        name = states.read if state is None else state
        means = average_by_token(states, name)
        trees.append(cluster(list(means), np.stack(list(means.values()))))
        yield (number + 1) / (controls + 1)
    counts = Counter(states.symbols)
    classes = {token: token_class(token) for token in means}
    purities = [tree_purity(tree, classes) for tree in trees]
    return TokenTree(
        name, classes, {token: counts[token] for token in classes}, trees[0], purities[0], tuple(trees[1:]),
        tuple(purities[1:]), _chance(trees[0], classes),
    )  # fmt: skip


def average_by_token(states: HiddenStates, name: str) -> dict[str, NDArray[np.float64]]:
    """The mean of a state over the places of each token, the most frequent first.

    Raises:
        DataError: there is no such state, or fewer than two tokens come often enough.
    """
    states.unit(name, 0)  # says which states there are
    often = [token for token, count in Counter(states.symbols).most_common() if count >= OFTEN and token][:MOST]
    if len(often) < 2:
        raise DataError(
            f"A tree needs two tokens that come at least {OFTEN} times each, and the text of {len(states.symbols)} "
            f"symbols has {len(often)}; give more text."
        )
    symbols = np.array(states.symbols)
    return {token: states.states[name][symbols == token].mean(0) for token in often}


def token_class(token: str) -> str:
    """What a token is, by its looks.

    >>> [token_class(token) for token in ("a", "b", "B", " B", "the", " ", "7", "?")]
    ['vowel', 'consonant', 'capital', 'capital', 'word', 'space', 'digit', 'punctuation']
    """
    seen = token.strip()
    if not seen:
        return "space"
    if seen[0].isdigit():
        return "digit"
    if not seen[0].isalpha():
        return "punctuation"
    if seen[0].isupper():
        return "capital"
    if len(seen) > 1:
        return "word"
    return "vowel" if seen in VOWELS else "consonant"


def _chance(tree: Branch, classes: Mapping[str, str]) -> float:
    """The purity of a tree whose names mean nothing."""
    random = np.random.Generator(np.random.PCG64(0))
    values = [classes[name] for name in tree.names]
    shuffled = (dict(zip(tree.names, random.permutation(values).tolist(), strict=True)) for _ in range(SHUFFLES))
    return float(np.mean([tree_purity(tree, each) for each in shuffled]))
