"""Elman 1990: its data are those of the paper, its learning is exact, and its measures say what they claim to say."""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from copy import deepcopy

import numpy as np
import pytest
import torch

from unrolled import Recurrence
from unrolled.cli import main
from unrolled.reproduce.claims import Criterion
from unrolled.reproduce.elman1990 import classes, grammar, letters, words, xor
from unrolled.reproduce.elman1990.criteria import CRITERIA, NETWORKS
from unrolled.reproduce.elman1990.experiment import Networks, rows
from unrolled.reproduce.elman1990.network import EQUATIONS, Sizes, new_network, run
from unrolled.reproduce.elman1990.online import Rule, learn_online
from unrolled.reproduce.elman1990.today import Windows, learn_through_time


class Oracle:
    """A network that answers what it is told to, whatever it reads."""

    def __init__(self, y, h=None):
        self.y, self.h = y, y if h is None else h

    def __call__(self, x):
        return {"y": torch.as_tensor(self.y), "h": torch.as_tensor(self.h)}, {}


def patterns(sizes, count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, sizes.inputs)), rng.random((count, sizes.outputs))


# --- learning ---


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("sizes", "count"), [(Sizes(1, 2, 1), 9), (Sizes(3, 5, 2), 7), (Sizes(2, 1, 3), 1)])
def test_learning_online_is_what_autograd_does_with_the_state_cut_off_at_each_step(sizes, count, momentum):
    x, d = patterns(sizes, count)
    layers = [new_network(sizes, seed) for seed in (0, 1)]
    found = learn_online(layers, x, d, 2, Rule(0.3, momentum))
    for layer, learnt in zip(layers, found, strict=True):
        other = deepcopy(layer)
        optimiser = torch.optim.SGD(other.parameters(), lr=0.3, momentum=momentum)
        for _ in range(2):
            state = None
            for read, wanted in zip(torch.from_numpy(x), torch.from_numpy(d), strict=True):
                outputs, after = other(read[None], state)
                optimiser.zero_grad()
                (0.5 * (outputs["y"][0] - wanted).square().sum()).backward()
                optimiser.step()
                state = {name: value.detach() for name, value in after.items()}
        for name, value in other.named_parameters():
            torch.testing.assert_close(learnt.get_parameter(name), value, rtol=1e-12, atol=1e-13)


def test_the_first_step_is_the_derivative_that_the_equations_give():
    sizes = Sizes(2, 3, 2)
    x, d = patterns(sizes, 1)
    layer = new_network(sizes, 0)
    (learnt,) = learn_online([layer], x, d, 1, Rule(0.5))
    values = {name: value.detach().numpy() for name, value in layer.named_parameters()}
    values |= {"x_0": x[0], "h_{-1}": np.full(3, 0.5)}
    y, _ = run(layer, x)
    for name, value in layer.named_parameters():
        slope = Recurrence(*EQUATIONS[:2]).derive("y_0", wrt=name).evaluate(values)
        step = 0.5 * np.tensordot(d[0] - y[0], slope, 1)
        np.testing.assert_allclose(learnt.get_parameter(name).numpy(force=True), value.numpy(force=True) + step, 1e-12)


def test_learning_leaves_the_given_network_as_it_was():
    sizes = Sizes(2, 3, 2)
    x, d = patterns(sizes, 12)
    layer = new_network(sizes, 0)
    before = deepcopy(layer.state_dict())
    learn_online([layer], x, d, 1, Rule(0.5))
    learn_through_time(layer, x, d, 1, Windows(0.1, lanes=2, steps=3))
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())


def test_a_network_is_the_same_for_the_same_seed_and_its_context_starts_at_one_half():
    one, same, other = (new_network(Sizes(2, 3, 2), seed) for seed in (0, 0, 1))
    assert torch.equal(one.W, same.W)
    assert not torch.equal(one.W, other.W)
    assert all(0.5 >= value.abs().max() > 0 for value in one.parameters())
    x = np.array([[0.2, 0.7]])
    net = one.U.detach().numpy() @ x[0] + one.W.detach().numpy() @ np.full(3, 0.5) + one.b.detach().numpy()
    np.testing.assert_allclose(run(one, x)[1][0], 1 / (1 + np.exp(-net)), 1e-14)


