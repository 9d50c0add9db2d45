"""What limits a model, in words: a finding for each of four limits, with what was measured for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from unrolled.diagnose.limits.evidence import Evidence
from unrolled.diagnose.plain import plain

Limit = Literal["memory", "capacity", "optimisation", "data"]
Verdict = Literal["limits it", "no sign of it", "cannot be told"]


@dataclass(frozen=True)
class Finding:
    """Whether one thing limits a model; ``evidence`` are sentences with the numbers, ``advice`` what to try next, empty
    where there is nothing to mend."""

    limit: Limit
    verdict: Verdict
    evidence: tuple[str, ...]
    advice: str = ""


@dataclass(frozen=True)
class Summary:
    """All findings, those that limit the model first, the most costly of them foremost; what they come to, and what was
    measured."""

    headline: str
    findings: tuple[Finding, ...]
    measured: Evidence

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What limits the model, the most costly first."""
        return tuple(each.limit for each in self.findings if each.verdict == "limits it")

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not finite is None."""
        found: dict[str, Any] = plain(asdict(self))
        return found
