"""Commands as real processes that can be killed, started by a server that loads torch once."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]
KILLED, STOPPED = -9, 130


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (-9 if killed, 130 after Ctrl-C), what it said, and the calls that it made."""

    code: int
    out: str
    err: str
    calls: list


class Server:
    """Starts commands; ``with`` it."""

    def __enter__(self):
        places = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": places, "NO_COLOR": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "survival.server"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.process.stdout.readline() != '"ready"\n':
            self.__exit__()
            raise RuntimeError("the server did not start")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, folder, arguments, name="command", **fault):
        """Begin ``unrolled ARGUMENTS`` in a folder; ``fault`` goes to ``Faults``. The process id."""
        return self._ask(folder=str(folder), name=name, arguments=arguments, fault=fault)

    def wait(self, process, folder, name="command"):
        """Wait until a command has ended."""
        code = self._ask(wait=process)
        calls = Path(folder, f"{name}.calls")
        said = [Path(folder, f"{name}.{ending}").read_text() for ending in ("out", "err")]
        return Ended(code, *said, json.loads(calls.read_text()) if code in (0, 1) and calls.exists() else [])

    def run(self, folder, arguments, **fault):
        """``start`` and ``wait``."""
        return self.wait(self.start(folder, arguments, **fault), folder)
