"""What else a report says beside the figures of its sets: languages, and where the guard is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from guard.train.own_data import own_rows
from guard.train.probes import Probe

SUPPORTED_RECALL = 0.8
_EXAMPLES = 4
_CHARS = 160


def languages(tokenizer: Tokenizer, figures: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return by language of the own prompts: the share of tokens that the tokenizer does not know, the figures of its
    held-out rows, and whether it is supported: at least 80 % of what is unsafe is found.
    """
    unknown = tokenizer.token_to_id("[UNK]")  # None where a tokenizer knows every byte
    texts: dict[str, list[str]] = {}
    for row in own_rows():
        texts.setdefault(row.language, []).append(row.text)
    result: dict[str, dict[str, Any]] = {}
    for language, written in sorted(texts.items()):
        ids = [
            number for encoding in tokenizer.encode_batch(written, add_special_tokens=False) for number in encoding.ids
        ]
        found = figures.get(f"language:{language}", {})
        recall = found.get("recall")
        result[language] = {
            "prompts": len(written),
            "unknown_tokens": round(sum(number == unknown for number in ids) / max(1, len(ids)), 4),
            **{key: found[key] for key in ("n", "n_groups", "recall", "false_alarms", "auc") if key in found},
            "supported": None if recall is None or recall[0] is None else recall[0] >= SUPPORTED_RECALL,
        }
    return result


def failures(
    probes: Sequence[Probe], probability: NDArray[np.float64], threshold: float
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return by set the worst misses and false alarms among this project's own texts, never those of a pack."""
    result: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in dict.fromkeys(probe.set for probe in probes):
        own = [i for i, probe in enumerate(probes) if probe.set == name and probe.group.startswith(("own:", "act:"))]
        wrong = {
            "missed": sorted((i for i in own if probes[i].unsafe and probability[i] < threshold), key=probability.item),
            "refused": sorted(
                (i for i in own if not probes[i].unsafe and probability[i] >= threshold), key=lambda i: -probability[i]
            ),
        }
        shown = {
            kind: [
                {
                    "text": probes[i].text[:_CHARS],
                    "shows": probes[i].shows,
                    "probability": round(float(probability[i]), 3),
                }
                for i in rows[:_EXAMPLES]
            ]
            for kind, rows in wrong.items()
        }
        if any(shown.values()):
            result[name] = shown
    return result
