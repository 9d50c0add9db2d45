"""A loss, a gradient or an update that is not finite: it reaches neither the weights nor the optimiser's moments.

What then happens is the policy of the run. "stop": training ends. "skip": the batch is left out. "rollback": back to
the last snapshot, or to the one before it where less than 20 good updates lie between two accidents. "random-step": a
step of the length of the clipping threshold in a random direction, away from the wall (Goodfellow, Bengio & Courville
2016, section 10.11.1). After the last three the next batch follows. Where the weights themselves are not finite, the
last finite ones come back first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from unrolled.checkpoint.tensors import module_arrays, optimiser_arrays
from unrolled.errors import CheckpointError
from unrolled.training.clipping import shorten
from unrolled.training.events import Accident
from unrolled.training.job import Job
from unrolled.training.record import MOST, Record, batch_arrays
from unrolled.training.snapshots import EVERY, Snapshot, finite
from unrolled.training.task import Arrays

IN_A_ROW = 10  # accidents without a good update between them, with which training stops
SAFE = 1e9  # with smaller rates and gradients nothing that Adam computes comes near the largest float32


@dataclass(frozen=True)
class Attempt:
    """An update as it was tried: the loss, the gradient's norm before clipping, the learning rate, the threshold of
    clipping, and torch's generators as they were before."""

    loss: float
    norm: float
    rate: float
    threshold: float
    random: Mapping[str, Tensor]

    @property
    def kind(self) -> Literal["loss", "gradient", "update"]:
        """What is not finite."""
        if not math.isfinite(self.loss):
            return "loss"
        return "update" if math.isfinite(self.norm) else "gradient"

    @property
    def what(self) -> str:
        """The same in words."""
        return {
            "loss": f"the loss is {self.loss}",
            "gradient": f"the gradient's norm is {self.norm}",
            "update": f"an update with the learning rate {self.rate:g} makes weights or moments that are not finite",
        }[self.kind]


def prepared(job: Job) -> None:
    """Before an update: something to go back to."""
    if job.config.on_accident != "stop" and not job.snapshots.taken:
        job.snapshots.take(job.task.layer, job.optimiser, job.step)


def settled(job: Job) -> None:
    """After a good update. One that may still be gone back over does not end a row of accidents."""
    policy = job.config.on_accident
    if policy != "stop":
        job.snapshots.passed(job.task.layer, job.optimiser, job.step)
    if policy != "rollback" or job.snapshots.good == 0:
        job.accidents = 0


def updated(job: Job, attempt: Attempt, norm: Tensor) -> bool:
    """Clip, and make one step of the optimiser; False, and nothing is changed, where what it makes is not finite."""
    if attempt.kind != "update":
        return False
    layer, optimiser, config = job.task.layer, job.optimiser, job.config
    shorten(layer.parameters(), config.clipping, attempt.threshold, norm)
    grows = attempt.rate * config.weight_decay > 2  # the decay turns the weights over, and makes them longer
    risky = grows or max(attempt.rate, attempt.norm) > SAFE
    before = Snapshot.of(layer, optimiser, job.step) if risky else None
    optimiser.step()
    if before is None or finite(layer, optimiser):
        return True
    before.restore(layer, optimiser)
    return False


def accident(job: Job, attempt: Attempt) -> Accident:
    """Record it, and go on with the next batch as the policy says, or leave everything as it is to stop."""
    job.accidents += 1
    hopeless = _hopeless(job)
    policy = "stop" if hopeless is not None else job.config.on_accident
    folder, remark = _recorded(job, attempt, policy)
    begin = f"{attempt.what} at step {job.step + 1}"
    if hopeless is not None:
        message = f"{begin}{hopeless}, so training stopped; {_remedy(job)}"
    else:
        message = f"{begin}: {_go_on(job)}"
    step = job.step + (hopeless is not None)
    return Accident(step, attempt.loss, attempt.norm, message + remark, policy, folder)


def _hopeless(job: Job) -> str | None:
    """Why training cannot go on, as the end of a clause; None if it can."""
    if job.config.on_accident == "stop":
        return ""
    if job.accidents >= IN_A_ROW:
        between = f"{EVERY} good updates" if job.config.on_accident == "rollback" else "a good update"
        return f", the {IN_A_ROW}th accident without {between} between them"
    if not job.snapshots.taken and not finite(job.task.layer, job.optimiser):
        return ", the weights are not finite, and no finite ones are in memory"
    return None


def _remedy(job: Job) -> str:
    saved, policy = job.run.steps(), job.config.on_accident
    begin = f"go on from step {saved[-1]} with --resume {job.run.path} and" if saved else "start again with"
    other = ", or --on-accident rollback" if policy in ("skip", "random-step") else ""
    return f"{begin} a smaller --learning-rate or --clip{other}"


def _go_on(job: Job) -> str:
    """Do what the policy says, and say it."""
    layer, optimiser, policy = job.task.layer, job.optimiser, job.config.on_accident
    anew = policy == "rollback" or not finite(layer, optimiser)
    done = "the batch is skipped"
    if anew:
        done += f", back to the weights of step {job.snapshots.back(layer, optimiser).step}"
    if policy == "random-step":
        length = min(job.config.clip or 1.0, SAFE)
        _random_step(job, length)
        done += f", then a random step of length {length:g}"
    job.step += 1
    job.position = job.position.after(job.task.steps_per_epoch)
    job.task.reject(job.position, anew)
    return done


def _random_step(job: Job, length: float) -> None:
    parameters = list(job.task.layer.parameters())
    with job.randomness(), torch.no_grad():
        directions = [torch.randn_like(each) for each in parameters]
        job.ranks.spread(directions)
        scale = length / get_total_norm(directions)
        for each, direction in zip(parameters, directions, strict=True):
            each.add_(direction * scale)


def _recorded(job: Job, attempt: Attempt, policy: str) -> tuple[str | None, str]:
    """The folder of the record, or None and why there is none."""
    batch = job.task.batch(job.position)
    return job.ranks.told(lambda: _written(job, attempt, policy, batch))


def _written(job: Job, attempt: Attempt, policy: str, batch: Arrays) -> tuple[str | None, str]:
    layer, position = job.task.layer, job.position
    bad = {
        "parameters": [name for name, each in layer.named_parameters() if not torch.isfinite(each).all()],
        "gradients": [name for name, each in layer.named_parameters() if not _good(each.grad)],
    }
    about = {
        "what": attempt.what, "kind": attempt.kind, "loss": attempt.loss, "gradient_norm": attempt.norm,
        "step": job.step + 1, "epoch": position.epoch, "window": position.window, "policy": policy,
        "seed": job.config.seed, "learning_rate": attempt.rate, "threshold": attempt.threshold, "not_finite": bad,
        "device": str(job.device), "torch": torch.__version__, "options": job.config.to_dict(),
    }  # fmt: skip
    found = job.task.trace(batch, attempt.random)
    about["trace"] = None if found is None else found.to_dict()
    moments = optimiser_arrays(job.optimiser) if attempt.kind == "update" else {}
    record = Record(about, {**module_arrays(layer), **moments}, batch_arrays(batch, attempt.random))
    try:
        folder = record.write(job.run.path)
    except CheckpointError as error:
        return None, f" (it could not be recorded: {error})"
    if folder is None:
        return None, f" (it is not recorded: {MOST} are, in {job.run.path / 'accidents'}; delete some of them)"
    return str(folder), ""


def _good(gradient: Tensor | None) -> bool:
    return gradient is None or bool(torch.isfinite(gradient).all())
