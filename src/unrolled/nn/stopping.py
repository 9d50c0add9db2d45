"""How what writes knows when to stop: three ways, each a proper distribution over finite sequences.

Shapes. Scores (…, V + extra) over V symbols; outcomes (…, V + 1), log-probabilities of the symbols and, last, of the
end; remaining (…,) int64, how many symbols are still to come; a context (B, c).

Each way says p(w_1 … w_n | C) for every n, so that −log p of the same sequence can be compared between them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from unrolled.errors import ConfigurationError

STOPS = ("end", "probability", "length")
UNITS = 32  # between the context and the scores of the lengths


class Stop(nn.Module):
    """How to know when to stop.

    ``extra`` is how many scores it needs beyond those of the symbols, ``width`` the size of what it wants read beside
    each symbol (0: nothing). ``longest`` and ``context`` are None unless the length is drawn first: then the longest,
    and the size of the context from which it is drawn; only then is ``remaining`` known and needed.
    """

    extra = 1
    width = 0
    longest: int | None = None
    context: int | None = None

    def outcomes(self, scores: Tensor, remaining: Tensor | None = None) -> Tensor:
        """The log-probabilities (…, V + 1) of the symbols and of the end, from the scores (…, V + extra)."""
        raise NotImplementedError

    def beside(self, remaining: Tensor) -> Tensor:
        """What is read beside the symbol (…, width)."""
        raise NotImplementedError

    def lengths(self, context: Tensor) -> Tensor | None:
        """The log-probabilities (B, longest + 1) of each length; None where the length is not drawn first."""
        return None


class EndSymbol(Stop):
    """One symbol more, the end: softmax over V + 1.

    >>> EndSymbol().outcomes(torch.zeros(3)).exp()
    tensor([0.3333, 0.3333, 0.3333])
    """

    def outcomes(self, scores: Tensor, remaining: Tensor | None = None) -> Tensor:
        """log softmax of the scores."""
        return functional.log_softmax(scores, -1)


class EndProbability(Stop):
    """At each step first the end, with the probability σ(e); if it is not, a symbol from softmax over V.

    >>> EndProbability().outcomes(torch.zeros(3)).exp()
    tensor([0.2500, 0.2500, 0.5000])
    """

    def outcomes(self, scores: Tensor, remaining: Tensor | None = None) -> Tensor:
        """log σ(−e) + log softmax of the symbols' scores, and log σ(e)."""
        symbols, e = scores[..., :-1], scores[..., -1:]
        goes_on = functional.logsigmoid(-e) + functional.log_softmax(symbols, -1)
        return torch.cat([goes_on, functional.logsigmoid(e)], -1)


class PredictedLength(Stop):
    """First the length τ in 0 … longest, from softmax(B tanh(A C + a) + b); then a symbol at each of τ steps.

    Each step reads, beside the symbol, an embedding of size ``width`` of how many are still to come.

    Raises:
        ConfigurationError: ``longest`` is negative.

    >>> stop = PredictedLength(longest=2, context=5)
    >>> stop.lengths(torch.zeros(7, 5)).shape
    torch.Size([7, 3])
    >>> stop.outcomes(torch.zeros(2, 4), remaining=torch.tensor([1, 0])).exp()
    tensor([[0.2500, 0.2500, 0.2500, 0.2500, 0.0000],
            [0.0000, 0.0000, 0.0000, 0.0000, 1.0000]])
    """

    extra = 0

    def __init__(self, longest: int, width: int = 16, *, context: int) -> None:
        super().__init__()
        if longest < 0:
            raise ConfigurationError(f"longest is {longest}; it is the number of symbols of the longest sequence.")
        self.longest, self.width, self.context = longest, width, context
        # one layer alone would learn slowly that almost all lengths are almost impossible
        self.length = nn.Sequential(nn.Linear(context, UNITS), nn.Tanh(), nn.Linear(UNITS, longest + 1))
        self.remaining = nn.Embedding(longest + 1, width)

    def outcomes(self, scores: Tensor, remaining: Tensor | None = None) -> Tensor:
        """log softmax of the scores while symbols are to come; then the end is certain."""
        assert remaining is not None
        over = (remaining <= 0).unsqueeze(-1)
        symbols = functional.log_softmax(scores, -1).masked_fill(over, -torch.inf)
        return torch.cat([symbols, torch.zeros_like(symbols[..., :1]).masked_fill(~over, -torch.inf)], -1)

    def beside(self, remaining: Tensor) -> Tensor:
        """The embedding of how many symbols are still to come; none are beyond the end."""
        embedded: Tensor = self.remaining(remaining.clamp(min=0))
        return embedded

    def lengths(self, context: Tensor) -> Tensor:
        """log softmax(B tanh(A C + a) + b)."""
        return functional.log_softmax(self.length(context), -1)

    def extra_repr(self) -> str:
        """The longest sequence."""
        return f"longest={self.longest}"


def stop_of(name: str, longest: int, context: int) -> Stop:
    """The way of that name: "end", "probability", or "length" up to ``longest`` from contexts of the size ``context``.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name == "end":
        return EndSymbol()
    if name == "probability":
        return EndProbability()
    if name == "length":
        return PredictedLength(longest, context=context)
    raise ConfigurationError(f"stop is {name!r}; it can be {', '.join(STOPS)}.")
