"""The command ``unrolled``: one file per command, loaded when it is asked for.

Results go to stdout, progress and messages to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 3 a check not met,
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App

from unrolled import __version__
from unrolled.errors import ConfigurationError, EquationError, ProcessError, TargetError, UnrolledError

OK, FAILED, USAGE, NOT_MET, INTERRUPTED = 0, 1, 2, 3, 130

# Cyclopts takes a lone "-" for an option without a name; no path or text that a user types can equal this stand-in.
STANDARD_INPUT = "\x00-"

TRAIN = """Train a model that writes, on a text, or one that answers, describes or translates, on examples.

Ctrl-C saves, and --resume goes on from there. A flag wins over --config, which wins over --preset.
"""


def application() -> App:
    """The commands and their one-line descriptions; nothing of them is loaded yet."""
    app = App(
        name="unrolled",
        help="Recurrent networks from their equations.",
        version=__version__,
        result_action="return_value",
    )
    app.command("unrolled.cli.train:train", help=TRAIN)
    app.command("unrolled.cli.sample:sample", help="Let a trained model write.")
    app.command("unrolled.cli.eval:evaluate", name="eval", help="Measure how well a trained model predicts.")
    app.command("unrolled.cli.runs:runs", help="List runs: how far they are, how well they do, which are running.")
    app.command("unrolled.cli.hello:hello", help="Train the smallest network that writes, and watch it write.")
    app.command("unrolled.cli.predict:predict", help="Let a trained model answer: with classes, numbers or texts.")
    app.command("unrolled.cli.expand:expand", help="Write a sequence at a step in terms of the inputs so far.")
    app.command("unrolled.cli.tape:tape", help="List every value that is computed, and the adjoint of each.")
    app.command("unrolled.cli.derive:derive", help="Derive a sequence: closed form, forward and backward recursion.")
    app.command("unrolled.cli.jacobian:jacobian", help="Derive a sequence with respect to the state one step before.")
    app.command("unrolled.cli.check:check", help="Mark an answer: an expansion, a derivative, the rows of a tape.")
    app.command("unrolled.cli.draw:draw", help="Draw the graph of a recurrence, folded or unrolled in time.")
    app.command("unrolled.cli.diagnose:diagnose", help="Measure why a trained model behaves as it does.")
    app.command("unrolled.cli.report:report", help="Write one page on a trained model, with pictures.")
    app.command("unrolled.cli.replay:replay", help="See again where a loss or a gradient stopped being finite.")
    app.command("unrolled.cli.reproduce:reproduce", help="Measure again what is said of these networks.")
    app.command("unrolled.cli.doctor:doctor", help="Say what runs here: versions, the native core, what is forced.")
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = application()([STANDARD_INPUT if token == "-" else token for token in arguments])
        sys.stdout.flush()
        return code if isinstance(code, int) else OK
    except BrokenPipeError:
        # the reader has what it wanted; what is still in the buffer must not raise again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return INTERRUPTED
    except UnrolledError as error:
        if "--debug" in arguments:
            raise
        if not (isinstance(error, ProcessError) and error.reported):
            print(f"unrolled: {error}", file=sys.stderr)
        return USAGE if isinstance(error, ConfigurationError | EquationError | TargetError) else FAILED


def from_user(text: str) -> str:
    """An argument as the user wrote it."""
    return "-" if text == STANDARD_INPUT else text
