"""``unrolled diagnose``: what it prints of hidden states."""

from __future__ import annotations

from unrolled.cli.colouring import print_coloured
from unrolled.cli.lines import escaped, unescaped
from unrolled.cli.output import printable, say
from unrolled.diagnose.state_space import StateSpace
from unrolled.diagnose.states import Activation, unit_name
from unrolled.diagnose.token_tree import TokenTree
from unrolled.diagnose.units import ERRORS, LEAD, Tracker, Trackers
from unrolled.diagnose.what_if import Curve, WhatIf
from unrolled.errors import ConfigurationError

BRANCHES = 8  # of the tree of tokens, in words
ROWS = (0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 70, 99)  # steps of a change that are printed


def show_activation(found: Activation) -> None:
    """The text in the colours of one unit."""
    say(f"{found.unit}, from {min(found.values):.2f} to {max(found.values):.2f}\n")
    print_coloured(found.symbols, found.values)


def show_units(found: Trackers) -> None:
    """A table of all predicates, and the text in the colours of the units that are worth a name."""
    say(
        f"Of {found.units:,} units the one that follows each of these best: chosen on the first half of "
        f"{found.symbols:,} symbols,\nscored on the second; beside it the best of {found.controls} untrained networks, "
        "and the symbol alone.\n"
    )
    say(f"{'':<28}  {'unit':<14}  score  untrained  symbol   ahead by")
    for each in found.trackers:
        say(_tracker_row(each))
    if found.rare:
        say(f"\nToo rare in this text to be scored: {', '.join(found.rare)}.")
    if not found.activations:
        say(f"\nNothing nameable was found: no unit is ahead by {LEAD} and by {ERRORS:g} standard errors.")
        return
    say(f"\n* ahead by {LEAD} and by {ERRORS:g} standard errors:")
    for title, values in found.activations.items():
        say(f"\n{title}")
        print_coloured(found.piece, values)


def _tracker_row(each: Tracker) -> str:
    name = ("−" if each.sign < 0 else "") + unit_name(each.state, each.unit)
    return (
        f"{each.predicate:<28}  {name:<14}  {each.score:5.2f}  {each.control:9.2f}  {each.symbol:6.2f}   "
        f"{each.lead:+.2f} ± {each.error:.2f}{' *' if each.clear else ''}"
    )


def show_states(found: StateSpace) -> None:
    """How many directions the states fill, trained and not."""
    rows = {"trained": found.trained, **{f"untrained {n + 1}": each for n, each in enumerate(found.controls)}}
    size = found.trained.components.mean.shape[0]
    say(f"The state {found.state}, {size:,} units, after each of {found.read:,} symbols.\n")
    say(f"{'':<12}  variance along 1st, 2nd  directions for 90 %  directions that are filled")
    for name, space in rows.items():
        parts = space.components
        shares = ", ".join(f"{share:.0%}" for share in parts.shares[:2])
        say(f"{name:<12}  {shares:>23}  {parts.needed():19}  {parts.dimension:26.1f}")


def show_tokens(found: TokenTree) -> None:
    """How well the tree keeps letters of a kind together, and its largest branches."""
    controls = ", ".join(f"{each:.2f}" for each in found.control_purities)
    kinds = ", ".join(dict.fromkeys(found.classes.values()))
    say(f"The mean of {found.state} at each of {len(found.classes)} tokens, joined by distance.\n")
    say(f"The tree keeps {kinds} apart with purity {found.purity:.2f}.")
    say(f"Untrained: {controls or 'not measured'}; names shuffled: {found.chance:.2f}.\n")
    for branch in found.tree.cut(BRANCHES):
        say("  " + " ".join("␣" if name == " " else escaped(name) for name in branch.names))


def show_what_if(found: WhatIf) -> None:
    """How far states and predictions have moved, at some steps, and how fast that fades."""
    change = f"{_quoted(found.instead)} in place of {_quoted(found.was)} at position {found.position:,}"
    say(f"{change}; in brackets 10 % to 90 % of all {found.others} changes.\n")
    say("step  symbol  distance of states   divergence, bits     probability moved    likeliest next")
    states, symbols = [*found.states.values()][-1], (found.instead, *found.symbols[1:])
    for step in [row for row in ROWS if row < len(found.symbols)]:
        columns = "  ".join(f"{_at(curve, step):<19}" for curve in (states, found.divergence, found.variation))
        before, after = map(_quoted, found.likeliest[step])
        likeliest = f"{before} → {after}" if before != after else before
        say(f"{step:4}  {_quoted(symbols[step]):<6}  {columns}  {likeliest}")
    say("")
    for name, curve in (*found.states.items(), ("the prediction", found.variation)):
        gone = curve.forgotten()
        when = f"below a tenth from step {gone} on" if gone is not None else "never below a tenth for good"
        say(f"{name}: {when}; rate {curve.rate:+.3f} nats a step")
    print()
    print_coloured(symbols, found.variation.values)


def read_change(text: str) -> tuple[int, str]:
    r"""The position and the symbol of ``--what-if``.

    Raises:
        ConfigurationError: it is written otherwise.

    >>> read_change("120=x"), read_change(r"-7=\n")
    ((120, 'x'), (-7, '\n'))
    """
    position, equals, symbol = text.partition("=")
    try:
        return int(position), _symbol(equals, symbol)
    except ValueError:
        raise ConfigurationError(
            rf"--what-if is {text!r}; it must be a position, counted from 0, and what stands there instead, as in "
            r"120=x (120=\n for a line break)"
        ) from None


def _symbol(equals: str, symbol: str) -> str:
    if not equals or not symbol:
        raise ValueError
    return unescaped(symbol, "--what-if")


def _at(curve: Curve, step: int) -> str:
    return f"{curve.values[step]:.3f} ({curve.low[step]:.3f}–{curve.high[step]:.3f})"


def _quoted(symbol: str) -> str:
    return f"'{escaped(printable(symbol))}'"
