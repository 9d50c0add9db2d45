"""``ur.Recurrence``: a recurrent network from its equations, the one object that a user holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from unrolled.equations.library import load
from unrolled.equations.sizes import Size
from unrolled.equations.system import System

if TYPE_CHECKING:
    from unrolled.explain.derivation import Derivation
    from unrolled.explain.drawing.drawing import Drawing
    from unrolled.explain.expression import Expression
    from unrolled.explain.marking.verdict import Verdict
    from unrolled.explain.tape import Tape


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
        return Recurrence.from_system, (self.system,)

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

    # what follows explains the equations; numpy is loaded only here

    def expand(self, target: str, initial: Mapping[str, float] | None = None, named: bool = False) -> Expression:
        """``target``, such as y_2, in terms of inputs, parameters and first states.

        ``initial`` sets first states; with ``named`` every sequence at every step is a line of its own.

        Raises:
            TargetError: there is no such sequence or step, or the nested formula would fill many pages.

        >>> Recurrence("elman").expand("y_1", initial={"h": 0})
        softmax(V tanh(U x_1 + W tanh(U x_0)))
        """
        from unrolled.explain.expression import expand

        return expand(self.system, target, initial, named)

    def tape(
        self,
        target: str,
        wrt: str | tuple[str, ...] | None = None,
        sizes: Mapping[str, int] | None = None,
        seed: Any = None,
        initial: Mapping[str, float] | None = None,
        mode: Literal["reverse", "forward"] = "reverse",
    ) -> Tape:
        """The Wengert list of ``target`` at a numbered step, with the adjoint of each value.

        Scalars by default, as in a worked exercise; matrices where ``sizes`` are given, and then a vector target takes
        a ``seed`` v of its size, for vᵀ ∂target/∂θ. ``wrt`` names the leaves that are asked for (all by default).

        Raises:
            TargetError: there is no such target or leaf, or a vector target has no seed.

        >>> tape = Recurrence("h_t = tanh(U x_t)").tape("h_0").evaluate({"U": 0.5, "x_0": 2.0})
        >>> print(round(float(tape.gradient("U")), 6), "= 2 (1 - tanh(1)²)")
        0.839949 = 2 (1 - tanh(1)²)
        """
        from unrolled.explain.taping import tape

        return tape(self.system, target, wrt, sizes, seed, initial, mode)

    def derive(
        self,
        target: str,
        wrt: str,
        form: Literal["matrix", "scalar"] = "matrix",
        initial: Mapping[str, float] | None = None,
    ) -> Derivation:
        """∂target/∂wrt: the closed form at a numbered step, the forward recursion (RTRL), the backward one (BPTT).

        Raises:
            TargetError: there is no such target or quantity; the message lists what there is.

        >>> print(Recurrence("elman").derive("h_1", "U", form="scalar", initial={"h": 0}).closed)
        (1 - h_1^2) (x_1 + W (1 - h_0^2) x_0)
        """
        from unrolled.explain.derivation import derive

        return derive(self.system, target, wrt, form, initial)

    def jacobian(
        self,
        target: str,
        wrt: str,
        form: Literal["matrix", "scalar"] = "matrix",
        initial: Mapping[str, float] | None = None,
    ) -> Expression:
        """∂h_t/∂h_{t-1} in terms of the sequences at these steps, or between numbered steps.

        Of several states at t-1 the others are held fixed; between numbered steps everything follows.

        Raises:
            TargetError: there is no such target or state.

        >>> Recurrence("elman").jacobian("h_t", "h_{t-1}")
        diag(1 - h_t^2) W
        """
        from unrolled.explain.derivation import jacobian

        return jacobian(self.system, target, wrt, form, initial)

    def check(
        self,
        claim: str,
        initial: Mapping[str, float] | None = None,
        form: Literal["matrix", "scalar"] | None = None,
    ) -> Verdict:
        """Mark an answer: an expansion, a derivative, or the rows of a tape in the student's own numbering.

        Lines are separated by ``;`` or line breaks; ``initial`` sets first states. With form None a formula may be
        meant for matrices or for one unit; with "matrix" the formula for one unit is wrong. A text that cannot be read
        gets the mark "unreadable".

        Raises:
            TargetError: the left side is nothing that these equations compute; the message lists what there is.

        >>> Recurrence("elman").check("h_1 = tanh(U x_1 + W tanh(U x_1))", initial={"h": 0}).message
        'x_1 stands here; right is x_0.'
        """
        from unrolled.explain.marking.marking import check

        return check(self.system, claim, initial, form)

    def draw(
        self,
        steps: int | str | tuple[int, int] | None = None,
        *,
        layers: int = 1,
        bidirectional: bool = False,
        topology: str | None = None,
        **options: Any,
    ) -> Drawing:
        """The graph as a picture: folded, or unrolled for so many ``steps``; in a notebook it shows itself.

        ``layers``, ``bidirectional`` and ``topology`` (such as "many-to-one") draw a network of this recurrence; the
        other ``options`` are those of ``explain.drawing.drawing.draw``: truncation, detail, elide, grouped, values,
        adjoints.

        Raises:
            ConfigurationError: options that make no picture.

        >>> Recurrence("elman").draw(steps=3)
        <A recurrent network, unrolled in time: 10 nodes, 9 arrows>
        """
        from unrolled.explain.drawing.drawing import draw, network_of

        return draw(network_of(self.system, layers, bidirectional, topology), steps, **options)
