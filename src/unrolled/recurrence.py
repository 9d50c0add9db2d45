"""``ur.Recurrence``: a recurrent network from its equations, the one object that a user holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unrolled.equations.library import load
from unrolled.equations.sizes import Size
from unrolled.equations.system import System


class Recurrence:
    r"""A recurrence from its equations, one a line or separated by ``;``, or a library cell by name.

    Args:
        *equations: the text, as on the blackboard (plain, Unicode or LaTeX).
        outputs: names of the sequences to return; by default the last-defined one on which no state depends.
        names: words of several letters that are one name each.

    Raises:
        EquationError: the text is no recurrence; the message shows the place, the cause and the remedy.

    >>> elman = Recurrence("h_t = tanh(U x_t + W h_{t-1})", "y_t = softmax(V h_t)")
    >>> elman.inputs, elman.states, elman.outputs, elman.parameters
    (('x',), ('h',), ('y',), ('U', 'W', 'V'))
    >>> elman == Recurrence("elman") == Recurrence(r"\mathbf{h}_t = \tanh(Ux_t + Wh_{t-1}) \\ y_t = softmax(Vh_t)")
    True
    """

    __slots__ = ("system",)
    system: System

    def __init__(self, *equations: str, outputs: Iterable[str] | None = None, names: Iterable[str] = ()) -> None:
        object.__setattr__(self, "system", load("\n".join(equations), outputs, names))

    @classmethod
    def from_system(cls, system: System) -> Recurrence:
        """The facade of an existing System."""
        made = cls.__new__(cls)
        object.__setattr__(made, "system", system)
        return made

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a recurrence is immutable")

    def __str__(self) -> str:
        return str(self.system)

    def __repr__(self) -> str:
        return f"Recurrence({', '.join(repr(line) for line in str(self).splitlines())})"

    def __eq__(self, other: object) -> bool:
        return self.system == other.system if isinstance(other, Recurrence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.system)

    def __reduce__(self) -> tuple[object, ...]:
        return Recurrence, (str(self),)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Sequences that no equation defines."""
        return self.system.inputs

    @property
    def states(self) -> tuple[str, ...]:
        """Sequences that are used one step later."""
        return self.system.states

    @property
    def intermediates(self) -> tuple[str, ...]:
        """Defined sequences that are neither state nor output."""
        return self.system.intermediates

    @property
    def outputs(self) -> tuple[str, ...]:
        """The sequences that a layer returns."""
        return self.system.outputs

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names without time that are trained."""
        return self.system.parameters

    @property
    def sizes(self) -> Mapping[str, Size]:
        """The size of each sequence: a number, a free size, or a sum."""
        return self.system.sizes
