"""Files of a run that were changed: each is refused with a reason, or reads as if nothing had been changed."""

import json
import random
import re
import shutil
from collections import Counter

import pytest
import torch

from survival.whole import ACCIDENTS, prepare
from unrolled.checkpoint import RunDirectory, load
from unrolled.checkpoint import format as files
from unrolled.checkpoint.listing import summary
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import CheckpointError, UnrolledError
from unrolled.generation.writer import open_writer
from unrolled.training.record import Record
from unrolled.training.replay import replay
from unrolled.training.setup import reopen

# in place of a number, a text or a type in a header or document
TOKENS = [
    b"null", b"true", b"0", b"-1", b"7", b"1e999", b"NaN", b"1.0", b"9" * 20, b"9" * 5000, b'""', b'"F64"', b'"BF16"',
    b'"I32"', b'"BOOL"', b'"F4"', b"[]", b"{}", b"[0]", b"[1, 0]", b"[" * 5000, b'"\\ud800"', b"\xff", b"",
]  # fmt: skip
TOKEN = re.compile(rb'-?\d[\d.e+-]*|"[^"]*"|\[[^\[\]]*\]')
LENGTHS = [0, 1, 8, 2**31, 2**40, 2**63, 2**64 - 1]


def place(draw, data, wide=1):
    """Somewhere in the data, where there is room for ``wide`` bytes."""
    return draw.randrange(max(1, len(data) - wide + 1))


def flip(draw, data):
    data = bytearray(data)
    data[place(draw, data)] ^= 1 << draw.randrange(8)
    return bytes(data)


def several_flips(draw, data):
    for _ in range(draw.randrange(2, 20)):
        data = flip(draw, data)
    return data


def cut(draw, data):
    return data[: place(draw, data)]


def cut_off_the_beginning(draw, data):
    return data[1 + place(draw, data) :]


def stretch(draw, data):
    begin = place(draw, data)
    return begin, min(len(data), begin + draw.choice([1, 2, 7, 8, 60, 512]))


def leave_out(draw, data):
    begin, end = stretch(draw, data)
    return data[:begin] + data[end:]


def insert(draw, data):
    at = place(draw, data)
    return data[:at] + draw.randbytes(draw.choice([1, 2, 8, 100])) + data[at:]


def double(draw, data):
    begin, end = stretch(draw, data)
    return data[:end] + data[begin:end] + data[end:]


def zeros(draw, data):
    begin, end = stretch(draw, data)
    return data[:begin] + bytes(end - begin) + data[end:]


