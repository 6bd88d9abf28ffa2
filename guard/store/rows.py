"""Decisions as rows of the table, and back. Scores are kept to the last bit: replay decides by them again."""

import math
import struct
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import RowMapping

from guard.stats.logistic import logistic
from guard.store.made import Made, directed
from guard.store.values import StoredDecision
from guard.types import (
    ATTACKS,
    SCENARIOS,
    Action,
    Basis,
    Cause,
    Decision,
    Direction,
    Hit,
    ImageResult,
    Mode,
    RuleKind,
    Scores,
    Verdict,
)

# Log odds of the probability in steps of a quarter, from -8 on; what lies outside counts in the first or the last bin.
BINS, FIRST_LOG_ODDS, BIN_WIDTH = 64, -8.0, 0.25

# Of a row that is written; a review comes later.
COLUMNS = (
    *("id", "at", "direction", "route", "tenant", "policy", "mode", "verdict", "intended", "action", "basis", "bundle"),
    *("cause", "rule", "code", "scores", "probability", "threshold", "log_odds_bin", "images"),
    *("content_digest", "also_blocked", "subject", "cached", "latency"),
    *("sampling_probability", "is_sampled", "stratum", "plan"),
)
_DIGEST_BYTES = 32
_SCORES = struct.Struct(f"<?{1 + len(SCENARIOS) + len(ATTACKS) + 2}d")


def values_of(kept: StoredDecision | Made) -> tuple[Any, ...]:
    """Return the values of a decision's row, in the order of `COLUMNS`."""
    made: Decision | StoredDecision
    if isinstance(kept, Made):
        decision, draw = kept.decision, kept.draw
        digest = None if decision.digest is None else directed(decision.digest, decision.direction)
        others = b"".join([directed(one, decision.direction) for one in decision.also_blocked])
        drawn = (draw.probability, draw.is_drawn, draw.stratum, draw.plan)
        made = decision
    else:
        digest = None if kept.content_digest is None else bytes.fromhex(kept.content_digest)
        others = bytes.fromhex("".join(kept.also_blocked))
        drawn = (kept.sampling_probability, kept.is_sampled, kept.stratum, kept.plan)
        made = kept
    rule, probability = made.rule, made.probability
    return (
        made.id,
        kept.at,
        made.direction.value,
        kept.route,
        kept.tenant,
        made.policy,
        kept.mode.value,
        made.verdict.value,
        made.intended.value,
        made.action.value,
        made.basis.value,
        made.bundle,
        None if made.cause is None else made.cause.value,
        None if rule is None else orjson.dumps(rule.to_dict()).decode(),
        made.code,
        None if made.scores is None else _packed(made.scores),
        probability,
        made.threshold,
        None if probability is None else bin_of(probability),
        _images_text(made.images) if made.images else None,
        digest,
        others or None,
        kept.subject,
        made.cached,
        _latency_text(made.latency_ms) if made.latency_ms else None,
        *drawn,
    )


def decision_of(row: RowMapping) -> StoredDecision:
    """Return the decision of a row."""
    scores = None if row["scores"] is None else _unpacked(row["scores"])
    digest, others = row["content_digest"], row["also_blocked"] or b""
    return StoredDecision(
        id=row["id"],
        at=row["at"],
        direction=Direction(row["direction"]),
        route=row["route"],
        tenant=row["tenant"],
        policy=row["policy"],
        mode=Mode(row["mode"]),
        verdict=Verdict(row["verdict"]),
        intended=Action(row["intended"]),
        action=Action(row["action"]),
        basis=Basis(row["basis"]),
        bundle=row["bundle"],
        cause=None if row["cause"] is None else Cause(row["cause"]),
        rule=None if row["rule"] is None else _rule(orjson.loads(row["rule"])),
        code=row["code"],
        scores=scores,
        probability=row["probability"],
        threshold=row["threshold"],
        categories={} if scores is None else _named(SCENARIOS, scores.scenarios),
        attacks={} if scores is None else _named(ATTACKS, scores.attacks),
        images=() if row["images"] is None else tuple(ImageResult(*one) for one in orjson.loads(row["images"])),
        content_digest=None if digest is None else bytes(digest).hex(),
        also_blocked=tuple(
            bytes(others[start : start + _DIGEST_BYTES]).hex() for start in range(0, len(others), _DIGEST_BYTES)
        ),
        subject=row["subject"],
        cached=row["cached"],
        latency_ms={} if row["latency"] is None else orjson.loads(row["latency"]),
        sampling_probability=row["sampling_probability"],
        is_sampled=row["is_sampled"],
        stratum=row["stratum"],
        plan=row["plan"],
    )


def bin_of(probability: float) -> int:
    """Return the bin of a probability's log odds, in [0, 63]."""
    if not 0 < probability < 1:
        return 0 if probability <= 0 else BINS - 1
    log_odds = math.log(probability) - math.log1p(-probability)
    return min(max(math.floor((log_odds - FIRST_LOG_ODDS) / BIN_WIDTH), 0), BINS - 1)


def _packed(scores: Scores) -> bytes:
    alone = [math.nan if one is None else one for one in (scores.text_alone, scores.image_alone)]
    return _SCORES.pack(scores.is_read, scores.unsafe, *scores.scenarios, *scores.attacks, *alone)


def _unpacked(packed: bytes) -> Scores:
    is_read, unsafe, *rest = _SCORES.unpack(packed)
    text, image = (None if math.isnan(one) else one for one in rest[-2:])
    scenarios, attacks = tuple(rest[: len(SCENARIOS)]), tuple(rest[len(SCENARIOS) : -2])
    return Scores(unsafe, scenarios, attacks, text, image, is_read)


def _rule(said: Mapping[str, Any]) -> Hit:
    return Hit(RuleKind(said["kind"]), said["name"], said["probability"], said["threshold"], Action(said["action"]))


def _named(names: tuple[str, ...], logits: tuple[float, ...]) -> dict[str, float]:
    """Return what the decision showed: the model's own probabilities, by name (`guard.core.policy`)."""
    return {name: round(float(value), 6) for name, value in zip(names, logistic(logits), strict=True)}


def _images_text(images: tuple[ImageResult, ...]) -> str:
    return orjson.dumps([[one.judged, one.reason, one.ocr_text_chars, one.sha256] for one in images]).decode()


def _latency_text(latency_ms: Mapping[str, float]) -> str:
    return orjson.dumps({stage: round(spent, 3) for stage, spent in latency_ms.items()}).decode()
