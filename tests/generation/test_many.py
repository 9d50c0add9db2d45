"""Many texts at once: each is the one that it would be alone."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled.errors import ConfigurationError, UnknownSymbolError
from unrolled.generation import generate, generate_many, open_writer

prompts_of = st.lists(st.text("the quick.", max_size=6) | st.text("fox\n", max_size=25), max_size=6)
endings = st.one_of(
    st.just({}),
    st.builds(lambda until: {"until": until}, st.lists(st.text("eo .", min_size=1, max_size=2), max_size=2)),
    st.just({"until": lambda text: text.count("o") == 2}),
    st.just({"allowed": ["fox.", "dog", "the", "tho"]}),
)
options_of = st.fixed_dictionaries(
    {"length": st.integers(4, 30), "seed": st.integers(0, 3), "temperature": st.sampled_from([0.0, 0.8])},
    optional={"top_k": st.integers(1, 5), "top_p": st.floats(0.1, 1)},
)


@pytest.fixture(scope="module")
def writers(runs):
    """Opened once for all examples."""
    return {name: open_writer(runs[name]) for name in ("characters", "bytes")}


@given(prompts=prompts_of, options=options_of, ending=endings, name=st.sampled_from(["characters", "bytes"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_each_text_is_the_one_that_it_would_be_alone(writers, prompts, options, ending, name):
    writer, found = writers[name], [[] for _ in prompts]
    for number, token in generate_many(writer, prompts, **options, **ending):
        found[number].append(token)
    for number, (prompt, tokens) in enumerate(zip(prompts, found, strict=True)):
        alone = list(generate(writer, prompt, stream=number, **options, **ending))
        assert tokens == alone  # ids, text and the bits of the probabilities
        assert [token.state.position for token in tokens] == list(range(1, len(tokens) + 1))
        if tokens:
            state = tokens[len(tokens) // 2].state
            more = [
                next(generate(writer, stream=number, state=s, **options)) for s in (state, alone[len(alone) // 2].state)
            ]
            assert more[0] == more[1]


def test_the_same_with_torch(runs, monkeypatch):
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    prompts, texts = ["the ", "", "quick brown"], ["", "", ""]
    for number, token in generate_many(runs["characters"], prompts, length=25, seed=4):
        texts[number] += token.text
    for number, prompt in enumerate(prompts):
        alone = generate(runs["characters"], prompt, length=25, seed=4, stream=number)
        assert texts[number] == "".join(token.text for token in alone)


def test_tokens_come_step_by_step(opened):
    writer = opened("characters")
    numbers = [number for number, _ in generate_many(writer, ["a", "the", "ox"], length=3)]
    assert numbers == [0, 1, 2] * 3
    endless = generate_many(writer, ["a", "the"])
    assert len([next(endless) for _ in range(100)]) == 100


def test_a_text_that_has_ended_leaves(opened):
    """And its writer is asked for the others alone."""
    writer, asked = open_writer(opened("characters")), []
    write = writer.write
    writer.write = lambda states, *rest: asked.append(len(states)) or write(states, *rest)
    ends = {}
    for step, (number, token) in enumerate(generate_many(writer, ["a", "the", "ox", "", "o"], length=60, until="o")):
        ends[number] = step, token.text
    assert len({step for step, _ in ends.values()}) == 5
    assert asked[0] == 5
    assert asked[-1] < 5
    assert asked == sorted(asked, reverse=True)


def test_further_streams_of_the_same_seed(opened):
    writer = opened("characters")
    found = [token.id for number, token in generate_many(writer, ["a", "b"], length=9, stream=7) if number == 1]
    assert found == [token.id for token in generate(writer, "b", length=9, stream=8)]


def test_nothing_to_write(opened):
    assert list(generate_many(opened("characters"), [])) == []
    assert list(generate_many(opened("characters"), ["a"], length=0)) == []
    assert list(generate_many(opened("characters"), ["a"], allowed=[""])) == []


def test_mistakes_are_told_before_the_first_token(runs):
    writer = runs["characters"]
    with pytest.raises(ConfigurationError, match="use generate"):
        generate_many(writer, "the")
    with pytest.raises(UnknownSymbolError, match="the prompt 'a€' has '€'"):
        generate_many(writer, ["the", "a€"])
    with pytest.raises(ConfigurationError, match="stream is 18446744073709551616"):
        generate_many(writer, ["a", "b"], stream=2**64 - 1)
    assert len(list(generate_many(writer, ["a"], stream=2**64 - 1, length=2))) == 2


def test_a_long_prompt_beside_short_ones(opened):
    writer, random = opened("characters"), np.random.default_rng(0)
    prompts = ["".join(random.choice(list("the fox"), length)) for length in (1, 400, 1, 3, 0, 57, 400)]
    texts = [""] * len(prompts)
    for number, token in generate_many(writer, prompts, length=5):
        texts[number] += token.text
    for number, prompt in enumerate(prompts):
        assert texts[number] == "".join(t.text for t in generate(writer, prompt, length=5, stream=number))