def test_learning_today_follows_the_gradient_through_all_steps_of_a_window_of_every_lane():
    sizes = Sizes(2, 3, 1)
    x, d = patterns(sizes, 11)  # two lanes of five; one is left over
    layer = new_network(sizes, 0)
    learnt = learn_through_time(layer, x, d, 1, Windows(0.01, lanes=2, steps=5))
    loss = torch.zeros((), dtype=torch.float64)
    for lane in (slice(0, 5), slice(5, 10)):
        outputs, _ = layer(torch.from_numpy(x[lane]))
        loss = loss + (outputs["y"] - torch.from_numpy(d[lane])).square().sum() / 10
    loss.backward()
    for name, value in layer.named_parameters():
        step = -0.01 * value.grad / (value.grad.abs() + 1e-8)  # the first step of Adam
        torch.testing.assert_close(learnt.get_parameter(name) - value, step, rtol=1e-6, atol=1e-10)


def test_learning_today_carries_the_state_from_window_to_window():
    sizes = Sizes(1, 2, 1)
    x, d = patterns(sizes, 4)
    found = learn_through_time(new_network(sizes, 0), x, d, 1, Windows(1e-12, lanes=1, steps=1))
    assert not torch.equal(found.W, new_network(sizes, 0).W)
    layer = new_network(sizes, 0)  # a rate that moves nothing: what a window reads depends on the one before
    first = learn_through_time(layer, x[2:], d[2:], 1, Windows(0.01, lanes=1, steps=2))
    after = learn_through_time(layer, x, d, 1, Windows(0.01, lanes=1, steps=2))
    assert not torch.allclose(first.W, after.W)


# --- data ---


def test_every_third_bit_is_the_xor_of_the_two_before():
    stream = xor.bits(xor.BITS, 0)
    assert len(stream) == 3000
    assert set(stream) == {0, 1}
    a, b, c = stream.reshape(-1, 3).astype(int).T
    assert (a ^ b == c).all()
    counts = Counter(zip(a, b, strict=True))
    assert all(abs(count - 250) < 60 for count in counts.values())  # four pairs, each as likely
    assert len(xor.bits(4, 0)) == 4


def test_letters_are_those_of_the_paper():
    text = letters.text(letters.CONSONANTS, 0)
    assert re.fullmatch("(ba|dii|guuu){1000}", text)
    assert text != letters.text(1000, 1)
    features = dict(zip(letters.BITS, zip(*letters.CODES.values(), strict=True), strict=True))
    assert "".join(letters.CODES) == "bdgaiu"
    assert {name: "".join(bits) for name, bits in features.items()} == {
        "Consonant": "111000", "Vowel": "000111", "Interrupted": "111000", "High": "010011", "Back": "001101",
        "Voiced": "111111",
    }  # fmt: skip
    assert letters.encode("bu").tolist() == [[1, 0, 1, 0, 0, 1], [0, 1, 0, 1, 1, 1]]


def test_words_are_as_many_as_in_the_paper():
    assert len(set(words.LEXICON)) == 15
    text = words.words(words.SENTENCES, 0)
    assert set(text) == set(words.LEXICON)
    assert abs(len(text) - 1300) < 4 * math.sqrt(200 * 35 / 12)  # 200 lengths of 4 to 9, each as likely
    assert {len(words.words(1, seed)) for seed in range(100)} == set(range(4, 10))
    codes = {tuple(code) for code in words.codes().values()}
    assert len(codes) == len(words.LETTERS)
    assert {len(code) for code in codes} == {5}
    assert set("".join(words.SHOWN)) <= set(words.codes())


def test_sentences_are_those_of_the_tables():
    assert len(grammar.WORDS) == 29
    assert len(grammar.CLASSES) == 12
    assert len(grammar.TEMPLATES) == len(set(grammar.TEMPLATES)) == 16
    assert [len(template) for template in grammar.TEMPLATES].count(2) == 4
    assert (len(grammar.NOUNS), len(grammar.VERBS)) == (18, 11)
    assert grammar.ANIMATES | grammar.INANIMATES == grammar.NOUNS
    assert not grammar.ANIMATES & grammar.INANIMATES
    examples = {
        "NOUN-HUM": "man woman", "NOUN-ANIM": "cat mouse", "NOUN-INANIM": "book rock", "NOUN-AGRESS": "dragon monster",
        "NOUN-FRAG": "glass plate", "NOUN-FOOD": "cookie bread", "VERB-INTRAN": "think sleep",
        "VERB-TRAN": "see chase", "VERB-AGPAT": "move break", "VERB-PERCEPT": "smell see",
        "VERB-DESTROY": "break smash", "VERB-EAT": "eat",
    }  # fmt: skip
    assert all(set(shown.split()) <= set(grammar.CLASSES[name]) for name, shown in examples.items())
    made = grammar.sentences(10_000, 0)
    assert len(made) == 10_000
    count = sum(map(len, made))
    assert abs(count - 27_500) < 4 * math.sqrt(10_000 * 3 / 16)  # of 16 templates 12 have three words, 4 have two


