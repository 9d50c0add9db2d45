"""What Bengio, Simard & Frasconi 1994 say of latching a bit, and what must be measured here for it to hold.

Written before any network was trained; never changed afterwards. Source: Y. Bengio, P. Simard, P. Frasconi, "Learning
long-term dependencies with gradient descent is difficult", IEEE Transactions on Neural Networks 5 (1994), 157-166, the
section on a minimal task.

The problem. One neuron x_t = tanh(w x_{t-1} + h_t) is to tell two classes of sequences apart at step T from what it
read at the steps 1 to L = 3. What it reads there, h_1 to h_3, one triple for each class, is learnt along with w: the
best that a layer below could hand up. After step L it reads noise, Gaussian with mean 0 and standard deviation 0.2. It
is to answer 0.8 or −0.8; the error is the squared difference. At the start w = 1.25, at which two states attract; the
h_t are uniform in ±1 (chosen here). 100 neurons, which differ in these; gradient descent on 20 sequences, ten of each
class, that are new at each of 5,000 updates; the rate is chosen beforehand, on another seed, of 0.01, 0.03, 0.1, 0.3, 1
as the one with which most succeed at T = 5.

A neuron **succeeds** where, after the last update, the sign of its answer is wrong for under 1 % of 10,000 new
sequences. Every criterion is one number and a bound on it. It **holds** where the trained neurons meet it and the same
neurons before training do not; before training about a quarter succeed by chance, both triples having the right sign.
"""

from __future__ import annotations

from unrolled.reproduce.claims import Criterion

NAME = "bengio1994"
LENGTHS = (5, 10, 15, 20, 30, 40, 50, 75, 100)
NEURONS, UPDATES, BATCH = 100, 5_000, 20
READ, NOISE, WEIGHT, TARGET = 3, 0.2, 1.25, 0.8
WRONG, SEQUENCES = 0.01, 10_000
SIGNIFICANT = 0.05

SHORT = Criterion(
    NAME,
    "success rate at T = 5",
    "converges for short sequences",
    "a minimal task; figure of the frequency of convergence against T",
    "Nine of ten.",
    least=0.9,
)
FALLS = Criterion(
    NAME,
    "p, one-sided, of Fisher's exact test that fewer succeed at T = 100 than at T = 5",
    "as T becomes large it is extremely difficult to attain convergence",
    "a minimal task; figure of the frequency of convergence against T",
    "The usual bound.",
    most=SIGNIFICANT,
)
HALF = Criterion(
    NAME,
    "success rate at T = 5 less that at T = 100",
    "as T becomes large it is extremely difficult to attain convergence",
    "a minimal task",
    "Half of all neurons or more: what is significant need not be large.",
    least=0.5,
)
POSSIBLE = Criterion(
    NAME,
    "share of all neurons which, trained at T = 5, succeed at T = 100 without further training",
    "such neurons can latch a bit for as long as one likes; it is descent over long spans that does not find them",
    "a minimal task and the section on latching to attractors",
    "Half.",
    least=0.5,
)
CRITERIA = (SHORT, FALLS, HALF, POSSIBLE)