def exchange(draw, data):
    wide = min(draw.choice([1, 4, 16]), len(data) // 2)
    one, other = sorted((place(draw, data, wide), place(draw, data, wide)))
    one, other = one, max(other, one + wide)
    moved = data[other : other + wide], data[one + wide : other], data[one : one + wide]
    return data[:one] + b"".join(moved) + data[other + wide :]


def other_token(draw, data):
    """A document or a header that may be well formed and says something else."""
    found = [match.span() for match in TOKEN.finditer(data[:5000])]
    begin, end = draw.choice(found) if found else (0, 0)
    return data[:begin] + draw.choice(TOKENS) + data[end:]


def other_length(draw, data):
    """As the length of the header."""
    length = draw.choice([*LENGTHS, len(data), len(data) - 8, draw.randrange(2 * len(data))])
    return length.to_bytes(8, "little") + data[8:]


CHANGES = (
    flip, several_flips, cut, cut_off_the_beginning, leave_out, insert, double, zeros, exchange, other_token,
    other_length,
)  # fmt: skip


class Run:
    """A run that is changed file by file; ``data`` is what its files hold."""

    def __init__(self, path):
        self.path = path
        self.data = {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*.[js]*") if file.is_file()}
        self.data.pop("metrics.jsonl")
        self.content = {name: self.read(name) for name in self.data}

    def read(self, name):
        """What is read of a file, with the files that belong to it."""
        run = RunDirectory.open(self.path)
        folder, _, file = name.rpartition("/")
        if folder.startswith("checkpoints"):
            found = run.checkpoint(int(folder.removeprefix("checkpoints/")))
            return [plain(each) for each in (found.model, found.trainer, found.progress, found.best)]
        if folder:
            found = Record.read(self.path / folder)
            return [plain(each) for each in (found.about, found.weights, found.batch)]
        if file == "vocabulary.json":
            return plain(run.read_symbols(Vocabulary.from_json).to_json())
        return plain(run.read(name.removesuffix(".json"))) if file.endswith(".json") else plain(run.read_best())

    def use(self, name):
        """What a user does with a run: look at it, write with it, go on with it, see an accident again."""
        yield lambda: summary(self.path)
        yield lambda: load(self.path)
        yield lambda: open_writer(self.path)
        yield lambda: reopen(self.path).run.unlock()
        if name.startswith("accidents"):
            yield lambda: replay(self.path / name.rpartition("/")[0])

    def put(self, name, data):
        self.path.joinpath(name).write_bytes(data)

    def restore(self):
        for name, data in self.data.items():
            self.path.joinpath(name).parent.mkdir(exist_ok=True)
            self.put(name, data)

    def verdict(self, name, data):
        """ "refused" or "harmless", of a file in place of which other data stand; anything else raises."""
        self.put(name, data)
        summary(self.path)  # says what is wrong and never raises
        found, reason = refused(lambda: self.read(name), CheckpointError)
        assert str(self.path) in reason if reason else found == self.content[name]
        return "refused" if reason else "harmless"


def refused(use, kind=UnrolledError):
    """What came of it, and the reason where it was refused with one."""
    try:
        return use(), ""
    except kind as error:
        return None, str(error) or pytest.fail("no reason")


def plain(value):
    """Something that equals nothing else, as text."""
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if any(hasattr(each, "tobytes") for each in value.values()):
        return {name: (each.dtype.str, each.shape, each.tobytes()) for name, each in value.items()}
    return json.dumps(value, sort_keys=True)


@pytest.fixture(scope="module")
def made(server, tmp_path_factory):
    """Two runs that differ in their seeds only."""
    found = []
    for seed in ("1", "2"):
        folder = prepare(tmp_path_factory.mktemp(f"seed{seed}"))
        ended = server.run(folder, [*ACCIDENTS, "--seed", seed])
        assert ended.code == 0, ended.err
        found.append(Run(folder / "run"))
    return found


@pytest.fixture
def run(made, tmp_path):
    torch.set_num_threads(1)
    shutil.copytree(made[0].path, tmp_path / "run")
    return Run(tmp_path / "run")


def test_the_run_has_files_of_every_kind(run):
    kinds = Counter(re.sub(r"/\d+/", "/STEP/", name) for name in run.data)
    checkpoint, accident = (
        {f"{folder}/STEP/{name}" for name in names}
        for folder, names in (
            ("checkpoints", ["manifest.json", "model.safetensors", "trainer.safetensors"]),
            ("accidents", ["record.json", "weights.safetensors", "batch.safetensors"]),
        )
    )
    documents = {"config.json", "vocabulary.json", "program.json", "model.safetensors"}
    assert set(kinds) == {*documents, *checkpoint, *accident}
    assert min(kinds[name] for name in checkpoint | accident) >= 2
    for use in run.use("accidents/5/record.json"):
        use()


def change_files(run, seed, count, used_every):
    """Change one file after the other, and count what came of it; some are also used as users do."""
    draw, verdicts = random.Random(seed), Counter()
    for number in range(count):
        name = draw.choice(list(run.data))
        data = run.data[name]
        while data == run.data[name]:  # where two equal bytes are exchanged nothing is changed
            data = draw.choice(CHANGES)(draw, data)
        verdicts[run.verdict(name, data)] += 1
        if number % used_every == 0:
            verdicts["refused in use"] += sum(bool(refused(use)[1]) for use in run.use(name))
            run.restore()
        run.put(name, run.data[name])
    return verdicts


def test_no_changed_file_is_believed(run):
    verdicts = change_files(run, seed=0, count=3000, used_every=100)
    assert verdicts["refused"] > 2900


@pytest.mark.long
def test_no_changed_file_is_believed_of_very_many(run):
    verdicts = change_files(run, seed=1, count=100_000, used_every=50)
    print(f"of 100,000 changed files {dict(verdicts)}")


def test_another_file_of_the_run_is_not_taken_for_one(run):
    """A model of a checkpoint in place of the best one is what it says: the model of that step."""
    for name in run.data:
        for other, data in run.data.items():
            if name == "model.safetensors" and re.match(r"checkpoints/\d+/model", other):
                run.put(name, data)
                arrays, about = RunDirectory.open(run.path).read_best()
                assert str(about["step"]) == other.split("/")[1]
                assert plain(arrays) == run.content[other][0]
            elif data != run.data[name]:
                assert run.verdict(name, data) == "refused", (name, other)
        run.put(name, run.data[name])


def test_a_file_of_another_run_is_not_taken_for_one(run, made):
    same = {name for name, data in made[1].data.items() if run.data.get(name) == data}
    assert same == {"vocabulary.json", "program.json"}
    for name in run.data.keys() & made[1].data.keys() - same:
        if name == "config.json":  # what it says holds no more, as the other files are not of its run
            run.put(name, made[1].data[name])
            assert all(run.verdict(each, run.data[each]) == "refused" for each in run.data if "checkpoints" in each)
        else:
            assert run.verdict(name, made[1].data[name]) == "refused", name
        run.put(name, run.data[name])


def test_a_whole_checkpoint_of_another_run_is_refused(run, made):
    newest = run.path / "checkpoints" / "12"
    shutil.rmtree(newest)
    shutil.copytree(made[1].path / "checkpoints" / "12", newest)
    with pytest.raises(CheckpointError, match=r"manifest\.json is not the one .* of another run.*go on from step 8"):
        reopen(run.path)


def test_another_vocabulary_of_the_same_size_is_refused(run):
    symbols = run_symbols(run)
    changed = {"kind": "characters", "symbols": [*symbols[:-1], chr(ord(symbols[-1]) + 1)]}
    assert run.verdict("vocabulary.json", files.document_bytes(changed)) == "refused"


def run_symbols(run):
    return RunDirectory.open(run.path).read("vocabulary")["symbols"]


def test_another_version_is_refused_by_name(run, monkeypatch):
    for name, data in run.data.items():
        monkeypatch.setattr(files, "FORMAT", 1)
        read = files.read_document if name.endswith(".json") else files.read_tensors
        content = read(run.path / name)
        monkeypatch.setattr(files, "FORMAT", 2)
        newer = files.document_bytes(content) if name.endswith(".json") else files.tensor_bytes(*content)
        monkeypatch.setattr(files, "FORMAT", 1)
        run.put(name, newer)
        with pytest.raises(CheckpointError, match="has format 2, and this version of unrolled reads format 1"):
            read(run.path / name)
        assert run.verdict(name, newer) == "refused"
        run.put(name, data)
