"""Hierarchical clustering, against scipy and by brute force."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from sklearn.metrics import adjusted_rand_score

from unrolled.diagnose.clustering import Branch, cluster, tree_purity
from unrolled.errors import DataError

CASES = [(2, 1, 0), (3, 2, 1), (11, 5, 2), (40, 17, 3)]


def made(n: int, size: int, seed: int) -> tuple[list[str], np.ndarray]:
    return [f"n{i}" for i in range(n)], np.random.default_rng(seed).normal(size=(n, size))


def leaves(tree: hierarchy.ClusterNode, names: list[str]) -> set[str]:
    return {names[i] for i in tree.pre_order()}


@pytest.mark.parametrize(("n", "size", "seed"), CASES)
def test_the_same_joins_as_scipy(n, size, seed):
    names, vectors = made(n, size, seed)
    found = {frozenset(b.names): b.distance for b in cluster(names, vectors).walk() if b.parts}
    nodes = hierarchy.to_tree(hierarchy.linkage(vectors, "average"), rd=True)[1]
    expected = {frozenset(leaves(node, names)): node.dist for node in nodes if not node.is_leaf()}
    assert found.keys() == expected.keys()
    assert all(found[key] == pytest.approx(expected[key], rel=1e-12) for key in expected)


@pytest.mark.parametrize(("n", "size", "seed"), CASES)
def test_the_same_clusters_as_scipy(n, size, seed):
    names, vectors = made(n, size, seed)
    tree = cluster(names, vectors)
    for count in {1, 2, min(5, n), n}:
        parts = tree.cut(count)
        assert len(parts) == count
        label = {name: number for number, part in enumerate(parts) for name in part.names}
        expected = hierarchy.fcluster(hierarchy.linkage(vectors, "average"), count, "maxclust")
        assert adjusted_rand_score([label[name] for name in names], expected) == pytest.approx(1)
    assert len(tree.cut(n + 3)) == n


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 999))
def test_what_every_tree_obeys(n, size, seed):
    """Leaves once each and side by side, two parts a join, distances that are means and never fall towards the root."""
    names, vectors = made(n, size, seed)
    place = dict(zip(names, vectors, strict=True))
    tree = cluster(names, vectors)
    assert sorted(tree.names) == sorted(names)
    for branch in tree.walk():
        if branch.parts:
            one, other = branch.parts
            assert branch.names == one.names + other.names
            mean = np.mean([np.linalg.norm(place[a] - place[b]) for a in one.names for b in other.names])
            assert branch.distance == pytest.approx(mean, rel=1e-9)
            assert branch.distance >= max(one.distance, other.distance) - 1e-9


def test_vectors_that_are_the_same_join_at_zero():
    tree = cluster("abcd", np.array([[1.0], [7.0], [1.0], [7.0]]))
    assert {frozenset(part.names) for part in tree.cut(2)} == {frozenset("ac"), frozenset("bd")}
    assert [part.distance for part in tree.cut(2)] == [0, 0]
    assert tree.distance == 6


def test_one_leaf():
    tree = cluster(["alone"], np.zeros((1, 3)))
    assert tree == Branch(("alone",))
    assert tree.cut(2) == [tree]
    assert tree.to_dict() == {"names": ["alone"], "joins": []}


def test_a_tree_as_plain_data_holds_all_of_it():
    names, vectors = made(9, 3, 5)
    tree = cluster(names, vectors)
    data = json.loads(json.dumps(tree.to_dict()))

    def rebuilt(first: int, last: int) -> Branch:
        if first == last:
            return Branch((data["names"][first],))
        (join,) = [j for j in data["joins"] if (j["parts"][0][0], j["parts"][1][1]) == (first, last)]
        return Branch(tuple(data["names"][first : last + 1]), join["at"], tuple(rebuilt(*p) for p in join["parts"]))

    assert rebuilt(0, 8) == tree


def purity_by_hand(tree: Branch, classes: dict[str, str]) -> float:
    found = []
    for a, b in itertools.combinations(tree.names, 2):
        if classes[a] == classes[b]:
            smallest = min((t.names for t in tree.walk() if a in t.names and b in t.names), key=len)
            found.append(np.mean([classes[name] == classes[a] for name in smallest]))
    return float(np.mean(found)) if found else float("nan")


@given(st.integers(1, 14), st.integers(1, 4), st.integers(0, 999))
def test_purity_pair_by_pair(n, kinds, seed):
    names, vectors = made(n, 2, seed)
    classes = dict(zip(names, np.random.default_rng(seed).integers(0, kinds, n).astype(str), strict=True))
    tree = cluster(names, vectors)
    assert tree_purity(tree, classes) == pytest.approx(purity_by_hand(tree, classes), rel=1e-12, nan_ok=True)


def test_what_makes_no_tree():
    with pytest.raises(DataError, match="2 names and an array of the shape \\(3, 1\\)"):
        cluster("ab", np.zeros((3, 1)))
    with pytest.raises(DataError, match="0 names"):
        cluster("", np.zeros((0, 1)))
    with pytest.raises(DataError, match="'a' comes twice"):
        cluster("aba", np.zeros((3, 1)))
    with pytest.raises(DataError, match="'b' is not finite"):
        cluster("ab", np.array([[0.0], [np.nan]]))
