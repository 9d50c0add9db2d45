"""Executing programs in torch; ``verify`` compares a derivation with torch's autograd."""

from unrolled.engine.verify import verify

__all__ = ["verify"]
