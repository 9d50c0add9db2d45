"""What lectures say for tanh, and what must be measured for it to hold.

Written before any of these networks was trained; never changed afterwards. The cell is h_t = φ(U x_t + W h_{t-1} +
b), the same run with φ = tanh, σ, relu, hard tanh = clip(·, −1, 1), identity: the same seed, so the same first U, W,
b. A claim holds where the median over the seeds says so; about what training does, an untrained network must not say
so as well.
"""

from __future__ import annotations

from unrolled.reproduce.claims import Claim

CENTRED = 0.1  # of a mean activation: its distance from 0
HALF = 0.5  # what σ answers where its argument is 0; within 0.2
NEAR = 0.2
QUARTER = 4.0  # sup tanh′ / sup σ′: by how much more a gradient can shrink in each step, ln 4 nats at most
HALF_OF_IT = 0.5  # of these ln 4 nats, at least so many in fact
MARGIN = 0.02  # nats per character: a difference below is none
GROWS = 1.0  # a bounded unit cannot leave [−1, 1]

ZERO_CENTRED = Claim(
    "tanh is centred at zero, σ is not",
    "mean activation over units, lanes and steps: tanh, σ",
    f"tanh within ±{CENTRED}, σ within {HALF} ± {NEAR}",
)
VANISHES = Claim(
    "gradients vanish faster through σ, since σ′ ≤ 1/4 and tanh′ ≤ 1",
    "leading Lyapunov exponent of tanh less that of σ before training, in nats per step",
    "≥ ln 4 / 2 = 0.69",
)
BOUNDED = Claim(
    "relu and the identity can explode, tanh cannot",
    "largest |h| met on the held-out text: relu and identity above 1, tanh, σ and hard tanh never",
    "as said",
)
LINEAR = Claim(
    "without a non-linearity a network cannot tell what depends on combinations",
    "nats per character of the identity less those of tanh",
    f"> {MARGIN}",
)
BEST_BOUNDED = Claim(
    "tanh learns better than σ",
    "nats per character of σ less those of tanh",
    f"> {MARGIN}",
)
HARD = Claim(
    "hard tanh does as well, and is cheaper",
    "nats per character of hard tanh less those of tanh",
    f"within ±{MARGIN}",
)
RELU = Claim(
    "relu, the first choice in networks without time, is not the better one here",
    "nats per character of relu less those of tanh",
    f"≥ −{MARGIN}",
)
CLAIMS = (ZERO_CENTRED, VANISHES, BOUNDED, LINEAR, BEST_BOUNDED, HARD, RELU)
