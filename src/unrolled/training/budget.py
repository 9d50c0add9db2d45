"""How much memory backpropagation through time may take: so many bytes, or so many saved states."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Any

from unrolled.errors import ConfigurationError

UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
STEPS = 64  # of a segment, where a number of states is given
LONGEST = 512  # steps of a segment: longer ones are hardly faster
RANDOM_STATE = 5056  # bytes of torch's generator, which is saved with a state


@dataclass(frozen=True)
class Plan:
    """Segments of ``length`` steps, and how many ``slots`` for states there are."""

    length: int
    slots: int


@dataclass(frozen=True)
class Need:
    """Bytes of a state that is saved, and of all values of a step with their gradients."""

    state: int
    step: int


@dataclass(frozen=True)
class Budget:
    """``bytes`` in all, or ``states``; the other one is None."""

    bytes: int | None = None
    states: int | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """A budget such as "512MB" or "20".

        Raises:
            ConfigurationError: it is none.

        >>> Budget.parse("512MB"), Budget.parse("20")
        (Budget(bytes=512000000, states=None), Budget(bytes=None, states=20))
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(KB|MB|GB)?\s*", text, re.IGNORECASE)
        if match and match[2] and float(match[1]) > 0:
            return cls(bytes=int(float(match[1]) * UNITS[match[2].upper()]))
        if match and not match[2] and match[1].isdecimal() and int(match[1]) > 0:
            return cls(states=int(match[1]))
        raise ConfigurationError(
            f"--bptt-memory is {text!r}; it is a size such as 512MB (KB, MB, GB), or a number of saved states, 20"
        )

    def plan(self, steps: int, need: Need) -> Plan:
        """How to divide so many steps.

        Half of the bytes go to the values of one segment, the rest to states.

        Raises:
            ConfigurationError: not even one step and one state fit.
        """
        if self.states is not None:
            return Plan(min(STEPS, steps), self.states)
        assert self.bytes is not None
        room = (self.bytes - need.state) // need.step  # of steps beside one state
        if room < 1:
            least = (need.step + need.state) / UNITS["MB"]
            raise ConfigurationError(
                f"--bptt-memory: {self.bytes / UNITS['MB']:.3g} MB do not hold one step and one state; give at least "
                f"{least:.3g}MB, or fewer lanes"
            )
        length = min(steps, LONGEST, room, max(1, self.bytes // 2 // need.step))
        slots = (self.bytes - length * need.step) // need.state
        return Plan(length, min(slots, -(-steps // length)))


def need_of(layer: Any, lanes: int) -> Need:
    """What a language model needs for so many lanes: each value that a step computes, and its gradient."""
    size = next(layer.parameters()).element_size()
    step = state = 0
    for part in layer.programs()["parts"]:
        program = part["program"]
        shapes = program["shapes"]
        computed = [i["out"] for phase in ("before", "loop", "after") for i in program[phase]]
        step += 2 * sum(prod(shapes[value]) for value in computed)
        state += sum(prod(shapes[value]) for value in program["previous"])
    logits = layer.sizes[layer.system.outputs[0]]
    step += 2 * logits  # the softmax of the loss
    return Need(lanes * state * size + RANDOM_STATE, lanes * step * size)
