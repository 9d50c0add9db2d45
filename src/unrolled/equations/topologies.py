"""The topologies by the names that lectures give them, each a Network: data, nothing that runs.

The names count steps in and out: one-to-many reads once and emits at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from unrolled.equations.network import Layer, Network, stack
from unrolled.equations.system import System
from unrolled.errors import EquationError


def one_to_one(system: System, num_layers: int = 1) -> Network:
    """A single step: no time at all.

    >>> from unrolled.equations.library import load
    >>> one_to_one(load("elman")).length
    1
    """
    return replace(stack(system, num_layers), length=1)


def one_to_many(
    system: System, num_layers: int = 1, enters: Literal["first", "every", "state"] = "first"
) -> Network:  # fmt: skip
    """One vector in, an output at every step.

    ``enters``: the vector is the input of the "first" step, the context that "every" step reads, or the first "state",
    in which case each step reads the output of the step before.
    """
    network = stack(system, num_layers)
    if enters == "state":
        return replace(network, reads="previous", starts="context")
    return replace(network, reads="context" if enters == "every" else "first")


def many_to_one(system: System, num_layers: int = 1, bidirectional: bool = False) -> Network:
    """A whole sequence in, one output at its end."""
    return replace(stack(system, num_layers, bidirectional), emits="last")


def many_to_many(system: System, num_layers: int = 1, bidirectional: bool = False) -> Network:
    """An output beside each input."""
    return stack(system, num_layers, bidirectional)


def many_to_many_shifted(system: System, num_layers: int = 1) -> Network:
    """A whole sequence in, then a whole sequence out, one network with one set of weights all the way."""
    network = stack(system, num_layers)
    reading = replace(network, emits="nothing")
    return replace(network, reads="nothing", starts="context", encoder=reading)


def encoder_decoder(encoder: System, decoder: System | None = None, num_layers: int = 1) -> Network:
    """An encoder reads a sequence into the context C; from C a decoder with its own weights writes another.

    The decoder (by default the same equations) reads what it wrote at the step before. Each state of it begins as the
    encoder's state of that place, so that both have as many.

    Raises:
        EquationError: the two have different numbers of states.
    """
    decoder = decoder or encoder
    if len(encoder.states) != len(decoder.states):
        raise EquationError(
            f"The decoder begins with the encoder's last states, but the encoder has {len(encoder.states)} "
            f"({', '.join(encoder.states)}) and the decoder {len(decoder.states)} ({', '.join(decoder.states)}). "
            "Give both the same number of states."
        )
    reading = replace(_named(stack(encoder, num_layers), "_enc"), head=None, emits="nothing")
    writing = _named(stack(decoder, num_layers), "_dec")
    return replace(writing, reads="previous", starts="context", encoder=reading)


TOPOLOGIES: MappingProxyType[str, Callable[..., Network]] = MappingProxyType({
    "one-to-one": one_to_one,
    "one-to-many": one_to_many,
    "many-to-one": many_to_one,
    "many-to-many": many_to_many,
    "many-to-many-shifted": many_to_many_shifted,
    "encoder-decoder": encoder_decoder,
})  # fmt: skip


def _named(network: Network, suffix: str) -> Network:
    """``network`` with ``suffix`` on the parameters of every layer."""
    levels = tuple(
        tuple(Layer(layer.system, layer.direction, layer.suffix + suffix) for layer in level)
        for level in network.levels
    )
    return replace(network, levels=levels)
