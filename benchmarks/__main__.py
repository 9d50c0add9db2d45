"""The command: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.ceilings import ceilings, machine
from benchmarks.measure import OURS, Result, measure
from benchmarks.report import PEERS, Report
from benchmarks.works import works

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Measure, and report if the tests of what is measured pass."""
    options = _options()
    chosen = [work for work in works() if all(word in work.name for word in options.only)]
    if not chosen:
        print("no such work; there are:", *(work.name for work in works()), sep="\n  ", file=sys.stderr)
        return 2
    if not options.untested and not _tests_pass():
        print("the tests of the core fail: nothing is measured", file=sys.stderr)
        return 1
    most = ceilings()
    results: list[Result] = []
    for work in chosen:
        result = measure(work, options.rounds, options.peers)
        if OURS in result.unable:
            print(f"{work.name}: {result.unable[OURS]}", file=sys.stderr)
            return 1
        results.append(result)
        print(_line(result), flush=True)
    report = Report(results, most, machine(), options.rounds)
    if options.json:
        options.json.write_text(json.dumps(report.to_dict(), indent=1) + "\n")
    if options.write:
        (ROOT / "docs" / "benchmarks.md").write_text(report.markdown("benchmarks.svg"))
        report.draw(ROOT / "docs" / "benchmarks.svg")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How fast Unrolled is beside others.")
    parser.add_argument("only", nargs="*", help="words that the name of a work must contain, for example: train lstm")
    parser.add_argument("--rounds", type=int, default=7, help="how often the libraries alternate (7)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="the libraries to compare with")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and its picture")
    parser.add_argument(
        "--untested", action="store_true", help="do not run the tests first; nothing can be written then"
    )
    options = parser.parse_args()
    if options.untested and options.write:
        parser.error("what is written was tested: leave --untested out")
    if options.write and options.only:
        parser.error("what is written is everything: leave the words out")
    return options


def _tests_pass() -> bool:
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/native"], cwd=ROOT, check=False).returncode == 0


def _line(result: Result) -> str:
    wanted = result.work.wanted
    peers = [
        f"{PEERS[peer]} {result.ratio(peer):.2f}×" + (f" (of {wanted[peer]})" if peer in wanted else "")
        for peer in result.times
        if peer != OURS
    ]
    unable = [f"{PEERS[peer]}: {why[:80]}" for peer, why in result.unable.items()]
    return f"{result.work.name}: {result.time():.2f} ms; " + ", ".join(peers + unable)


if __name__ == "__main__":
    sys.exit(main())
