"""Why a network behaves as it does: measured on the trained network, on real data."""

from unrolled.diagnose.clustering import Branch, cluster
from unrolled.diagnose.flow import Flow, GradientFlow, gradient_flow
from unrolled.diagnose.horizon import InfluenceHorizon, influence_horizon, receptive_field
from unrolled.diagnose.jacobians import JacobianReport, jacobian_report
from unrolled.diagnose.limits import Finding, Summary, summarise
from unrolled.diagnose.linear import LinearReport, linear_report, surely_vanishes, transient_example
from unrolled.diagnose.lyapunov import LyapunovSpectrum, lyapunov_spectrum
from unrolled.diagnose.state_space import StateSpace, state_space
from unrolled.diagnose.states import Activation, HiddenStates, activation, hidden_states, states_of
from unrolled.diagnose.token_tree import TokenTree, token_tree
from unrolled.diagnose.truncation import Bias, TruncationBias, truncation_bias
from unrolled.diagnose.units import Tracker, Trackers, find_trackers
from unrolled.diagnose.what_if import WhatIf, what_if

__all__ = [
    "Activation",
    "Bias",
    "Branch",
    "Finding",
    "Flow",
    "GradientFlow",
    "HiddenStates",
    "InfluenceHorizon",
    "JacobianReport",
    "LinearReport",
    "LyapunovSpectrum",
    "StateSpace",
    "Summary",
    "TokenTree",
    "Tracker",
    "Trackers",
    "TruncationBias",
    "WhatIf",
    "activation",
    "cluster",
    "find_trackers",
    "gradient_flow",
    "hidden_states",
    "influence_horizon",
    "jacobian_report",
    "linear_report",
    "lyapunov_spectrum",
    "receptive_field",
    "state_space",
    "states_of",
    "summarise",
    "surely_vanishes",
    "token_tree",
    "transient_example",
    "truncation_bias",
    "what_if",
]
