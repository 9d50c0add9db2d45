"""What Siegelmann & Sontag 1995 say of networks with saturated-linear units, and what must be measured for it to hold.

Written before any of these networks was run; never changed afterwards. Source: H. T. Siegelmann and E. D. Sontag, "On
the computational power of neural nets", Journal of Computer and System Sciences 50 (1995), 132-150. Units are σ(a) =
0, a, or 1 for a below 0, between, and above 1; weights are rational numbers, computed and not learnt. That a finite
automaton fits into units that are 0 or 1 is older (Kleene 1956; Minsky 1967).
"""

from __future__ import annotations

from unrolled.reproduce.claims import Claim

AUTOMATON = Claim(
    "a finite automaton is simulated in real time, one step for each symbol",
    "strings of new automata after each symbol of which the network is in the right state",
    "all",
    "section 1; the construction with a unit for each state and symbol",
)
STACKS = Claim(
    "a machine with two stacks is simulated, each step in a constant number of steps of the network",
    "runs of which the state and both stacks are right after every step of the machine, in exact fractions",
    "all",
    "section 3 and 4: stacks in base 4 with the digits 1 and 3",
)
CONSTANT = Claim(
    "the slowdown is constant: it depends on neither the input nor the length of the run",
    "steps of the network for each step of the machine",
    "the same in all runs, at most 4",
    "section 4: four steps of the network for each of the machine, which section 4.3 brings down to one",
)
HALTS = Claim(
    "the network computes what the machine computes, and halts when it halts",
    "inputs whose result, read from the stack when the halting state is reached, is that of arithmetic",
    "all",
    "theorem 1",
)
PRECISION = Claim(
    "the precision that is needed grows with the length of the stacks, two bits for each symbol",
    "longest words that are reversed without an error, all of 200 words: float64, float32",
    "26 (53 bits) and 12 (24 bits); in fractions 200 and more",
    "section 3: a stack of n symbols is a number of n digits in base 4",
)
RANDOM = Claim(
    "the weights are what computes: networks of the same equation with other weights do not",
    "runs that are right after every step with the same weights in other places",
    "none",
    "nothing in the paper; what an untrained network is elsewhere",
)
CLAIMS = (AUTOMATON, STACKS, CONSTANT, HALTS, PRECISION, RANDOM)
