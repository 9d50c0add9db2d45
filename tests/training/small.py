"""Small data of each kind of task, written to a folder, and options to train on them in float64."""

import json

import numpy as np

TEXT = "the quick brown fox.\njumps over the lazy dog; pack my box\n\nwith five dozen liquor jugs.\n" * 12
RNG = np.random.default_rng(0)
MODEL = {"recurrence": "gru", "layers": 1, "hidden": 5, "dtype": "float64", "learning_rate": 0.02, "device": "cpu"}


def language(folder, **options):
    (folder / "text.txt").write_text(TEXT)
    return {
        **MODEL, "text": str(folder / "text.txt"), "layers": 2, "batch": 5, "sequence_length": 7, "sample_length": 4,
        "evaluate_every": 10, "steps": 30, **options,
    }  # fmt: skip


def examples(folder, task, rows, **options):
    path = folder / f"{task}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    small = {"embedding": 3, "dropout": 0.0, "batch": 8, "steps": 30, "evaluate_every": 10}
    return {**MODEL, **small, "task": task, "data": str(path), **options}


def classify(folder, **options):
    words = ["".join(RNG.choice(list("abxy"), RNG.integers(1, 9))) for _ in range(91)]
    rows = [{"text": f"{word}{n}", "label": "x" if "x" in word else "y"} for n, word in enumerate(words)]
    return examples(folder, "classify", rows, **options)


def tag(folder, **options):
    rows = []
    for _ in range(40):
        words = [str(word) for word in RNG.choice(["a", "bb", "c"], RNG.integers(1, 6))]
        rows.append({"form": words, "upos": [word.upper() for word in words]})
    return examples(folder, "tag", rows, recurrence="lstm", **options)


def regress(folder, **options):
    frames = [RNG.normal(0, 1, (n, 2)) for n in RNG.integers(2, 7, 70)]
    rows = [{"frames": each.tolist(), "answer": float(each.sum())} for each in frames]
    return examples(folder, "regress", rows, input="frames", target="answer", **options)


def translate(folder, **options):
    rows = [{"text": f"{n:b}", "said": f"{n:o}"} for n in range(60)]
    return examples(folder, "translate", rows, target="said", **options)


def caption(folder, **options):
    rows = [{"pixels": [float(n), float(n % 3)], "said": f"{n:o}"} for n in range(60)]
    return examples(folder, "caption", rows, input="pixels", target="said", **options)
