"""The jobs of trainings, which are otherwise theirs alone, for tests that look into them or break something there."""

from unrolled.training import loop


def watched(patch):
    """A list of all jobs that are begun or reopened from now on; ``patch`` is ``setattr``, or a monkeypatch's."""
    found = []
    for name in ("begin", "reopen"):
        original = getattr(loop, name)
        patch(loop, name, lambda *given, make=original: found.append(make(*given)) or found[-1])
    return found
