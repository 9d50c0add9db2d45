"""What each of several processes does for test_ranks.py, started by torchrun: some trainings, one after the other.

Each process has a folder of its own, FOLDER/RANK, in which runs and what it saw are written.
"""

import json
import os
import sys
from pathlib import Path

import torch

from unrolled.errors import ConfigurationError, UnrolledError
from unrolled.training import loop
from unrolled.training.config import resolve
from unrolled.training.processes import joined

CLOCK = ("seconds", "symbols_per_second")
JOBS = []  # all that were begun here


def watch():
    """Keep the jobs of trainings, which are otherwise theirs alone."""
    for name in ("begin", "reopen"):
        original = getattr(loop, name)
        setattr(loop, name, lambda *given, make=original: JOBS.append(make(*given)) or JOBS[-1])


def timeless(event):
    return {name: value for name, value in event.items() if name not in CLOCK}


def followed(begin, broken=False):
    """What happens in a training, at last the error; ``broken`` spoils an example once it has started."""
    found = []
    try:
        for event in begin():
            if event.kind == "started" and broken:
                JOBS[-1].task.training.inputs[3][1, 0] = float("nan")
            if event.kind != "evaluating":
                found.append(timeless(event.to_dict()))
    except UnrolledError as error:
        found.append({"error": str(error), "reported": getattr(error, "reported", None)})
    return found


def training(ranks, options=None, resume=None, changes=None, stop_at=None, broken=False):
    """Train or resume; the second process alone asks to stop after a step."""

    def stop():
        return ranks.rank == 1 and stop_at is not None and JOBS[-1].step >= stop_at

    if resume is None:
        return followed(lambda: loop.train(resolve(options), stop=stop, ranks=ranks), broken)
    return followed(lambda: loop.resume(resume, changes, stop=stop, ranks=ranks), broken)


def talk(ranks):
    """What the processes tell each other."""

    def fails(in_rank):
        def make():
            if ranks.rank == in_rank:
                raise ConfigurationError(f"rank {ranks.rank} cannot")
            return ranks.rank

        return make

    found = {
        "told": ranks.told(lambda: ranks.rank + 10),
        "agreed": ranks.agreed(lambda: ranks.rank + 10),
        "gathered": list(ranks.gathered({"rank": ranks.rank})),
        "any": [ranks.any(False), ranks.any(ranks.rank == 1), ranks.any(True)],
    }
    for name, do in {"told fails": lambda: ranks.told(fails(0)), "first fails": lambda: ranks.agreed(fails(0)),
                     "second fails": lambda: ranks.agreed(fails(1))}.items():  # fmt: skip
        try:
            do()
        except UnrolledError as error:
            found[name] = [type(error).__name__, str(error)]
    used, other, unused = (torch.zeros(2, 3, dtype=torch.float64) for _ in range(3))
    used.grad = torch.full((2, 3), ranks.rank + 1.0, dtype=torch.float64)
    other.grad = torch.tensor([[1.0, 2, 3], [4, 5, 6]], dtype=torch.float64) if ranks.rank else None
    loss, symbols = ranks.summed([used, other, unused], torch.tensor(0.5 + ranks.rank), 3 - ranks.rank)
    found["summed"] = [loss, symbols, used.grad.tolist(), other.grad.tolist(), unused.grad]
    spread = torch.tensor([float(ranks.rank)])
    ranks.spread([spread])
    return found | {"spread": spread.item()}


def main(folder):
    scenarios = json.loads(Path(folder, "scenarios.json").read_text())
    with joined() as ranks:
        own = Path(folder, str(ranks.rank))
        own.mkdir(exist_ok=True)
        os.chdir(own)
        torch.set_num_threads(1)
        watch()
        seen = {name: training(ranks, **scenario) for name, scenario in scenarios.items()}
        seen["talk"] = talk(ranks)
        Path(folder, f"seen-{ranks.rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
