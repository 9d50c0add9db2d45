"""run.py decides what to install, and passes on what its commands say: no test here installs anything."""

import ast
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "run.py"
posix_only = pytest.mark.skipif(os.name == "nt", reason="stands in for programs with executable scripts")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose path has a space, with a .venv of stand-ins, and nothing recorded as installed."""
    root = tmp_path / "my checkout"
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / "run.py").write_bytes(SCRIPT.read_bytes())
    (root / "pyproject.toml").write_text("[project.optional-dependencies]\ndev = []\nplot = []\n")
    (root / "constraints.txt").write_text("torch==2.13.0\n")
    return root


@pytest.fixture
def script(checkout: Path) -> ModuleType:
    return load(checkout / "run.py")


def stand_in(checkout: Path, name: str, text: str) -> None:
    """Write a program that a test runs instead of the real one."""
    path = checkout / ".venv" / "bin" / name
    source = path.with_suffix(".py")
    source.write_text(f"import sys\n{text}\n")
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{source}" "$@"\n')
    path.chmod(0o755)


def plan(*names: str) -> dict:
    """What `pip install --dry-run --report` writes, as far as run.py reads it."""
    return {"version": "1", "install": [{"metadata": {"name": name, "version": "1.0"}} for name in names]}


class Commands:
    """Takes the place of run: remembers the commands and answers with chosen exit statuses."""

    def __init__(self, status: Callable[[list[str]], int] = lambda words: 0) -> None:
        self.status = status
        self.seen: list[list[str]] = []

    def __call__(self, *command: object) -> int:
        words = [str(word) for word in command]
        self.seen.append(words)
        return self.status(words)

    def installing(self) -> list[list[str]]:
        return [words for words in self.seen if "install" in words]


# Which torch


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["torch", "numpy", "sympy"], False),
        (["torch", "nvidia-cublas", "triton"], True),
        (["torch", "nvidia-cudnn-cu13"], True),
        (["torch", "cuda-bindings"], True),
        ([], False),
    ],
)
def test_a_plan_brings_cuda_when_it_holds_nvidia_libraries(script, names, expected):
    assert script.brings_cuda(plan(*names)) is expected


@pytest.mark.parametrize(
    ("gpu", "names", "cpu_build"),
    [
        (False, ["torch", "nvidia-cublas"], True),
        (False, ["torch", "numpy"], False),  # macOS, Windows, or a CPU build that pip finds by itself
        (False, [], False),  # torch is there already
        (True, ["torch", "nvidia-cublas"], False),
    ],
)
def test_the_cpu_build_is_taken_only_where_cuda_would_come_to_no_gpu(script, monkeypatch, gpu, names, cpu_build):
    commands = Commands()
    monkeypatch.setattr(script, "run", commands)
    monkeypatch.setattr(script, "gpu_answers", lambda: gpu)
    monkeypatch.setattr(script, "plan_for_torch", lambda: plan(*names))

    script.install_torch()

    indexed = [words for words in commands.seen if "--index-url" in words]
    assert bool(indexed) is cpu_build
    if cpu_build:
        (words,) = indexed
        assert words[words.index("--index-url") + 1] == "https://download.pytorch.org/whl/cpu"
        assert words[-1] == "torch"
        assert str(script.CONSTRAINTS) in words


def test_the_plan_is_what_pip_reports_for_the_pinned_torch(script, monkeypatch):
    def write_report(words: list[str]) -> int:
        assert "--dry-run" in words
        assert words[words.index("--constraint") + 1] == str(script.CONSTRAINTS)
        Path(words[words.index("--report") + 1]).write_text(json.dumps(plan("torch", "nvidia-nccl")))
        return 0

    monkeypatch.setattr(script, "run", Commands(write_report))
    assert script.brings_cuda(script.plan_for_torch())


@posix_only
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("print('GPU 0: NVIDIA H200')", True),
        ("print('NVIDIA-SMI has failed'); sys.exit(9)", False),  # a driver without a device
        ("", False),
    ],
)
def test_a_gpu_answers_when_nvidia_smi_lists_one(script, checkout, monkeypatch, text, expected):
    stand_in(checkout, "nvidia-smi", text)
    monkeypatch.setenv("PATH", str(checkout / ".venv" / "bin"))
    assert script.gpu_answers() is expected


def test_no_gpu_answers_without_nvidia_smi(script, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert script.gpu_answers() is False


# When to install


@pytest.fixture
def commands(script, checkout, monkeypatch) -> Commands:
    """All commands succeed, no GPU answers, and .venv has the programs that an installation leaves."""
    commands = Commands()
    script.program("python").parent.mkdir(parents=True, exist_ok=True)
    for name in ("python", "unrolled"):
        script.program(name).touch()
    monkeypatch.setattr(script, "run", commands)
    monkeypatch.setattr(script, "answers", lambda *command: "nvidia-smi" not in command)
    monkeypatch.setattr(script, "plan_for_torch", lambda: plan("torch"))
    return commands


def test_a_second_run_does_not_install_again(script, commands):
    script.install(["dev"])
    assert commands.installing()[-1][-2:] == ["--editable", ".[dev]"]
    commands.seen.clear()

    script.install(["dev"])
    script.install([])  # what is there is more than enough
    assert commands.seen == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_change_of_what_is_asked_for_installs_again_with_the_extras_of_before(script, commands, checkout, name):
    script.install(["dev"])
    commands.seen.clear()
    with (checkout / name).open("a") as file:
        file.write("# changed\n")

    script.install([])
    assert commands.installing()[-1][-1] == ".[dev]"


def test_a_further_extra_is_added_to_those_of_before(script, commands):
    script.install([])
    assert commands.installing()[-1][-1] == "."
    script.install(["dev"])
    script.install(["plot"])
    assert commands.installing()[-1][-1] == ".[dev,plot]"


def test_a_moved_checkout_installs_again(script, commands, checkout):
    script.install([])
    moved = checkout.rename(checkout.with_name("elsewhere"))
    assert not load(moved / "run.py").is_installed([])


@pytest.mark.parametrize("stamp", ["", "null", "[]", "{}", '{"inputs": 1}', "\0"])
def test_a_spoilt_stamp_counts_as_none(script, commands, stamp):
    script.INSTALLED.write_text(stamp)
    assert not script.is_installed([])
    script.install([])
    assert script.is_installed([])


@pytest.mark.parametrize("name", ["python", "unrolled"])
def test_a_program_that_has_gone_missing_is_installed_again(script, commands, name):
    script.install([])
    script.program(name).unlink()
    assert not script.is_installed([])


def test_an_interrupted_installation_starts_over(script, commands):
    commands.status = lambda words: 130 if "--editable" in words else 0
    with pytest.raises(script.SetupError, match="starts over") as caught:
        script.install([])
    assert caught.value.status == 130

    commands.status = lambda words: 0
    commands.seen.clear()
    script.install([])
    assert commands.seen[0][1:] == ["-m", "venv", "--clear", str(script.VENV)]
    assert script.is_installed([])


def test_a_failed_installation_passes_pips_status_on_and_keeps_what_was_there(script, commands):
    script.install([])
    commands.status = lambda words: 2 if "--editable" in words else 0
    with pytest.raises(script.SetupError, match="pip says why above") as caught:
        script.install(["dev"])
    assert caught.value.status == 2
    assert script.is_installed([])
    assert not script.is_installed(["dev"])


def test_a_python_without_ensurepip_is_told_what_to_install(script, commands, monkeypatch):
    monkeypatch.setattr(script, "answers", lambda *command: False)
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(script.SetupError, match="sudo apt install python3-venv"):
        script.install([])
    assert commands.seen == []


def test_an_unknown_extra_is_refused_with_those_there_are(script, commands, capsys):
    assert script.main(["setup", "plto"]) == 2
    assert "no extra 'plto'; there are: dev, plot" in capsys.readouterr().err
    assert commands.seen == []


# The commands


def test_the_test_command_takes_the_dev_extra_and_passes_arguments_and_status_on(script, commands):
    commands.status = lambda words: 5 if "pytest" in words else 0
    assert script.main(["test", "-k", "lstm", "-n", "0"]) == 5
    assert commands.installing()[-1][-1] == ".[dev]"
    assert commands.seen[-1] == [str(script.program("python")), "-m", "pytest", "-n", "auto", "-k", "lstm", "-n", "0"]


def test_a_demo_never_trains_into_a_directory_that_exists(script, tmp_path):
    names = []
    for _ in range(3):
        path = script.free_run(tmp_path / "runs")
        path.mkdir(parents=True)
        names.append(path.name)
    assert names == ["demo", "demo-2", "demo-3"]


def test_the_layout_of_windows(script):
    assert script.program("unrolled", windows=True) == script.VENV / "Scripts" / "unrolled.exe"
    assert script.program("unrolled", windows=False) == script.VENV / "bin" / "unrolled"


def test_alone_it_prints_help_and_an_unknown_command_is_a_usage_error(script, capsys):
    assert script.main([]) == 0
    usage = capsys.readouterr().out
    assert all(f"run.py {name}" in usage for name in script.COMMANDS)
    assert script.main(["dmeo"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no command 'dmeo'" in captured.err


def test_an_old_python_can_parse_the_file_and_is_told_what_is_needed():
    source = SCRIPT.read_text("utf-8")
    ast.parse(source, feature_version=(3, 7))
    pretend = "import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", pretend, SCRIPT], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Unrolled needs Python 3.11 or newer, and this is Python 3.9")


# As a user meets it: the real script in a process of its own, with a stand-in for the installed program


@pytest.fixture
def installed(checkout: Path) -> Path:
    """A checkout that run.py takes for installed."""
    stand_in(checkout, "python", "")
    script = load(checkout / "run.py")
    script.write_stamp([])
    return checkout


@posix_only
def test_the_demo_trains_then_samples_and_names_its_run(installed, tmp_path):
    stand_in(installed, "unrolled", "print('ran', *sys.argv[1:])")
    done = subprocess.run(
        [sys.executable, installed / "run.py", "demo"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line]
    assert lines == [
        "Training a tiny model for about a minute, into runs/demo",
        "ran train --preset tiny --run runs/demo",
        "What it writes:",
        "ran sample runs/demo --length 300 --seed 1",
        "ran draw runs/demo --steps 3 -o runs/demo/network.svg",
        "Its picture is runs/demo/network.svg, its run is in runs/demo. Let it write more:",
        "  .venv/bin/unrolled sample runs/demo --length 1000",
    ]


@posix_only
@pytest.mark.parametrize("command", ["train", "sample", "draw"])
def test_the_demo_stops_with_the_status_of_the_command_that_failed(installed, command):
    stand_in(installed, "unrolled", f"sys.exit(3 if sys.argv[1] == '{command}' else 0)")
    done = subprocess.run([sys.executable, installed / "run.py", "demo"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "its run is in" not in done.stdout


@posix_only
def test_after_ctrl_c_the_training_may_save_and_the_status_is_130(installed):
    stand_in(
        installed,
        "unrolled",
        "import signal, time\n"
        "try:\n"
        "    print('training', flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    time.sleep(1)\n"
        "    print('saved', flush=True)",
    )
    process = subprocess.Popen(
        [sys.executable, installed / "run.py", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.stdout.readline() != "training\n":
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does at Ctrl-C
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert rest == "saved\n"
    assert errors == ""
