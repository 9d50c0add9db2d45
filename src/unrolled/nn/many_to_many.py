"""``ManyToMany``: an answer beside each step, and words that are read letter by letter below it.

Shapes. x as for ``Recurrent``; words (T,) int64 of one sentence, letters a list of T tensors (length of the word,).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.equations.extension import with_readout
from unrolled.equations.system import System
from unrolled.nn.many_to_one import ManyToOne
from unrolled.nn.recurrent import Recurrent, as_system
from unrolled.recurrence import Recurrence


class ManyToMany(Recurrent):
    """A recurrence that answers beside each step; where the equations have no read-out it is o = V h + c.

    >>> tags = ManyToMany("lstm", bidirectional=True, x=20, h=8, y=5)
    >>> logits, _ = tags.logits(torch.zeros(7, 3, 20), lengths=[7, 2, 0])
    >>> logits.shape
    torch.Size([7, 3, 5])
    """

    def __init__(self, recurrence: Recurrence | System | str, *args: Any, **options: Any) -> None:
        super().__init__(with_readout(as_system(recurrence)), *args, **options)


class WordsAndLetters(nn.Module):
    """A sentence in, an answer beside each word, which is read as a whole and letter by letter.

    Beside the embedding of each word stands what ``letters``, a ``ManyToOne`` without a read-out, makes of its letters;
    ``sentence``, a ``ManyToMany``, reads both.
    """

    def __init__(self, words: int, width: int, letters: ManyToOne, sentence: ManyToMany, dropout: float = 0.0) -> None:
        super().__init__()
        like = next(letters.parameters())
        self.words = nn.Embedding(words, width, device=like.device, dtype=like.dtype)
        self.letters, self.sentence, self.dropout = letters, sentence, nn.Dropout(dropout)

    def logits(self, words: Sequence[Tensor], letters: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """The scores (T, K) beside the words of each sentence; an empty sentence has none."""
        counts = [len(each) for each in words]
        spelled = [word for sentence in letters for word in sentence]
        if not spelled:
            none = self.words.weight[:0, :1].expand(0, self._answers())  # a part of the graph, as any other result
            return [none for _ in words]
        vectors, _ = self.letters(spelled)
        read = self.dropout(torch.cat([self.words(torch.cat(list(words))), vectors], -1))
        found: list[Tensor] = self.sentence.logits(list(torch.split(read, counts)))[0]
        return found

    def programs(self) -> dict[str, Any]:
        """Those of the sentence and of the letters, each as ``Recurrent.programs`` gives them."""
        return {"sentence": self.sentence.programs(), "letters": self.letters.programs()}

    def _answers(self) -> int:
        return self.sentence.system.resolve(self.sentence.sizes)[self.sentence.system.outputs[0]][0]
