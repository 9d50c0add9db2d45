#!/usr/bin/env python3
"""Unrolled, from a fresh checkout. Needs Python 3.11 or newer with pip, and nothing else.

usage:
  python3 run.py demo               train a tiny language model for about a minute, let it write, draw it
  python3 run.py test [ARG ...]     run the tests; each ARG goes to pytest, for example: -k lstm
  python3 run.py setup [EXTRA ...]  only install, with these extras of pyproject.toml, for example: dev plot

Each installs what it needs into .venv the first time; after that it installs again only when
pyproject.toml, constraints.txt or the C++ core has changed. Where no NVIDIA GPU answers, it takes PyTorch's CPU build,
which is far smaller.
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Nothing in this file may be newer than the syntax of Python 3.6, or an old Python could not say even this.
if sys.version_info < (3, 11):  # noqa: UP036 - the whole point is to meet a Python that pip would refuse
    sys.exit(
        "Unrolled needs Python 3.11 or newer, and this is Python {}.{} ({}).\n"
        "Run it with a newer one, for example: python3.12 run.py demo".format(*sys.version_info[:2], sys.executable)
    )

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
INSTALLED = VENV / "unrolled-installed.json"  # what was installed, written when all of it was
INSTALLING = VENV / "unrolled-installing"  # there while an installation runs, and after one that was cut off
PROJECT = ROOT / "pyproject.toml"
CONSTRAINTS = ROOT / "constraints.txt"
CORE = (ROOT / "CMakeLists.txt", *sorted((ROOT / "csrc").glob("*")))  # what the C++ core is built from
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
INTERRUPTED = 130


class SetupError(Exception):
    """The end of this run: an exit status, and a message on what failed and what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


# Running commands


def say(*lines: object) -> None:
    """Print at once, so that our lines and those of the commands come in order even through a pipe."""
    print(*lines, sep="\n", flush=True)


def program(name: str, windows: bool = os.name == "nt") -> Path:
    """The path of a program in the virtual environment."""
    return VENV / "Scripts" / f"{name}.exe" if windows else VENV / "bin" / name


def run(*command: object) -> int:
    """Run a command in the checkout on our own terminal and return its exit status.

    Ctrl-C reaches the command too; it may take its time to save its work, and then the status is 130.
    """
    interrupted = False
    with subprocess.Popen([str(word) for word in command], cwd=str(ROOT)) as process:
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
    if interrupted:
        return INTERRUPTED
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def must(remedy: str, *command: object) -> None:
    """Run a command that the rest depends on, and stop if it fails."""
    status = run(*command)
    if status:
        raise SetupError(status, "Interrupted; the next run starts over." if status == INTERRUPTED else remedy)


