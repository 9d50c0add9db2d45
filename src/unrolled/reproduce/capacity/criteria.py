"""What is said of the capacity of a state, and what must be measured for it to hold.

Written before any of these networks was trained; never changed afterwards. Source of the published figures: Collins,
Sohl-Dickstein & Sussillo 2017, "Capacity and trainability in recurrent neural networks" (ICLR), section 2.3 and
figure 2: a network remembers about one real number of its input history per hidden unit; the other statement is of
every lecture on over-fitting.

Recall: n symbols, each one of 8, drawn at random; then n steps without input, in which the network says them again in
their order. ``capacity(H)`` is the largest n at which it gets at least 90 % of the symbols of new sequences right, as
it would 1/8 by chance; a network that was not trained recalls none. By heart: a network of H units learns a set of
sequences whose classes are drawn at random, where nothing is to be generalised, and beside it sequences with a rule.
"""

from __future__ import annotations

SYMBOLS = 8
RIGHT = 0.9  # of the symbols of new sequences

GROWS = "the larger the state, the more symbols it recalls"
GROWS_LEAST = 0.9  # rank correlation of capacity and H
UNIT = "about one number is remembered for each hidden unit"
UNIT_MOST = 1.0  # symbols (3 bits each) per unit: not more than one number each
BY_HEART = "a larger state learns more by heart"
BY_HEART_LEAST = 0.9  # rank correlation of H with the share of random classes that is learnt
GAP = "what is learnt by heart does not help with new sequences"
GAP_MOST = 0.1  # how far the share of right answers about new random classes may lie from chance
RULE = "where there is a rule, the larger state also does better on new sequences"
RULE_LEAST = 0.0  # accuracy on new sequences of the largest less that of the smallest: above