def every_sentence():
    """Each sentence with its probability, by enumeration."""
    found = defaultdict(float)
    for template in grammar.TEMPLATES:
        begun = [((), 1 / 16)]
        for name in template:
            members = grammar.CLASSES[name]
            begun = [((*words, word), p / len(members)) for words, p in begun for word in members]
        for words_, p in begun:
            found[words_] += p
    return found


def can_be_cut(text, sentences):
    if not text:
        return True
    return any(tuple(text[:n]) in sentences and can_be_cut(text[n:], sentences) for n in (2, 3) if n <= len(text))


def test_the_fragment_in_table_5_can_be_said():
    shown = "woman smash plate cat move man break car boy move girl eat bread dog move mouse mouse move book"
    sentences = every_sentence()
    assert can_be_cut(shown.split(" "), sentences)
    assert not can_be_cut(["woman", "smash", "plate", "move"], sentences)


def test_likelihoods_are_those_of_an_enumeration():
    sentences = every_sentence()
    assert sum(sentences.values()) == pytest.approx(1)
    after, first = defaultdict(lambda: np.zeros(grammar.BITS)), np.zeros(grammar.BITS)
    for sentence, p in sentences.items():
        first[grammar.NUMBER[sentence[0]]] += p
        for end in range(1, len(sentence)):
            after[sentence[:end]][grammar.NUMBER[sentence[end]]] += p
    for sentence, p in sentences.items():
        after[sentence] += p * first
    assert len(after) > 500
    for begin, expected in after.items():
        np.testing.assert_allclose(grammar.following(begin), expected / expected.sum(), atol=1e-12)


def test_likelihoods_are_what_counting_finds():
    made = grammar.sentences(60_000, 3)
    text = [word for sentence in made for word in sentence]
    counts = defaultdict(Counter)
    place = 0
    for sentence in made:
        for end in range(1, len(sentence) + 1):
            place += 1
            if place < len(text):
                counts[sentence[:end]][text[place]] += 1
    for begin in [("boy",), ("lion", "eat"), ("man", "move"), ("book",), ("girl", "sleep")]:
        total = counts[begin].total()
        found = np.array([counts[begin][word] / total for word in grammar.WORDS])
        expected = grammar.following(begin)[: len(grammar.WORDS)]
        assert total > 300
        np.testing.assert_allclose(found, expected, atol=4 * 0.5 / math.sqrt(total))


def test_likelihoods_stand_beside_the_word_before():
    text = [("man", "sleep"), ("dog", "eat", "bread")]
    found = grammar.likelihoods(text)
    expected = [text[0][:1], text[0], text[1][:1], text[1][:2], text[1]]
    np.testing.assert_array_equal(found, [grammar.following(begin) for begin in expected])
    np.testing.assert_allclose(found[1], grammar.following(()), 1e-12)  # whoever sleeps does nothing else


# --- measures ---


def met(measured):
    return {criterion: criterion.met(value) for criterion, value in measured.items()}


def test_a_network_that_knows_xor_meets_its_criteria():
    test = xor.bits(12 * 100 + 3, 5)
    rule = test.copy()
    rule[1:] = np.abs(test[1:] - test[:-1])
    by_place = xor._by_place(Oracle(rule[:-1, None]), test)
    np.testing.assert_array_equal(by_place[2::3], 0)
    assert by_place[0] > 0.5
    measured = xor.measure(Shifting(rule[:, None]), test)
    assert all(met(measured).values())
    assert measured[xor.XOR_RULE] == 1
    pairs = (2 * test[:-1] + test[1:]).astype(int)
    knows_and = np.concatenate([[0.5], np.choose(pairs, [0.61, 0.6, 0.6, 0.0])])
    assert met(xor.measure(Shifting(knows_and[:, None]), test)) == {xor.XOR_THIRD: True, xor.XOR_RULE: False}


