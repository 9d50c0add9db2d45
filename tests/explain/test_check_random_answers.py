"""Marking in both directions: right answers, rewritten at random, are right; one mistake is wrong, and found."""

from __future__ import annotations

import pytest

import unrolled as ur
from answers import ELMAN, MISTAKES, Question, mistaken, questions, rewritten, write

RECURRENCE = ur.Recurrence(ELMAN)


def right_answers(count: int, seed: int) -> list[tuple[Question, str]]:
    found = []
    for question, dice in questions(seed):
        answer = rewritten(question.right, dice, question.numbers)
        assert question.same(answer, question.right)  # the rewriting itself
        found.append((question, write(answer, f"{question.left} = ")[0]))
        if len(found) == count:
            return found
    raise AssertionError


def wrong_answers(kind: str, count: int, seed: int) -> list[tuple[Question, str, tuple[int, int]]]:
    """Half of them rewritten before; what changes nothing, or only the layout of a derivative, is left out."""
    found: list[tuple[Question, str, tuple[int, int]]] = []
    for question, dice in questions(seed, kind):
        before = rewritten(question.right, dice, question.numbers) if len(found) % 2 else question.right
        made = mistaken(before, kind, question.names, dice)
        if made is None:
            continue
        answer, place = made
        text, spans = write(answer, f"{question.left} = ")
        if question.left in text[len(question.left) + 3 :] or question.same(answer, question.right, layout=True):
            continue
        found.append((question, text, spans[id(place)]))
        if len(found) == count:
            return found
    raise AssertionError


def check_right(count: int, seed: int) -> None:
    for _, text in right_answers(count, seed):
        verdict = RECURRENCE.check(text)
        assert verdict.correct, f"{text}\n{verdict}"


def check_wrong(kind: str, count: int, seed: int) -> None:
    vague = 0
    for question, text, (start, end) in wrong_answers(kind, count, seed):
        verdict = RECURRENCE.check(text)
        assert verdict.kind == "wrong", f"{text}\n{verdict}"
        assert verdict.position is not None
        first, last = verdict.position
        assert max(first, start) < min(last, end), f"{kind} at {text[start:end]!r}\n{verdict}"
        right_side = len(text) - len(question.left) - 3
        vague += last - first > max(end - start, right_side / 2)
    assert vague <= count / 10  # to mark the whole answer is no answer to the question where


def test_rewritten_answers_are_right():
    check_right(60, seed=1)


@pytest.mark.parametrize("kind", MISTAKES)
def test_one_mistake_is_found(kind):
    check_wrong(kind, 8, seed=2)


@pytest.mark.slow
def test_500_rewritten_answers_are_right():
    check_right(500, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MISTAKES)
def test_500_mistakes_are_found(kind):
    check_wrong(kind, 63, seed=4)