def answers(*command: object) -> bool:
    """Whether a command can be run, ends well within half a minute and says something."""
    words = [str(word) for word in command]
    try:
        said = subprocess.check_output(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return False
    return bool(said.strip())


# What is installed


def inputs() -> str:
    """A hash of all that decides what an installation holds, and of the place that it points to."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (PROJECT, CONSTRAINTS, *(path for path in CORE if path.is_file())):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_stamp() -> tuple[str, set[str]]:
    """The inputs and the extras of the last complete installation; both empty if there was none."""
    try:
        stamp = json.loads(INSTALLED.read_text("utf-8"))
        return stamp["inputs"], set(stamp["extras"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", set()


def write_stamp(extras: list[str]) -> None:
    """Record an installation that is complete."""
    INSTALLED.write_text(json.dumps({"inputs": inputs(), "extras": extras}) + "\n", "utf-8")
    if INSTALLING.exists():
        INSTALLING.unlink()


def is_installed(extras: list[str]) -> bool:
    """Whether .venv holds this checkout as it is now, with at least these extras."""
    if INSTALLING.exists() or not (program("python").exists() and program("unrolled").exists()):
        return False
    recorded, present = read_stamp()
    return recorded == inputs() and present.issuperset(extras)


# Which torch


def gpu_answers() -> bool:
    """Whether NVIDIA's driver reports a GPU."""
    return answers("nvidia-smi", "-L")


def brings_cuda(plan: dict) -> bool:
    """Whether pip's plan (the report of `pip install --dry-run`) holds NVIDIA's libraries."""
    names = [item["metadata"]["name"].lower() for item in plan["install"]]
    return any(name.startswith(("nvidia-", "cuda-")) for name in names)


def plan_for_torch() -> dict:
    """What pip would install for torch, as its report; nothing where torch is there already."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "plan.json"
        pip("install", "--quiet", "--dry-run", "--report", report, "--constraint", CONSTRAINTS, "torch")
        return json.loads(report.read_text("utf-8"))


def install_torch() -> None:
    """Install PyTorch's CPU build where a plain installation would bring CUDA to a machine without a GPU."""
    if gpu_answers():
        say("An NVIDIA GPU answers: taking the build of PyTorch that pip offers.")
    elif brings_cuda(plan_for_torch()):
        say("No NVIDIA GPU answers: taking PyTorch's CPU build.")
        pip("install", "--index-url", CPU_INDEX, "--constraint", CONSTRAINTS, "torch")


# Installing


def pip(*arguments: object) -> None:
    """Run the pip of .venv."""
    remedy = "The installation failed; pip says why above. Mend that, then run the same command again."
    must(remedy, program("python"), "-m", "pip", "--disable-pip-version-check", *arguments)


def make_venv() -> None:
    """Make .venv, or make it anew if its Python or pip does not run or an installation in it was cut off."""
    if answers(program("python"), "-m", "pip", "--version") and not INSTALLING.exists():
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError(
            1,
            f"This Python ({sys.executable}) has no ensurepip, so it cannot make a virtual environment with pip.\n"
            "Install it, on Debian and Ubuntu with: sudo apt install python3-venv",
        )
    say("Making .venv")
    remedy = f"{VENV} could not be made; Python says why above. Mend that, then run the same command again."
    must(remedy, sys.executable, "-m", "venv", "--clear", VENV)


def check_extras(extras: list[str]) -> None:
    """Stop at an extra that pyproject.toml does not have: pip would only warn, in the midst of much else."""
    import tomllib

    known = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    for extra in extras:
        if extra not in known:
            raise SetupError(2, f"There is no extra '{extra}'; there are: {', '.join(known)}.")


def install(extras: list[str]) -> None:
    """Install the checkout into .venv, editable, with these extras and those installed before."""
    if is_installed(extras):
        return
    extras = sorted(read_stamp()[1].union(extras))
    make_venv()
    INSTALLING.touch()
    say("Installing Unrolled and what it needs; the first time this takes some minutes.")
    try:
        pip("install", "--quiet", "pip>=23.2")  # older ones download all of torch to plan for it
        install_torch()
        project = f".[{','.join(extras)}]" if extras else "."
        pip("install", "--constraint", CONSTRAINTS, "--editable", project)
    except SetupError as error:
        if error.status != INTERRUPTED:  # pip has undone what it began, so the environment is whole
            INSTALLING.unlink()
        raise
    write_stamp(extras)


# The commands


def free_run(runs: Path) -> Path:
    """The first of runs/demo, runs/demo-2, runs/demo-3 ... that does not exist."""
    path, number = runs / "demo", 2
    while path.exists():
        path, number = runs / f"demo-{number}", number + 1
    return path


def demo(arguments: list[str]) -> int:
    """Train the tiny preset, print a sample of what it writes, and draw it."""
    unrolled = program("unrolled")
    if arguments:
        raise SetupError(2, f"demo takes no arguments. To choose how to train: {unrolled} train --help")
    install([])
    name = free_run(ROOT / "runs").relative_to(ROOT)
    say("", f"Training a tiny model for about a minute, into {name}")
    status = run(unrolled, "train", "--preset", "tiny", "--run", name)
    if status:
        return status
    say("", "What it writes:", "")
    status = run(unrolled, "sample", name, "--length", "300", "--seed", "1")
    if status:
        return status
    picture = name / "network.svg"
    status = run(unrolled, "draw", name, "--steps", "3", "-o", picture)
    if status:
        return status
    command = unrolled.relative_to(ROOT)
    say("", f"Its picture is {picture}, its run is in {name}. Let it write more:")
    say(f"  {command} sample {name} --length 1000")
    return 0


def test(arguments: list[str]) -> int:
    """Run the tests on all cores; pytest takes the last of two values, so `-n 0` among the arguments wins."""
    install(["dev"])
    return run(program("python"), "-m", "pytest", "-n", "auto", *arguments)


def setup(arguments: list[str]) -> int:
    """Only install."""
    check_extras(arguments)
    install(arguments)
    say(f"Unrolled is installed: {program('unrolled')}")
    return 0


COMMANDS = {"demo": demo, "test": test, "setup": setup}


def main(arguments: list[str]) -> int:
    """Carry out one command and return the exit status."""
    usage = str(__doc__).strip()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        say(usage)
        return 0
    if arguments[0] not in COMMANDS:
        print(f"There is no command '{arguments[0]}'.\n\n{usage}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except SetupError as error:
        print(error, file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
