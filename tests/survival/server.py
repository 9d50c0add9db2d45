"""Starts commands as processes of their own, each forked from this one, which has loaded all that they need.

A request is a line of JSON on standard input, an answer one on standard output.
"""

import gc
import json
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

from survival.faults import Faults, install

MODULES = (
    "answering",
    "generation",
    "training.loop",
    "cli.display",
    "cli.predict",
    "cli.runs",
    "cli.sample",
    "cli.train",
)


def load():
    for name in MODULES:
        import_module(f"unrolled.{name}")
    from unrolled.nn import language_model

    language_model("gru", vocabulary=2, hidden=2)  # once for all: it compiles the equations
    gc.freeze()


def command(folder, name, arguments, fault):
    """The command in a folder of its own; its output in the files NAME.out, NAME.err and NAME.calls."""
    os.chdir(folder)
    for number, path in enumerate((os.devnull, f"{name}.out", f"{name}.err")):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
    from unrolled.cli import main

    faults = Faults(Path(folder, "run"), **fault)
    install(faults)
    try:
        code = main(arguments)
        sys.stdout.flush()
        Path(f"{name}.calls").write_text(json.dumps(faults.calls))
    except SystemExit as end:  # Ctrl-C while nothing is there to save yet
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.stderr.flush()
    os._exit(code)


def serve():
    load()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
            continue
        process = os.fork()
        if process == 0:
            command(**request)
        print(json.dumps(process), flush=True)


if __name__ == "__main__":
    serve()
