"""Topologies are data: when a network reads, when it emits, where the context enters."""

import pytest

from unrolled.equations.library import load
from unrolled.equations.network import stack
from unrolled.equations.topologies import (
    TOPOLOGIES,
    encoder_decoder,
    many_to_many_shifted,
    many_to_one,
    one_to_many,
    one_to_one,
)  # fmt: skip
from unrolled.errors import EquationError

ELMAN = load("elman")


def test_when_they_read_and_emit():
    found = {name: make(ELMAN) for name, make in TOPOLOGIES.items()}
    assert {name: (network.reads, network.emits) for name, network in found.items()} == {
        "one-to-one": ("every", "every"),
        "one-to-many": ("first", "every"),
        "many-to-one": ("every", "last"),
        "many-to-many": ("every", "every"),
        "many-to-many-shifted": ("nothing", "every"),
        "encoder-decoder": ("previous", "every"),
    }
    assert one_to_one(ELMAN).length == 1
    assert many_to_one(ELMAN, bidirectional=True).directions == 2


def test_where_the_context_enters():
    assert one_to_many(ELMAN, enters="every").reads == "context"
    state = one_to_many(ELMAN, enters="state")
    assert (state.reads, state.starts) == ("previous", "context")


def test_the_shifted_network_has_one_set_of_weights_and_the_decoder_its_own():
    shifted, two = many_to_many_shifted(ELMAN, 2), encoder_decoder(ELMAN, num_layers=2)
    suffixes = [[layer.suffix for layer in part.layers] for part in (shifted.encoder, shifted, two.encoder, two)]
    assert suffixes == [["_l0", "_l1"], ["_l0", "_l1"], ["_l0_enc", "_l1_enc"], ["_l0_dec", "_l1_dec"]]
    assert (shifted.encoder.emits, two.encoder.emits) == ("nothing", "nothing")
    assert two.encoder.head is None


def test_encoder_and_decoder_need_as_many_states():
    with pytest.raises(EquationError, match=r"the encoder has 2 \(c, h\) and the decoder 1 \(h\)"):
        encoder_decoder(load("lstm"), ELMAN)


def test_other_equations_backwards():
    network = stack(load("vanilla"), 2, backward=load("lstm"))
    assert [[(layer.direction, layer.suffix) for layer in level] for level in network.levels] == [
        [("forward", f"_l{number}"), ("backward", f"_l{number}_reverse")] for number in (0, 1)
    ]
    assert [layer.system.states for layer in network.layers] == [("h",), ("c", "h")] * 2
    assert [layer.system.outputs for layer in network.layers] == [("h",)] * 4
    assert (network.head.inputs, network.head.outputs) == (("h",), ("o",))


def test_what_goes_up_backwards_has_the_same_names_or_is_what_a_read_out_would_read():
    outputs = {
        name: stack(load("gru"), upward=upward, backward=load(name)).levels[0][1].system.outputs
        for name, upward in {"lstm": None, "elman": None, "jordan": None, "minimal_gated": ("n",)}.items()
    }
    assert outputs == {"lstm": ("h",), "elman": ("h",), "jordan": ("h",), "minimal_gated": ("n",)}
    other = stack(load("gru"), backward=load("s_t = tanh(P x_t + Q s_{t-1}); z_t = R s_t"))
    assert other.levels[0][1].system.outputs == ("s",)
    assert "z" not in other.levels[0][1].system.definitions
