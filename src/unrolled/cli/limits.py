"""``unrolled diagnose --limits``: what it prints."""

from __future__ import annotations

import textwrap

from unrolled.cli.output import say
from unrolled.diagnose.limits import Summary
from unrolled.diagnose.limits.verdicts import key

WIDTH = 100


def show_limits(found: Summary) -> None:
    """The headline, each finding with its evidence and what to try next, and what the numbers mean."""
    say(found.headline)
    for each in found.findings:
        say(f"\n{each.limit}: {each.verdict}")
        for sentence in each.evidence:
            say(textwrap.fill(sentence, WIDTH, initial_indent="  ", subsequent_indent="  "))
        if each.advice:
            say(textwrap.fill(f"try: {each.advice}", WIDTH, initial_indent="  ", subsequent_indent="  "))
    say(f"\n{key(found.measured)}")
