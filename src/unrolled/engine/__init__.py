"""Executing programs in torch; ``verify`` compares a derivation with torch's autograd."""

from unrolled.engine.dispatch import Choice, explain_choice
from unrolled.engine.verify import verify

__all__ = ["Choice", "explain_choice", "verify"]
