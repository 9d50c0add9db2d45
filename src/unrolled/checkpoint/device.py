"""Which device a model lives on."""

from __future__ import annotations

import torch

from unrolled.errors import ConfigurationError


def device_of(name: torch.device | str) -> torch.device:
    """The device of that name, "auto" for a GPU if torch finds one; raises ConfigurationError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for the device
        reason = str(error).splitlines()[0]
        raise ConfigurationError(f"--device {name} cannot be used: {reason}; write --device cpu") from error
    return device
