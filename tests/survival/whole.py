"""Small trainings, and all that a run consists of, to be compared with another to the last bit."""

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

from survival.processes import KILLED
from unrolled.checkpoint import RunDirectory
from unrolled.training.record import Record

CLOCK = ("seconds", "symbols_per_second", "evaluation_seconds")
COMMON = ["--run", "run", "--threads", "1", "--quiet", "--hidden", "5", "--layers", "1", "--learning-rate", "0.02"]
RESUME = ["train", "--resume", "run", "--quiet"]

LANGUAGE = [
    "train", "text.txt", "--recurrence", "gru", "--batch", "3", "--sequence-length", "7", "--dropout", "0.3",
    "--evaluate-every", "4", "--sample-length", "4", "--steps", "11", "--keep", "1", *COMMON,
]  # fmt: skip
EPOCHS = [
    "train", "text.txt", "--recurrence", "lstm", "--batch", "6", "--sequence-length", "20", "--update-every", "15",
    "--evaluate-every", "5", "--sample-length", "0", "--epochs", "2", "--keep", "2", "--dtype", "float64",
    "--schedule", "cosine", "--weight-decay", "0.1", *COMMON,
]  # fmt: skip
CLASSIFY = [
    "train", "--task", "classify", "--data", "films.csv", "--words", "--batch", "5", "--embedding", "4",
    "--evaluate-every", "3", "--epochs", "2", "--keep", "1", *COMMON,
]  # fmt: skip
ACCIDENTS = [  # nothing holds these states back: losses overflow, and the weights go back
    "train", "text.txt", "--recurrence", "h_t = U x_t + W h_{t-1}", "--batch", "3", "--sequence-length", "7",
    "--on-accident", "rollback", "--clip", "0", "--evaluate-every", "4", "--sample-length", "0", "--steps", "12",
    "--keep", "2", *COMMON[:-1], "3",
]  # fmt: skip
FORWARDS = [
    "train", "text.txt", "--recurrence", "gru", "--batch", "3", "--sequence-length", "7", "--gradient", "rtrl",
    "--documents", "; ", "--clipping", "adaptive", "--evaluate-every", "4", "--sample-length", "0", "--steps", "11",
    "--keep", "1", *COMMON,
]  # fmt: skip
TRAININGS = {
    "language": LANGUAGE, "epochs": EPOCHS, "classify": CLASSIFY, "accidents": ACCIDENTS, "forwards": FORWARDS,
}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """A training without a break: its command, the calls that it makes, and the run."""

    arguments: list
    calls: list
    whole: dict
    folder: Path

    @classmethod
    def of(cls, server, folder, arguments):
        ended = server.run(prepare(folder), arguments)
        assert ended.code == 0, ended.err
        return cls(arguments, ended.calls, whole(folder / "run"), folder)

    def moments(self, count):
        """The numbers of some calls: half of them inside a save, the others anywhere."""
        inside = [number for number, (_, _, saving) in enumerate(self.calls) if saving]
        outside = [number for number, (_, _, saving) in enumerate(self.calls) if not saving]
        return sorted([*spread(inside, count // 2), *spread(outside, count - count // 2)])


def spread(numbers, count):
    return [numbers[round(k * (len(numbers) - 1) / (count - 1))] for k in range(count)]


def go_on(server, folder, reference, **fault):
    """Resume a run that was killed; one that was killed while it was being made is started again, as it says."""
    ended = server.run(folder, RESUME, **fault)
    if ended.code == 1 and not Path(folder, "run", "config.json").exists():
        assert "without --resume" in ended.err or "does not exist" in ended.err
        ended = server.run(folder, reference.arguments, **fault)
    return ended


def survives(server, folder, reference, **fault):
    """What differs from the run without a break after a fault and a resumption."""
    ended = server.run(prepare(folder), reference.arguments, **fault)
    assert ended.code == KILLED, ended.err
    ended = go_on(server, folder, reference)
    assert ended.code == 0, ended.err
    return differences(whole(Path(folder, "run")), reference.whole)


def prepare(folder):
    """Put the data of the trainings into a folder."""
    folder.mkdir(exist_ok=True)
    text = "so it goes, and on it goes, and so on it goes; so it went, and on.\n" * 12
    Path(folder, "text.txt").write_text(text)
    draw = random.Random(1)
    words = {"pos": ["good", "fine", "great"], "neg": ["bad", "poor", "dull"]}
    lines = ["text,label"]
    for number in range(40):
        label = draw.choice(["pos", "neg"])
        lines.append(f"a {draw.choice(words[label])} film {number},{label}")
    Path(folder, "films.csv").write_text("\n".join(lines) + "\n")
    return folder


def whole(run):
    """All that a run consists of, but for what a clock said."""
    directory = RunDirectory.open(run)
    found = {"events": [timeless(event) for event in directory.history()]}
    for name in ("config", "vocabulary", "program"):
        found[name] = directory.read(name)
    for name in ("text", "data"):  # where they lie
        found["config"]["train"].pop(name)
    for step in directory.steps():
        checkpoint = directory.checkpoint(step)
        for part in ("model", "trainer"):
            arrays = getattr(checkpoint, part)
            found[f"{step} {part}"] = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}
        found[f"{step} progress"] = [timeless(checkpoint.progress), checkpoint.best]
    for folder in sorted(Path(run).glob("accidents/*")):
        record = Record.read(folder)
        found[folder.name] = {name: value for name, value in record.about.items() if name != "options"}
        for part in ("weights", "batch"):
            found[f"{folder.name} {part}"] = {n: (a.shape, a.tobytes()) for n, a in getattr(record, part).items()}
    found["best"] = hashlib.sha256(directory.best_model.read_bytes()).hexdigest()
    found["files"] = sorted(str(path.relative_to(run)) for path in Path(run).rglob("*"))
    return found


def timeless(event):
    return {name: value for name, value in event.items() if name not in CLOCK}


def differences(found, expected):
    """The names of what differs, and the first events that do; empty if nothing does."""
    names = [name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)]
    if "events" in names:
        pairs = [p for p in zip(found["events"], expected["events"], strict=False) if p[0] != p[1]]
        names.append(json.dumps([len(found["events"]), len(expected["events"]), *pairs[:1]]))
    if "files" in names:
        names.append(str(set(found["files"]) ^ set(expected["files"])))
    return names
