"""Several processes that train one model: those that torchrun started, on one machine or on more.

The gradients are summed after the backward pass, all parameters at once. DistributedDataParallel would give all shares
of a batch the same weight, which is wrong where they differ in size; it wants one call of ``forward``, where a model
here is called once for each stretch of a window, by ``logits``; and what it gains, summing one gradient while the next
is computed, is nothing where every gradient is complete only at the end, as in backpropagation through time.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from unrolled.errors import ConfigurationError, ProcessError, UnrolledError
from unrolled.training.ranks import ALONE, Ranks, several

Value = TypeVar("Value")

PATIENCE = timedelta(days=1)  # the others wait while the first one measures; one that died is noticed at once
PAUSE = 1e-4  # seconds between two looks at a sum on GPUs


@contextmanager
def joined() -> Iterator[Ranks]:
    """Inside the block, the processes that torchrun started; ``ALONE`` where it did not start any others.

    Raises:
        ProcessError: another process has died. This one must end, too.
    """
    if not several():
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    with _hearing():
        try:
            dist.init_process_group(backend, timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise ProcessError(
                f"the processes of this run do not find each other: {_line(error)}; start them with "
                "torchrun --nproc-per-node NUMBER -m unrolled -- train ..."
            ) from error
        yield Processes(dist.get_rank(), dist.get_world_size())
        dist.destroy_process_group()  # not after an error: it might wait for what never comes


class Processes(Ranks):
    """This process, ``rank`` of ``count``, which torch.distributed connects with the others."""

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count

    def device(self, name: str) -> str:
        """See ``Ranks``: a GPU for each process."""
        if name.startswith("cuda:"):
            raise ConfigurationError(
                f"--device {name} is one GPU for {self.count} processes; write --device cuda, and each takes its own"
            )
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        if name != "cuda" or not torch.cuda.is_available():
            return name
        local, processes = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
        if processes > torch.cuda.device_count():
            raise ConfigurationError(
                f"there are {processes} processes on this machine, and {torch.cuda.device_count()} GPUs; start as many "
                "processes as there are GPUs, or write --device cpu"
            )
        torch.cuda.set_device(local)
        return f"cuda:{local}"

    def summed(self, parameters: Iterable[Tensor], loss: Tensor, symbols: int) -> tuple[float, int]:
        """See ``Ranks``. A process whose share is empty has no gradients; a parameter without one in all stays so."""
        parameters = list(parameters)
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        like = gradients[0]
        counts = like.new_tensor([*(float(each.grad is not None) for each in parameters), float(symbols)])
        parts = [*gradients, counts, loss.detach().to(like)]
        flat = torch.cat([each.flatten() for each in parts])
        self._sum(flat)
        *sums, counts, loss = flat.split([each.numel() for each in parts])
        *present, symbols = counts.round().long().tolist()
        for parameter, gradient, some in zip(parameters, sums, present, strict=True):
            parameter.grad = gradient.view_as(parameter) if some else None
        return loss.item(), symbols

    def _sum(self, flat: Tensor) -> None:
        with _connected():
            work = dist.all_reduce(flat, async_op=True)
            assert work is not None  # it is None only for who is not in the group
            while flat.is_cuda and not work.is_completed():  # waiting inside torch no signal would be heard
                time.sleep(PAUSE)
            work.wait()

    def any(self, flag: bool) -> bool:
        """See ``Ranks``."""
        found = torch.tensor(int(flag))
        with _connected():
            dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found)

    def gathered(self, value: Value) -> Sequence[Value]:
        """See ``Ranks``."""
        found: list[Any] = [None] * self.count
        with _connected():
            dist.all_gather_object(found, value)
        return found

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """See ``Ranks``."""
        with _connected(), torch.no_grad():
            for each in tensors:
                dist.broadcast(each, src=0)

    def told(self, make: Callable[[], Value]) -> Value:
        """See ``Ranks``."""
        value, error = _attempt(make) if self.first else (None, None)
        said = [(value, error)]
        with _connected():
            dist.broadcast_object_list(said, src=0)
        heard, failure = said[0]
        if failure is not None:
            raise error or _reported(failure)
        return value if self.first else heard  # type: ignore[return-value]  # None only if that is what it gave

    def agreed(self, make: Callable[[], Value]) -> Value:
        """See ``Ranks``."""
        value, error = _attempt(make) if self.first else (None, None)
        failed = self.any(error is not None)
        if not failed and not self.first:  # what the first one keeps in a cache is there now
            value, error = _attempt(make)
        errors = self.gathered(error)
        for rank, failure in enumerate(errors):
            if failure is not None:
                raise error if error is not None and rank == self.rank else _reported(failure)
        return value  # type: ignore[return-value]  # see told

    def shared(self, error: UnrolledError) -> UnrolledError:
        """See ``Ranks``."""
        return error if self.first else _reported(error)


def _attempt(make: Callable[[], Value]) -> tuple[Value | None, UnrolledError | None]:
    """What it gives, or its error."""
    try:
        return make(), None
    except UnrolledError as error:
        return None, error


def _reported(error: UnrolledError) -> ProcessError:
    return ProcessError(str(error), reported=True)


@contextmanager
def _connected() -> Iterator[None]:
    """Say it in our words where another process is gone."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessError("another process of this run has ended, killed or out of memory perhaps") from error


@contextmanager
def _hearing() -> Iterator[None]:
    """Inside the block SIGTERM, which torchrun sends to all when one has died, is a ProcessError as well."""
    if threading.current_thread() is not threading.main_thread():  # only there can signals be heard
        yield
        return

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise ProcessError("this process was told to end, as torchrun does when another one of the run has died")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # until what is wrong has been said, after which it ends
        raise
    signal.signal(signal.SIGTERM, before)


def _line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
