"""``unrolled reproduce siegelmann1995``: automata and machines against plain Python, networks against both."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.calculus.evaluate import run as evaluate
from unrolled.cli import main
from unrolled.equations.library import load
from unrolled.reproduce.siegelmann1995 import automaton, construction
from unrolled.reproduce.siegelmann1995.automaton import Automaton, states_of
from unrolled.reproduce.siegelmann1995.construction import CLOCK, STEPS, configuration, first_state
from unrolled.reproduce.siegelmann1995.experiments import (
    longest_reversed,
    reversed_exactly,
    simulate_automaton,
    simulate_machine,
)
from unrolled.reproduce.siegelmann1995.machine import COLLATZ, REVERSAL, binary, number_of, stack_of, value_of
from unrolled.reproduce.siegelmann1995.network import EQUATION

WORDS = st.lists(st.integers(0, 1), max_size=30)


@given(WORDS)
def test_the_automata_accept_what_they_are_named_for(word):
    text = "".join(map(str, word))
    assert automaton.EVEN_AS.accepts(word) == (text.count("0") % 2 == 0)
    assert automaton.THREES.accepts(word) == (int("0" + text, 2) % 3 == 0)
    assert automaton.LAST_BUT_ONE.accepts(word) == (len(text) > 1 and text[-2] == "1")


@given(WORDS)
def test_a_stack_is_a_number_and_back(word):
    stack = tuple(word)
    assert stack_of(number_of(stack)) == stack
    assert number_of(stack) == sum(Fraction(2 * digit + 1, 4**place) for place, digit in enumerate(stack, 1))


@pytest.mark.parametrize("number", [Fraction(1, 2), Fraction(1, 8), Fraction(5, 8), Fraction(1)])
def test_a_number_that_is_no_stack(number):
    assert stack_of(number) is None


@given(st.integers(1, 3000))
@settings(max_examples=60)
def test_the_machine_goes_through_the_sequence_of_collatz(number):
    seen = [number] + [value_of(first) for state, first, second in COLLATZ.run(binary(number)) if state == "look"]
    expected = [number]
    while expected[-1] > 1:
        n = expected[-1]
        expected.append(n // 2 if n % 2 == 0 else 3 * n + 1)
    assert seen == expected
    assert list(COLLATZ.run(binary(number)))[-1] == ("halt", (1,), ())


@given(WORDS)
def test_the_machine_reverses(word):
    assert list(REVERSAL.run(tuple(word)))[-1] == ("halt", (), tuple(word[::-1]))


@st.composite
def automata(draw):
    states, symbols = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    row = st.lists(st.integers(0, states - 1), min_size=symbols, max_size=symbols)
    return Automaton(draw(st.lists(row, min_size=states, max_size=states)), frozenset({0}))


@given(automata(), st.data())
@settings(max_examples=40, deadline=None)
def test_the_network_is_the_automaton_after_every_symbol(machine, data):
    word = data.draw(st.lists(st.integers(0, machine.symbols - 1), min_size=1, max_size=12))
    network = automaton.network_of(machine)
    x = [[int(symbol == each) for each in range(machine.symbols)] for symbol in word]
    exact = np.array([[float(value) for value in h] for h in network.exactly(network.first(), x)])
    assert states_of(machine, network, exact) == machine.run(word)
    found = simulate_automaton(machine, [word, word[:1]], network)
    assert (found.right, found.runs) == (2, 2)


@given(st.integers(1, 200))
@settings(max_examples=12, deadline=None)
def test_the_network_is_the_machine_after_every_step(number):
    network = construction.network_of(COLLATZ)
    right, result, _ = simulate_machine(COLLATZ, binary(number), network)
    assert right
    assert result == (1,)


def test_the_exact_run_is_that_of_the_equation():
    """The equation, evaluated by calculus on fractions, step by step; clip answers its bounds as floats."""
    network = construction.network_of(COLLATZ)
    h = np.array(first_state(network, binary(5)), object)
    parameters, x = network.matrices(), {"x": np.array([[0]], object)}
    for exact in network.exactly(list(h), CLOCK * 30):
        rows = evaluate(load(EQUATION), parameters, x, {"h": h}, 1)["h"]
        h = np.array([Fraction(value) for value in rows[0]], object)
        assert h.tolist() == exact


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_layer_is_the_exact_run_while_its_numbers_suffice(dtype):
    network = construction.network_of(REVERSAL)
    word = (1, 0, 0, 1, 1)
    layer = network.layer(dtype)
    exact = list(network.exactly(first_state(network, word), CLOCK * (STEPS * 6)))
    state = torch.tensor([[float(value) for value in first_state(network, word)]], dtype=dtype)
    found, _ = layer(torch.zeros(STEPS * 6, 1, 1, dtype=dtype), {"h": state})
    assert found[:, 0].tolist() == [[float(value) for value in h] for h in exact]


def test_float32_reverses_words_of_12_symbols_and_not_of_13():
    assert longest_reversed(torch.float32, words=40, most=14) == 12


def test_fractions_have_no_such_limit():
    assert reversed_exactly(60, seed=0)


def test_weights_in_other_places_compute_something_else():
    network = construction.network_of(COLLATZ)
    assert not simulate_machine(COLLATZ, binary(7), network.shuffled(0))[0]
    assert sum(map(len, network.shuffled(0).weights.values())) == sum(map(len, network.weights.values()))


def test_a_configuration_must_be_clear():
    network = construction.network_of(REVERSAL)
    h = [Fraction(0)] * len(network.units)
    assert configuration(network, h) is None
    h[network.units["after move"]] = Fraction(1, 2)
    assert configuration(network, h) is None
    h[network.units["after move"]] = Fraction(1)
    assert configuration(network, h) == ("move", (), ())


def test_a_weight_that_is_no_float_is_refused():
    network = construction.network_of(REVERSAL)
    network.weigh("first top", "first nothing", Fraction(1, 3))
    with pytest.raises(ValueError, match="W has a weight"):
        network.layer(torch.float64)


def test_all_of_it_runs(capsys, tmp_path):
    arguments = ["--quick", "--quiet", "--json", "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "siegelmann1995", *arguments]) == 0
    automata, machines, precision = json.loads(capsys.readouterr().out)["sections"]
    assert all(row["holds"] is not False for section in (automata, machines) for row in section["rows"])
    assert precision["rows"][0]["holds"] is False  # so short a search does not reach 26
