"""What Pascanu, Mikolov & Bengio 2013 say of clipping, and what must be measured here for it to hold.

Written from the paper before any network was trained; never changed afterwards. Source: R. Pascanu, T. Mikolov, Y.
Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, section 4.1.1 and figure 7.

The problem. A sequence of symbols; A or B at a place in its second tenth and again at one in its fifth, c, d, e, f at
random elsewhere; at its end one says which of AA, AB, BA, BB. 50 hidden units, minibatches of 20, a constant rate, no
momentum; clipping shortens the gradient of all parameters to norm 1. A network **succeeds** where, at one of the checks
while it trains, it misclassifies under 1 % of 10,000 new sequences. Lengths 50, 100, 150, 200; ten networks each (the
paper: five), the same first weights and the same sequences with clipping and without it.

The budget. The paper allows 5,000,000 updates at the rate 0.01; here there are 6,000, 0.12 % of that. So that they can
be enough, rate and start are chosen beforehand, on other seeds (100 to 104), with clipping, at length 50: of the rates
0.01, 0.03, 0.1, 0.3, 1 and the paper's starts "basic tanh" and "smart tanh" those with which most succeed, then those
with which they do so earliest. As in the paper both arms train with that one rate. A third arm, without clipping at the
rate that is best for it by the same rule, is told beside them; no criterion is about it.

Every criterion is one number and a bound on it. It **holds** where the trained networks meet it and the same networks
before training do not.
"""

from __future__ import annotations

from unrolled.reproduce.claims import Criterion

NAME = "pascanu2013"
LENGTHS = (50, 100, 150, 200)
NETWORKS = 10
UPDATES = 6_000
HIDDEN, BATCH, THRESHOLD = 50, 20, 1.0
WRONG, SEQUENCES = 0.01, 10_000  # a success: a smaller share of so many is misclassified
SIGNIFICANT = 0.05

SOLVED = Criterion(
    NAME,
    "success rate with clipping at length 50",
    "about 1 with tanh units",
    "figure 7, MSGD-C, basic and smart tanh",
    "More than half: the updates are a thousandth of the paper's.",
    above=0.5,
)
HELPS = Criterion(
    NAME,
    "p, one-sided, of the sign test over all lengths: of the pairs (length, seed) in which just one of the two arms "
    "succeeds, as many or more won by clipping if both were alike",
    "clipping gives a better success rate",
    "section 4.1.1; figure 7, MSGD-C above MSGD",
    "The usual bound. Where neither arm succeeds p is 1.",
    most=SIGNIFICANT,
)
MORE = Criterion(
    NAME,
    "the largest gain in success rate through clipping at the lengths 100, 150, 200, less the gain at 50",
    "as the length increases, clipping becomes more important to achieve a better success rate",
    "section 4.1.1, third paragraph",
    "At a longer length the gain is larger than at the shortest.",
    above=0.0,
)
FALLS = Criterion(
    NAME,
    "success rate without clipping at length 50 less that at 200",
    "without clipping success falls with the length",
    "figure 7, MSGD",
    "It is lower at the longest than at the shortest.",
    above=0.0,
)
CRITERIA = (SOLVED, HELPS, MORE, FALLS)
