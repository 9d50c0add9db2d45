"""Why a network behaves as it does: measured on the trained network, on real data."""

from unrolled.diagnose.flow import Flow, GradientFlow, gradient_flow
from unrolled.diagnose.horizon import InfluenceHorizon, influence_horizon, receptive_field
from unrolled.diagnose.jacobians import JacobianReport, jacobian_report
from unrolled.diagnose.linear import LinearReport, linear_report, surely_vanishes, transient_example
from unrolled.diagnose.lyapunov import LyapunovSpectrum, lyapunov_spectrum
from unrolled.diagnose.truncation import Bias, TruncationBias, truncation_bias

__all__ = [
    "Bias",
    "Flow",
    "GradientFlow",
    "InfluenceHorizon",
    "JacobianReport",
    "LinearReport",
    "LyapunovSpectrum",
    "TruncationBias",
    "gradient_flow",
    "influence_horizon",
    "jacobian_report",
    "linear_report",
    "lyapunov_spectrum",
    "receptive_field",
    "surely_vanishes",
    "transient_example",
    "truncation_bias",
]
