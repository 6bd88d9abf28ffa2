"""Texts in disguise through the whole guard: how much of what it finds plainly it misses in each disguise.

The texts are harmful ones that no training saw: own prompts held out, and the validation pack of requests, which only
reports. The same texts stand under every disguise, so the loss is paired.

    python -m guard.train.disguised --bundle BUNDLE --data DATA --out disguised.json [--each N]
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.config import Settings
from guard.errors import GuardError, UsageError
from guard.pipeline import Guard
from guard.stats.bootstrap import Measure, estimate
from guard.stats.measures import Share
from guard.train.disguises import DISGUISES
from guard.train.measure import as_list
from guard.train.own_data import own_rows
from guard.train.packs import read_packs, text_rows
from guard.train.rows import TextRow, capped, is_held_out
from guard.types import Pair, Verdict
from guard.wiring import open_guard

EACH = 200
_PACK = "strongreject"
_MOST_CHARS = 400
_PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class _Lost:
    """How much a disguise loses of a recall, draw by draw."""

    plain: Share
    disguised: Share

    def __call__(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the loss, shape (b,)."""
        return self.plain(weights) - self.disguised(weights)


def measure_disguised(bundle: str, data: Path | None, *, each: int = EACH) -> dict[str, Any]:
    """Return by set of texts: n, groups, the recall at the balanced threshold, and by disguise recall and recall lost,
    each with its 95 % group-bootstrap interval.

    Args:
        bundle: directory of a bundle, or "embedded".
        data: folder with packs/; None measures own prompts alone.
        each: texts of a set at most.

    Raises:
        UsageError: the data cannot be read.
        BundleInvalid: the bundle cannot be used.
    """
    own = [row for row in own_rows() if row.unsafe and row.language == "en" and is_held_out(row)]
    sets = {"own prompts held out": own}
    if data is not None:
        sets |= {pack.name: text_rows(pack) for pack in read_packs(data, profile="all") if pack.name == _PACK}
    found = {}
    for name, rows in sets.items():
        short = capped([row for row in rows if len(row.text) <= _MOST_CHARS], each, key="disguised")
        if short:
            found[name] = asyncio.run(_measure(bundle, short))
    return {"bundle": bundle, "each": each, "sets": found}


async def _measure(bundle: str, rows: Sequence[TextRow]) -> dict[str, Any]:
    settings = Settings.model_validate({"bundle": bundle, "limits": {"score_timeout_s": 600.0}})
    guard = open_guard(settings)
    try:
        plain = await _found(guard, [row.text for row in rows])
        disguised = {
            name: await _found(guard, [disguise(row.text, Random(row.id)) for row in rows])  # noqa: S311
            for name, disguise in DISGUISES.items()
        }
    finally:
        await guard.aclose()
    everyone = np.ones(len(rows), np.bool_)
    shares = {_PLAIN: Share(plain, everyone), **{name: Share(hits, everyone) for name, hits in disguised.items()}}
    measures: dict[str, Measure] = dict(shares)
    measures |= {f"{name} lost": _Lost(shares[_PLAIN], shares[name]) for name in disguised}
    groups = [row.group for row in rows]
    values = {name: as_list(value) for name, value in estimate(measures, groups).items()}
    return {
        "n": len(rows),
        "n_groups": len(set(groups)),
        "recall": values[_PLAIN],
        "disguises": {name: {"recall": values[name], "lost": values[f"{name} lost"]} for name in disguised},
    }


async def _found(guard: Guard, texts: Sequence[str]) -> NDArray[np.bool_]:
    # One after the other: a crowd would be turned away, and a refusal for that is no finding.
    verdicts = [guard.decide(await guard.assess(Pair(text))).verdict for text in texts]
    return np.array([verdict is Verdict.UNSAFE for verdict in verdicts], np.bool_)


def table(document: Mapping[str, Any]) -> str:
    """Return the figures as a table of at most 80 columns."""
    lines = []
    for name, row in document["sets"].items():
        lines.append(f"{name}: {row['n']} texts, {row['n_groups']} groups, recall {_shown(row['recall'])}")
        lines += [
            f"  {disguise:<12} recall {_shown(part['recall'])}  lost {_shown(part['lost'])}"
            for disguise, part in row["disguises"].items()
        ]
    return "\n".join(lines)


def _shown(value: Sequence[float | None]) -> str:
    return "–" if value[0] is None else f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the document, print the table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m guard.train.disguised", description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", default="embedded", help="directory of a bundle, or embedded")
    parser.add_argument("--data", type=Path, default=None, help="folder with packs/; none: own prompts alone")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--each", type=int, default=EACH, help=f"texts of a set at most ({EACH})")
    options = parser.parse_args(arguments)
    try:
        document = measure_disguised(options.bundle, options.data, each=options.each)
    except GuardError as error:
        sys.stderr.write(f"error: {error.code}: {error}\n")
        return 2 if isinstance(error, UsageError) else 1
    options.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