def test_what_would_be_without_a_network():
    """By hand: of each word how often it comes, at each place."""
    text = classes.Text.of(grammar.sentences(50, 3))
    wanted, likely = text.patterns(), text.likelihoods
    often = wanted.sum(0) / len(wanted)

    def length(answers, right):  # of the error, the root of its mean square
        return math.sqrt(sum(np.square(a - b).sum() for a, b in zip(answers, right, strict=True)) / len(right))

    def rms(answers):
        return f"{length(answers, likely) / math.sqrt(grammar.BITS):.4f}"

    cosine = np.mean([often @ p / (np.linalg.norm(often) * np.linalg.norm(p)) for p in likely])
    best, always, off = (re.findall(r"\d+\.\d+", row.measured) for row in classes.baselines(text))
    assert best == [f"{length(likely[:-1], wanted[1:]):.3f}", "0.0000", "1.000"]
    assert always == [
        f"{length([often] * (len(wanted) - 1), wanted[1:]):.3f}",
        rms([often] * len(likely)),
        f"{cosine:.3f}",
    ]
    assert off == [rms(np.zeros_like(likely))]


class Shifting(Oracle):
    """As many answers as it has read."""

    def __call__(self, x):
        return {"y": torch.as_tensor(self.y[: len(x)]), "h": torch.as_tensor(self.h[: len(x)])}, {}


def test_a_network_that_knows_the_syllables_meets_their_criteria():
    text = letters.text(200, 5)
    consonant = letters.encode("bdg").mean(0)
    begins = np.array([letter in "bdg" for letter in text])
    answers = np.where(begins[:, None], consonant, letters.encode(text))[1:]
    measured = letters.measure(Oracle(np.clip(answers, 1 / 64, 63 / 64)), text)
    assert measured[letters.LETTERS_ERROR] > 2
    assert measured[letters.LETTERS_BIT] < 0.1
    # on vowels the two bits are equally sure, so that "at all points" asks for more than to know the syllables
    assert measured[letters.LETTERS_ALWAYS] == pytest.approx(1 / 3, abs=0.05)


def test_peaks_against_beginnings_of_words():
    errors = np.array([9, 1, 3, 1, 2, 2, 5, 4, 9.0])
    begins = np.array([1, 0, 1, 0, 1, 0, 0, 1, 1], bool)
    # inside there are peaks at 2 and 6 and beginnings at 2, 4 and 7, of seven letters
    assert words.segmentation(errors, begins) == words.Segmentation(1 / 2, 1 / 3, 3 / 7, 2 / 7)
    flat = words.segmentation(np.ones(9), begins)
    assert (flat.precision, flat.recall, flat.chance_recall) == (0, 0, 0)


def test_a_network_that_knows_the_words_meets_their_criteria():
    text = words.words(100, 5)
    codes = words.encode("".join(text))
    within = np.array([place for word in text for place in range(len(word))])
    off = np.select([within == 0, within == 1], [0.5, 0.2], 0.1)[:, None]
    measured = words.measure(Oracle(np.abs(codes - off)[1:]), text)
    assert all(met(measured).values())
    assert measured[words.WORDS_DECLINE] == pytest.approx(0.1)


def test_a_network_that_knows_the_likelihoods_meets_the_criteria_of_classes():
    sentences = grammar.sentences(600, 5)
    text = classes.Text.of(sentences)
    place = {}  # a point for each word: by kind, then by class, then by itself
    rng = np.random.default_rng(0)
    for word in (*grammar.WORDS, "zog"):
        like = "man" if word == "zog" else word
        large = [like in group for group in grammar.LARGE_BRANCHES]
        small = [like in group for group in grammar.SMALL_BRANCHES]
        place[grammar.NUMBER[word]] = np.array([*(100 * np.array(large)), *(5 * np.array(small)), rng.random()])

    class Reader(Oracle):
        def __call__(self, x):
            h = np.stack([place[int(number)] for number in x.argmax(-1)])
            return {"y": torch.from_numpy(text.likelihoods), "h": torch.from_numpy(h)}, {}

    measured = classes.measure(Reader(None, 0), text)
    assert measured[classes.CLASSES_RMS] == 0
    assert measured[classes.CLASSES_COSINE] == pytest.approx(1)
    assert all(met(measured).values())
    # what came is less certain than what is likely: 1 − Σ p² in the mean
    expected = math.sqrt(1 - np.square(text.likelihoods).sum(1).mean())
    assert measured[classes.CLASSES_TARGET] == pytest.approx(expected, abs=0.02)


