"""What Le, Jaitly & Hinton 2015 say of the adding problem, and what must be measured here for it to hold.

Written before any network was trained; never changed afterwards. Source: Q. V. Le, N. Jaitly, G. E. Hinton, "A simple
way to initialize recurrent networks of rectified linear units", arXiv 1504.00941 (2015), the section on the adding
problem and its figure.

The problem. At each of T steps a network reads a number, uniform in [0, 1], and a mark, which is 1 at two steps and
else 0; after the last step it is to say the sum of the two marked numbers; the measure is the mean squared error.

**Answering 1 makes exactly 1/6.** A number U uniform in [0, 1] has E U = 1/2, E U² = ∫ u² du = 1/3, hence the variance
1/3 − 1/4 = 1/12. For two independent ones E (U + U') = 1 and var (U + U') = 1/12 + 1/12 = 1/6. The mean of a number is
the constant with the least mean squared error, and that error is the variance: no constant does better than 1/6 =
0.1667. The paper gives "around 0.1767". (U + U' − 1)² itself has the variance 1/15 − 1/36 = 7/180, U + U' − 1 having
the density 1 − |s| on [−1, 1]: on 10,000 sequences a constant's error differs from 1/6 by 0.0020 (standard error).

Networks of 100 hidden units, batches of 16, gradients clipped; tanh and LSTM (bias of the forget gate 1) start uniform
in ±1/√100; IRNN: rectified, W = I, biases 0, all else normal with standard deviation 0.001. T = 150 and 200; three
networks of each kind. Chosen here, the paper being silent: one mark in each half of the sequence, anywhere in it.

The budget. The paper trains by plain gradient descent for up to millions of updates on 100,000 sequences, and reports
the best of a grid of rates, clippings and forget biases. Here there are at most 10,000 updates, by Adam, on sequences
that are new each time, clipped to norm 1; the rate of each kind is chosen beforehand, on another seed (100), at T =
150, of 0.0001, 0.0003, 0.001, 0.003, 0.01 as the one with which it reaches 1/60 earliest or else the least error. The
error is measured every 200 updates on new sequences; a network has **solved** the problem, and stops, where it is at
most 1/60, a tenth of what a constant makes.

Each criterion is one number and a bound on it. It **holds** where more than half of the networks (or their median)
meet it and none of the same networks before training does (or their median does not).
"""

from __future__ import annotations

import math

from unrolled.reproduce.claims import Criterion

NAME = "le2015"
LENGTHS = (150, 200)
NETWORKS, UPDATES, EVERY = 3, 10_000, 200
HIDDEN, BATCH, THRESHOLD, FORGET = 100, 16, 1.0, 1.0
SEQUENCES = 10_000
CONSTANT = 1 / 6
SOLVED = CONSTANT / 10
ERROR = math.sqrt(7 / 180 / SEQUENCES)  # standard error of a constant's mean squared error

BASELINE = Criterion(
    NAME,
    f"distance from 1/6 of the mean squared error of answering 1, on {SEQUENCES:,} sequences",
    "around 0.1767",
    "the adding problem, second paragraph",
    "Three standard errors, for the value that is proved above.",
    most=3 * ERROR,
)
IRNN = {
    length: Criterion(
        NAME,
        f"mean squared error of the IRNN, T = {length}",
        "well below the constant's",
        "the adding problem; figure, T = 150 to 400",
        "A tenth of 1/6.",
        most=SOLVED,
    )
    for length in LENGTHS
}
LSTM = {
    length: Criterion(
        NAME,
        f"mean squared error of the LSTM, T = {length}",
        "well below the constant's",
        "the adding problem; figure, T = 150 and 200",
        "A tenth of 1/6.",
        most=SOLVED,
    )
    for length in LENGTHS
}
TANH = {
    length: Criterion(
        NAME,
        f"median error of the IRNN over that of tanh after the same updates at most, T = {length}",
        "tanh networks struggle from T = 150 on, where IRNNs converge",
        "the adding problem; figure",
        "A quarter: the tanh network makes four times the error.",
        most=0.25,
    )
    for length in LENGTHS
}
AS_GOOD = {
    length: Criterion(
        NAME,
        f"updates in which the IRNN solves it over those of the LSTM, medians, T = {length}",
        "the convergence of IRNNs is as good as that of LSTMs",
        "the adding problem, last paragraph",
        "At most half as many again; a network that does not solve it counts as infinitely many.",
        most=1.5,
    )
    for length in LENGTHS
}
HARDER = Criterion(
    NAME,
    "updates in which the IRNN solves it at the greatest length over those at the least, medians",
    "the problem gets harder as T increases",
    "the adding problem, third paragraph",
    "More updates at the greater length.",
    above=1.0,
)
CRITERIA = (BASELINE, *IRNN.values(), *LSTM.values(), *TANH.values(), *AS_GOOD.values(), HARDER)
