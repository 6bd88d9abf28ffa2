"""The packs of `GUARD_DATA/packs` as rows: which may be used, what their categories mean, what is left out."""

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from guard.bundle import digest_file
from guard.core.text import normalise
from guard.errors import UsageError
from guard.train.rows import TextRow

Profile = Literal["permissive", "all"]

VALIDATION = ("strongreject", "oktest", "surge_toxicity", "hatecheck", "safety_tuned_llamas_eval")
EVERYDAY = ("benign_prompts", "visual_questions_text")

# Category (its part before ":" or "(") -> scenario; unlisted categories stay unknown to the scenario outputs.
_SCENARIOS: Mapping[str, Mapping[str, str]] = {
    "figstep": {
        "Illegal Activity": "crime",
        "Hate Speech": "hate_speech",
        "Malware Generation": "crime",
        "Physical Harm": "violence",
        "Fraud": "economic_harm",
        "Adult Content": "pornography",
        "Privacy Violation": "privacy_leakage",
    },
    "hades": {
        "Animal": "violence",
        "Violence": "violence",
        "Self-Harm": "self_harm",
        "Financial": "economic_harm",
        "Privacy": "privacy_leakage",
    },
    "jailbreakbench_artifacts": {
        "Disinformation": "misinformation",
        "Economic harm": "economic_harm",
        "Fraud/Deception": "economic_harm",
        "Harassment/Discrimination": "hate_speech",
        "Malware/Hacking": "crime",
        "Physical harm": "violence",
        "Privacy": "privacy_leakage",
        "Sexual/Adult content": "pornography",
    },
    "cyberseceval": {"interpreter abuse": "crime"},
    "davidson_tweets": {"hate": "hate_speech", "offensive": "abusive_languages"},
    "ethos": {"hate": "hate_speech"},
}
_ATTACKS: Mapping[str, Mapping[str, str]] = {
    "jailbreak_templates": {"jailbreak template": "role_playing"},
    "jailbreakbench_artifacts": {"jailbreak: JBC": "role_playing"},
    "cyberseceval": {"prompt injection": "injection"},
    "bipia_injection": {"indirect prompt injection": "injection"},
    "tensor_trust": {"prompt hijacking": "goal_hijacking", "prompt extraction": "goal_hijacking"},
}
# Machine-made attacks on plain requests: wrapped, but in none of the ways that have an output.
_UNKNOWN_ATTACKS = ("jailbreak: ",)


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that may be used: its records as parsed, and what the manifest of data says about it."""

    name: str
    licence: str
    use: str
    folder: Path
    records: tuple[Mapping[str, Any], ...]
    sha256: str


def read_packs(data: Path, *, profile: Profile) -> tuple[Pack, ...]:
    """Return the packs under `data`/packs that weights of this profile may see, validation packs included.

    Raises:
        UsageError: no index, or a pack that it names cannot be read.
    """
    index = data / "packs" / "INDEX.csv"
    try:
        lines = list(csv.DictReader(index.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise UsageError(f"{index}: {error.strerror}") from error
    chosen = [line for line in lines if line["use"] == "validation" or profile == "all" or _ships(line["licence"])]
    return tuple(_read_pack(data / "packs" / line["pack"], line["licence"], line["use"]) for line in chosen)


def _ships(licence: str) -> bool:
    return licence == "permissive"


def _read_pack(folder: Path, licence: str, use: str) -> Pack:
    path = folder / "records.jsonl"
    try:
        records = tuple(json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable pack ({error.__class__.__name__})") from error
    return Pack(folder.name, licence, use, folder, records, digest_file(path).sha256)


def text_rows(pack: Pack) -> list[TextRow]:
    """Return the records of a pack that stand by their text: those without a picture."""
    known = _scenario_of_group(pack)
    rows = []
    for record in pack.records:
        if record["image"] is not None or not record["text"].strip():
            continue
        unsafe, category = record["label"] == "unsafe", record["category"] or ""
        attack = _first(_ATTACKS, pack.name, category) if unsafe else None
        rows.append(
            TextRow(
                id=record["id"],
                source=pack.name,
                group=record["group"],
                text=normalise(record["text"]),
                unsafe=unsafe,
                scenario=_first(_SCENARIOS, pack.name, category) or known.get(record["group"]) if unsafe else None,
                attack=attack,
                attack_known=attack is not None or not category.startswith(_UNKNOWN_ATTACKS),
                everyday=pack.name in EVERYDAY,
                picture_question=pack.name == "visual_questions_text",
            )
        )
    return rows


def without_texts(rows: Sequence[TextRow], forbidden: Sequence[TextRow]) -> list[TextRow]:
    """Return the rows whose wording occurs in none of `forbidden`: nothing that measures is trained on."""
    keys = {_wording(row.text) for row in forbidden}
    return [row for row in rows if _wording(row.text) not in keys]


def wording_digest(text: str) -> str:
    """Return the SHA-256 of a text's wording: normalised, without case, one blank between words."""
    return hashlib.sha256(_wording(normalise(text)).encode()).hexdigest()


def _wording(text: str) -> str:
    return " ".join(text.casefold().split())


def _scenario_of_group(pack: Pack) -> dict[str, str]:
    """A jailbreak is filed under its method; the goal that it wraps, in the same group, is filed under its topic."""
    found: dict[str, str] = {}
    for record in pack.records:
        scenario = _first(_SCENARIOS, pack.name, record["category"] or "")
        if scenario is not None:
            found[record["group"]] = scenario
    return found


def _first(table: Mapping[str, Mapping[str, str]], pack: str, category: str) -> str | None:
    entries = table.get(pack, {})
    return next((value for prefix, value in entries.items() if category.startswith(prefix)), None)
