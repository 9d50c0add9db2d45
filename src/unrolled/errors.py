"""Every exception that Unrolled raises.

    UnrolledError
    ├── EquationError           the text of a recurrence: position, cause, remedy
    │   └── SizeError           sizes that contradict each other or cannot be inferred
    ├── TargetError             a step, name or parameter that the recurrence does not have
    ├── ProgramError            an instruction list that does not hold together
    ├── BackendError            a forced backend cannot serve this call
    ├── ConfigurationError      options of a run that do not fit together
    ├── DataError               a text or a data file
    │   └── UnknownSymbolError  a symbol that the vocabulary does not know
    ├── CheckpointError         a run directory that is missing, damaged or from another version
    └── ProcessError            another process that trains the same model has failed or is gone

A message says what happened, why, and what to write instead.
"""

from __future__ import annotations


class UnrolledError(Exception):
    """The root: ``except UnrolledError`` catches whatever the package raises on purpose."""


class EquationError(UnrolledError, ValueError):
    """A text that is no recurrence.

    ``source`` is the text, ``start`` and ``end`` the offending characters in it (end exclusive);
    the message shows the line with a caret below. ``None`` where no place is to blame.
    """

    def __init__(self, message: str, source: str | None = None, start: int | None = None, end: int | None = None):
        self.message, self.source, self.start, self.end = message, source, start, end
        super().__init__(message if source is None or start is None else f"{message}\n{caret(source, start, end)}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.source, self.start, self.end)


class SizeError(EquationError):
    """Sizes that contradict each other, or that cannot be inferred and were not given."""


class TargetError(UnrolledError, ValueError):
    """A step, a name or a parameter that the recurrence does not have."""


class ProgramError(UnrolledError, ValueError):
    """An instruction list that does not hold together."""


class BackendError(UnrolledError, RuntimeError):
    """A backend was forced that cannot serve this call."""


class ConfigurationError(UnrolledError, ValueError):
    """Options of a run that are unknown or do not fit together."""


class DataError(UnrolledError, ValueError):
    """A text or a data file that cannot be used."""


class UnknownSymbolError(DataError):
    """A symbol that the vocabulary of the model does not know."""


class CheckpointError(UnrolledError, RuntimeError):
    """A run directory that is missing, damaged, in use, or from another version."""


class ProcessError(UnrolledError, RuntimeError):
    """Another process that trains the same model has failed, in which case it ``reported`` why, or it is gone."""

    def __init__(self, message: str, reported: bool = False):
        self.reported = reported
        super().__init__(message)


def caret(source: str, start: int, end: int | None = None) -> str:
    """The line of ``source`` that holds character ``start``, with a caret line below it.

    >>> print(caret("h_t = tahn(x_t)", 6, 10))
      h_t = tahn(x_t)
            ^^^^
    """
    start = min(max(start, 0), len(source))
    first = source.rfind("\n", 0, start) + 1
    last = source.find("\n", start)
    last = len(source) if last < 0 else last
    width = max(1, min(end if end is not None else start + 1, last) - start)
    # a long line is shown as a window around the place
    cut = max(first, start - 60)
    line = source[cut : min(last, cut + 120)].replace("\t", " ")
    marks = "^" * min(width, max(1, len(line) - (start - cut)))
    return f"  {line}\n  {' ' * (start - cut)}{marks}"
