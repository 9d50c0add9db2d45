"""Running a saved model without torch: a stack of recurrences with its read-out, which reads and writes symbols."""

from unrolled.native.writing import Sampling
from unrolled.runtime.model import Model, Written

__all__ = ["Model", "Sampling", "Written"]
