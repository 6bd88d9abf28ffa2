"""`python -m tests.soak [--minutes N]`: load with faults injected; exit code 1 when anything may not be so."""

import argparse
import asyncio
import tempfile
from pathlib import Path

from tests.soak.run import Found, soak


def main() -> int:
    """Run a soak, print what became of it, and return the exit code."""
    parser = argparse.ArgumentParser(description="Load with faults injected.")
    parser.add_argument("--minutes", type=float, default=3, help="how long; whole cycles of all faults are run")
    parser.add_argument("--keep", type=Path, help="an empty folder for the log and the bundles")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = chosen.keep or Path(folder)
        home.mkdir(exist_ok=True)
        found = asyncio.run(soak(home, minutes=chosen.minutes, say=lambda text: print(text, flush=True)))
    _show(found)
    return 1 if found.problems or found.tally.problems else 0


def _show(found: Found) -> None:
    tally = found.tally
    print(f"\n{tally.requests:,} requests, the slowest {tally.slowest_s:.1f} s, {found.swaps} swaps")
    for (fault, came), count in sorted(tally.outcomes.items()):
        print(f"  {fault.value:16} {came:24} {count:8,}")
    held = [held for _, held in found.memory]
    drift = "too few cycles to tell" if found.drift is None else f"{found.drift:+.2%} after the first cycle"
    print(f"memory: {held[0] / 1e6:.1f} MB at first, {held[-1] / 1e6:.1f} MB at last, {drift}")
    print(f"before: {found.before}\nafter:  {found.after}")
    for problem in (*found.problems, *tally.problems):
        print(f"PROBLEM: {problem}")


if __name__ == "__main__":
    raise SystemExit(main())
