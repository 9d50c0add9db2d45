"""Real-time recurrent learning and its sparse approximations: the gradient of each step at that step."""

from unrolled.training.online.gradient import OnlineGradient, OnlineState, OnlineStep

__all__ = ["OnlineGradient", "OnlineState", "OnlineStep"]