def untrained(part):
    """What the criteria of a part measure on all networks before training."""
    measure = {
        "xor": lambda layer: xor.measure(layer, xor.bits(12 * 300 + 3, 2)),
        "letters": lambda layer: letters.measure(layer, letters.text(200, 2)),
        "words": lambda layer: words.measure(layer, words.words(100, 2)),
        "classes": lambda layer: classes.measure(layer, classes.Text.of(grammar.sentences(600, 1))),
    }[part]
    sizes = {each.DESIGN.part: each.DESIGN.sizes for each in (xor, letters, words, classes)}[part]
    return [measure(new_network(sizes, seed)) for seed in range(NETWORKS[part])]


@pytest.mark.parametrize("part", NETWORKS)
def test_untrained_networks_fail_the_criteria(part):
    found = untrained(part)
    assert set(found[0]) == {criterion for criterion in CRITERIA if criterion.part == part}
    passed = {criterion for measured in found for criterion, passes in met(measured).items() if passes}
    # as it was written it asks too little: of six orders of three errors one falls at both steps
    assert passed <= {words.WORDS_DECLINE}


def test_what_an_untrained_network_does_as_well_does_not_hold():
    class Answer:
        def __init__(self, value):
            self.value = value

    least = Criterion("xor", "what", "said", "", "", least=2)

    def holds(before, then):
        found = Networks(*([Answer(value) for value in group] for group in (before, then, then)))
        first, today = rows(found, lambda layer: {least: layer.value})
        assert first.holds == today.holds
        assert (first.what, first.published, first.wanted) == ("what", "said", "≥ 2")
        return first.holds

    assert holds([1, 1, 1], [1, 2, 3])
    assert not holds([1, 1, 1], [1, 1, 3])
    assert not holds([1, 1], [1, 3])  # half is not more than half
    assert not holds([1, 2, 1], [3, 3, 3])


def test_bounds():
    at_least, at_most, above = (Criterion("", "", "", "", "", **{name: 2}) for name in ("least", "most", "above"))
    assert [at_least.met(value) for value in (1.9, 2, 2.1)] == [False, True, True]
    assert [at_most.met(value) for value in (1.9, 2, 2.1)] == [True, True, False]
    assert [above.met(value) for value in (1.9, 2, 2.1)] == [False, False, True]
    assert not any(each.met(math.nan) for each in (at_least, at_most, above))
    assert [each.wanted for each in (at_least, at_most, above)] == ["≥ 2", "≤ 2", "> 2"]
    assert all(bool(each.wanted) for each in CRITERIA)


# --- the command ---


def test_everything_runs(tmp_path, capsys):
    page = tmp_path / "results.md"
    arguments = ["--quick", "--quiet", "--runs", str(tmp_path / "runs"), "-o", str(page)]
    assert main(["reproduce", "elman1990", *arguments]) == 0
    shown, written = capsys.readouterr().out, page.read_text()
    for part in ("(a)", "(b)", "(c)", "(d)"):
        assert f"### {part}" in shown
    assert "| | published | measured | must reach | holds? |" in shown
    for criterion in CRITERIA:
        (row,) = (line for line in shown.splitlines() if line.startswith(f"| {criterion.what} |"))
        assert f"| {criterion.published} |" in row
        assert f"| {criterion.wanted} |" in row
        assert "untrained" in row
    links = re.findall(r"!\[.+\]\((.+)\)", written)
    assert [link.removeprefix("figures/elman1990-") for link in links] == [
        "xor.svg", "letters.svg", "words.svg", "classes.svg", "zog.svg"
    ]  # fmt: skip
    for link in links:
        assert ElementTree.parse(tmp_path / link).getroot().tag.endswith("svg")
        assert (tmp_path / link).stat().st_size < 150_000
