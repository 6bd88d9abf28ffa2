"""Made-up traffic in a store: a week of decisions with known truth, drawn for review, labelled by two people."""

import math
import random
from dataclasses import dataclass

from guard.store.store import Store
from guard.store.values import CanaryResult, Content, Label, LabelKind, Source, StoredDecision
from guard.types import (
    ATTACKS,
    SCENARIOS,
    Action,
    Basis,
    Cause,
    Direction,
    ImageResult,
    Mode,
    Scores,
    Verdict,
)
from tests.pictures import solid, writing

THRESHOLD = 0.5
DAY_S = 86_400.0
_LONG = "Please read all of this before you answer.\n" + "The kettle is on the second shelf, behind the flour. " * 20


@dataclass(frozen=True)
class Made:
    """One decision of the traffic, and what it truly is."""

    decision: StoredDecision
    truth: LabelKind
    content: Content


def make_traffic(
    n: int, *, now: float, bundle: str, seed: int = 1, days: float = 7.0, policy: str = "balanced"
) -> list[Made]:
    """Return decisions over the last days, 3 % of them about something unsafe; half of each day is busier.

    `now` moves them all alike and changes nothing else: what is drawn from a seed hangs on no clock.
    """
    dice = random.Random(seed)
    pictures = [writing("take two spoons"), solid("seagreen", (320, 240)), solid("firebrick", (240, 320))]
    made = [_one(dice, number, now, bundle, days, policy, pictures) for number in range(n)]
    return sorted(made, key=lambda each: each.decision.at)


def fill(store: Store, traffic: list[Made], *, reviewed: float = 0.9, seed: int = 2) -> None:
    """Keep the traffic, and labels of that share of what was drawn, by Ada and in part by Ben."""
    dice = random.Random(seed)
    content = {each.decision.id: each.content for each in traffic if each.decision.is_sampled}
    store.add([each.decision for each in traffic], content if store.keeps_content else None)
    drawn = [each for each in traffic if each.decision.is_sampled]
    for each in drawn:
        if dice.random() >= reviewed:
            continue
        at = each.decision.at + 600
        store.label(Label(each.decision.id, each.truth, "Ada", Source.REVIEWER, at))
        if dice.random() < 0.3:
            told = each.truth if dice.random() < 0.9 else LabelKind.UNSURE
            store.label(Label(each.decision.id, told, "Ben", Source.REVIEWER, at - 60))
    last = max(each.decision.at for each in traffic)
    wrong = [e for e in traffic if e.decision.intended is Action.BLOCK and e.truth is LabelKind.SAFE]
    for each in wrong[:9]:
        store.label(Label(each.decision.id, LabelKind.SAFE, "default", Source.USER, each.decision.at + 5))
    store.add_canary(CanaryResult(last - 300, traffic[0].decision.bundle, "probes", 40, 1, 40, 6, "balanced"))


def _one(
    dice: random.Random, number: int, now: float, bundle: str, days: float, policy: str, pictures: list[bytes]
) -> Made:
    age_s = days * DAY_S * dice.random() ** 0.8
    is_moved = dice.random() < 0.5
    if is_moved and math.sin(2 * math.pi * age_s / DAY_S) > 0:
        age_s = abs(age_s - DAY_S / 2)
    at = now - age_s
    truth = LabelKind.UNSAFE if dice.random() < 0.03 else LabelKind.SAFE
    logit = dice.gauss(2.4, 1.6) if truth is LabelKind.UNSAFE else dice.gauss(-3.4, 1.45)
    probability = 1 / (1 + math.exp(-logit))
    is_blocked = probability >= THRESHOLD
    has_picture = dice.random() < 0.6
    is_unjudged = has_picture and dice.random() < 0.015
    near = abs(logit) < 1.0
    drawn = 0.5 if is_blocked or is_unjudged else 0.2 if near else 0.02
    intended = Action.BLOCK if is_blocked or is_unjudged else Action.ALLOW
    zone = "unscored" if is_unjudged else "near" if near else "far"
    reason = dice.choice(["image_unreachable", "image_rejected", "ocr_failed"])
    image = ImageResult(not is_unjudged, reason if is_unjudged else None, sha256="0" * 64)
    id_ = f"{dice.getrandbits(128):032x}"
    unsafe = tuple(sorted((dice.gauss(-5, 1) for _ in SCENARIOS), reverse=True))
    decision = StoredDecision(
        id=id_,
        at=at,
        direction=Direction.INPUT,
        route="/v1/chat/completions",
        tenant="default",
        policy=policy,
        mode=Mode.ENFORCE,
        verdict=Verdict.UNJUDGED if is_unjudged else Verdict.UNSAFE if is_blocked else Verdict.SAFE,
        intended=intended,
        action=intended,
        basis=Basis.ERROR_POLICY if is_unjudged else Basis.SCORE,
        bundle=bundle,
        cause=None if is_unjudged or not is_blocked else Cause.TOGETHER,
        code=reason if is_unjudged else None,
        scores=None if is_unjudged else Scores(logit, unsafe, (-4.0,) * len(ATTACKS)),
        probability=None if is_unjudged else probability,
        threshold=None if is_unjudged else THRESHOLD,
        categories={"biomedical_harm": 0.7 * probability, "crime": 0.4 * probability, "violence": 0.1 * probability},
        attacks={"role_playing": 0.2 * probability},
        images=(image,) if has_picture else (),
        content_digest=f"{dice.getrandbits(256):064x}",
        sampling_probability=drawn,
        is_sampled=dice.random() < drawn,
        stratum=f"input/{intended.value}/{zone}",
        plan="test",
    )
    text = _LONG if number % 7 == 0 else f"How many of these <b>do I</b> take? ({number})"
    return Made(decision, truth, Content(text, (dice.choice(pictures),) if has_picture else ()))
