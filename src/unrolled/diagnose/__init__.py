"""Why a network behaves as it does: measured on the trained network, on real data."""

from unrolled.diagnose.truncation import Bias, TruncationBias, truncation_bias

__all__ = ["Bias", "TruncationBias", "truncation_bias"]
