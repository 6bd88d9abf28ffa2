"""Attack kinds and scenarios through the whole guard: how often each is named in the texts of whole packs.

Policies act on these outputs, so their worth is told apart from the verdict's. Several of the packs trained the
embedded guard: they show what it names, not how well it does so elsewhere.

    python -m guard.train.named --bundle BUNDLE --data DATA --out named.json [--each N]
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from guard.config import Settings
from guard.errors import GuardError, UsageError
from guard.pipeline import Guard
from guard.stats.bootstrap import Measure, estimate
from guard.stats.measures import Share
from guard.train.measure import as_list
from guard.train.packs import read_packs, text_rows
from guard.train.rows import TextRow, capped
from guard.types import Decision, Pair, Verdict
from guard.wiring import open_guard

EACH = 250
PACKS = ("tensor_trust", "bipia_injection", "jailbreak_templates", "strongreject", "hatecheck", "benign_prompts")
# From which probability on an attack or a scenario counts as named.
_NAMED = 0.5


def measure_named(bundle: str, data: Path, *, each: int = EACH) -> dict[str, Any]:
    """Return by pack: n, groups, the share in which each attack kind is named, and of the unsafe verdicts the share in
    which no scenario is, each with its 95 % group-bootstrap interval.

    Args:
        bundle: directory of a bundle, or "embedded".
        data: folder with packs/.
        each: texts of a pack at most; of packs with both labels those that are unsafe.

    Raises:
        UsageError: the data cannot be read, or holds none of the packs.
        BundleInvalid: the bundle cannot be used.
    """
    packs = {pack.name: text_rows(pack) for pack in read_packs(data, profile="all") if pack.name in PACKS}
    chosen = {name: capped(_told_of(packs[name]), each, key="named") for name in PACKS if name in packs}
    if not chosen:
        raise UsageError(f"{data}: none of the packs {', '.join(PACKS)}")
    return {"bundle": bundle, "each": each, "packs": asyncio.run(_measure(bundle, chosen))}


def _told_of(rows: Sequence[TextRow]) -> list[TextRow]:
    return [row for row in rows if row.unsafe] or list(rows)


async def _measure(bundle: str, packs: Mapping[str, Sequence[TextRow]]) -> dict[str, Any]:
    guard = open_guard(Settings.model_validate({"bundle": bundle, "limits": {"score_timeout_s": 600.0}}))
    try:
        return {name: _figures(rows, await _decisions(guard, rows)) for name, rows in packs.items()}
    finally:
        await guard.aclose()


async def _decisions(guard: Guard, rows: Sequence[TextRow]) -> list[Decision]:
    # One after the other: a crowd would be turned away, and a refusal for that is no finding.
    return [guard.decide(await guard.assess(Pair(row.text))) for row in rows]


def _figures(rows: Sequence[TextRow], decisions: Sequence[Decision]) -> dict[str, Any]:
    everyone = np.ones(len(rows), np.bool_)
    kinds = list(decisions[0].attacks)
    measures: dict[str, Measure] = {
        kind: Share(np.array([found.attacks[kind] >= _NAMED for found in decisions], np.bool_), everyone)
        for kind in kinds
    }
    unsafe = np.array([found.verdict is Verdict.UNSAFE for found in decisions], np.bool_)
    bare = np.array([max(found.categories.values()) < _NAMED for found in decisions], np.bool_)
    groups = [row.group for row in rows]
    values = {name: as_list(value) for name, value in estimate({**measures, "": Share(bare, unsafe)}, groups).items()}
    return {
        "n": len(rows),
        "n_groups": len(set(groups)),
        "attacks": {kind: values[kind] for kind in kinds},
        "unsafe": int(unsafe.sum()),
        "unsafe_without_scenario": values[""],
    }


def table(document: Mapping[str, Any]) -> str:
    """Return the figures as a table of at most 80 columns; attack kinds that are never named are left out."""
    lines = []
    for name, row in document["packs"].items():
        lines.append(f"{name}: {row['n']} texts, {row['n_groups']} groups, {row['unsafe']} unsafe verdicts")
        lines += [f"  {kind:<26} {_shown(value)}" for kind, value in row["attacks"].items() if value[0]]
        lines.append(f"  {'unsafe, no scenario named':<26} {_shown(row['unsafe_without_scenario'])}")
    return "\n".join(lines)


def _shown(value: Sequence[float | None]) -> str:
    return "–" if value[0] is None else f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the document, print the table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m guard.train.named", description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", default="embedded", help="directory of a bundle, or embedded")
    parser.add_argument("--data", type=Path, required=True, help="folder with packs/")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--each", type=int, default=EACH, help=f"texts of a pack at most ({EACH})")
    options = parser.parse_args(arguments)
    try:
        document = measure_named(options.bundle, options.data, each=options.each)
    except GuardError as error:
        sys.stderr.write(f"error: {error.code}: {error}\n")
        return 2 if isinstance(error, UsageError) else 1
    options.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
