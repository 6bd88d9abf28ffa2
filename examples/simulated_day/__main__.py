"""One simulated day of traffic with a known truth, in one picture: `python -m examples.simulated_day --out DIR`."""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import numpy as np
import orjson

from examples.simulated_day.alerts import firing
from examples.simulated_day.picture import draw
from examples.simulated_day.simulate import Lived, live
from examples.simulated_day.traffic import draw_day

Fires: TypeAlias = Mapping[str, tuple[float, ...]] | None


def main() -> None:
    """Live through the day, draw it, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m examples.simulated_day", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("simulated_day"), help="where day.svg and day.json go")
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--budget", type=int, default=200, help="reviews a day")
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    said.out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(said.seed)
    day = draw_day(said.requests, random)
    with tempfile.TemporaryDirectory() as folder:
        lived = live(day, Path(folder), budget=said.budget, random=random, on_progress=_progress)
        fires = firing(lived, Path(folder))
    (said.out / "day.svg").write_text(draw(lived, fires), encoding="utf-8")
    (said.out / "day.json").write_bytes(orjson.dumps(_document(lived, fires), option=orjson.OPT_INDENT_2))
    _say(lived, fires)


def _say(lived: Lived, fires: Fires) -> None:
    last, (held, of) = lived.moments[-1], lived.covered
    figure = last.day.false_refusal
    print(f"{lived.n:,} requests, {lived.n_unsafe:,} unsafe, {lived.reviews} reviews")
    if figure.value is not None and figure.low is not None and figure.high is not None:
        interval = f"{100 * figure.low:.2f} to {100 * figure.high:.2f}"
        truth = f"{100 * last.true_day:.2f} %"
        print(f"false refusals of the day: {100 * figure.value:.2f} % ({interval}); true: {truth}")
    print(f"the interval held the truth at {held} of {of} times")
    if fires is None:
        print("promtool is not installed: nobody knows when alerts would have fired")
        return
    for alert, times in fires.items():
        when = "silent" if not times else f"from {int(times[0] // 3600):02d}:{int(times[0] % 3600 // 60):02d}"
        print(f"{alert}: {when}")


def _document(lived: Lived, fires: Fires) -> dict[str, object]:
    return {
        "requests": lived.n,
        "unsafe": lived.n_unsafe,
        "reviews": lived.reviews,
        "limit": lived.limit,
        "covered": lived.covered,
        "alerts": fires,
        "moments": [
            {
                "at": moment.at,
                "false_refusal": [
                    moment.day.false_refusal.value,
                    moment.day.false_refusal.low,
                    moment.day.false_refusal.high,
                ],
                "reviewed": moment.day.n_reviewed,
                "true": moment.true_day,
                "true_of_hour": moment.true_hour,
                "drift_of_hour": None if moment.drift_of_hour is None else asdict(moment.drift_of_hour),
                "drift_of_day": None if moment.drift_of_day is None else asdict(moment.drift_of_day),
            }
            for moment in lived.moments
        ],
    }


def _progress(share: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{share:4.0%} of the day", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
