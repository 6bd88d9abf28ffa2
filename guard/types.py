"""The values that travel between Guard's modules: pairs, scores, decisions. Frozen, and impossible to build wrong.

The words that they use stand in `guard.terms`, and everybody imports them from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from guard.terms import ATTACKS, SCENARIOS, Action, Basis, Cause, Direction, Mode, RuleKind, Verdict

__all__ = [
    "ATTACKS",
    "SCENARIOS",
    "Action",
    "Assessment",
    "Basis",
    "Cause",
    "Decision",
    "Direction",
    "Frame",
    "Hit",
    "ImageInput",
    "ImageResult",
    "Mode",
    "Pair",
    "PreparedPair",
    "RuleKind",
    "Scores",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class ImageInput:
    """A picture of a request: its bytes, plain or in base64, or the URL to fetch it from, or why there are no bytes.

    Exactly one of `data`, `encoded`, `url` and `failure` (a stable code) is set. Base64 is decoded by who needs the
    pixels: a verdict from the cache does not. `place` says where it stood ("messages[0].content[1]").
    """

    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    failure: str | None = None
    place: str = ""
    encoded: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.data, self.encoded, self.url, self.failure)) != 1:
            raise ValueError("an ImageInput has exactly one of data, encoded, url and failure")


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing to judge: a text, and the pictures that came with it.

    `unjudged` names parts of the content that Guard cannot see (a file id, an audio part), by stable code.
    """

    text: str
    images: tuple[ImageInput, ...] = ()
    direction: Direction = Direction.INPUT
    unjudged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A decoded picture or one of its frames: `pixels` uint8 (height, width, 3), upright RGB.

    `digest` tells frames apart in caches: same digest, same pixels. It is the SHA-256 of the picture's bytes, with the
    index added for every frame but the first; "" for a view of a frame, which nobody remembers. A large picture is kept
    reduced; then `source` has its bytes, from which `guard.core.image.full_pixels` decodes frame `index` in full.
    """

    pixels: NDArray[np.uint8]
    digest: str
    source: bytes | None = field(default=None, repr=False)
    index: int = 0


@dataclass(frozen=True, slots=True)
class PreparedPair:
    """A pair ready for a scorer: normalised text, decoded frames, and the writing that was found in each frame.

    `ocr` is as long as `frames`; an empty string means that no writing was found or looked for.
    """

    text: str
    frames: tuple[Frame, ...] = ()
    ocr: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.frames) != len(self.ocr):
            raise ValueError(f"{len(self.frames)} frames, {len(self.ocr)} OCR texts")


@dataclass(frozen=True, slots=True)
class Scores:
    """Raw logits of one pair. Higher is more unsafe; any finite number.

    `text_alone` and `image_alone` are the unsafe logits of the pair with the other half left out; None where that half
    is missing (no text, no picture). Writing in a picture belongs to the picture. `is_read`: the model knew the words
    of the text; they are nothing to it otherwise, and the scores say nothing of them.
    """

    unsafe: float
    scenarios: tuple[float, ...]  # as long as SCENARIOS
    attacks: tuple[float, ...]  # as long as ATTACKS
    text_alone: float | None = None
    image_alone: float | None = None
    is_read: bool = True

    def __post_init__(self) -> None:
        if len(self.scenarios) != len(SCENARIOS) or len(self.attacks) != len(ATTACKS):
            raise ValueError(f"{len(self.scenarios)} scenario and {len(self.attacks)} attack logits")
        alone = [value for value in (self.text_alone, self.image_alone) if value is not None]
        if not np.isfinite([self.unsafe, *self.scenarios, *self.attacks, *alone]).all():
            raise ValueError("scores must be finite")


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of one picture: judged, or not and why (a stable code). `sha256` is None when there were no bytes."""

    judged: bool
    reason: str | None = None
    ocr_text_chars: int = 0
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a pair looked like to the scorer, before any threshold: raw scores, or the code of why there are none.

    `scores` may stand beside `code` when only a part could not be judged (one picture of two).
    """

    scores: Scores | None
    images: tuple[ImageResult, ...] = ()
    code: str | None = None  # first code of what was not judged or failed; None when all of it was judged
    failed: bool = False  # Guard itself failed (policy on_error), rather than the content (policy on_unjudged)
    failed_in: str | None = None  # the stage in which it failed, one of `guard.telemetry.STAGES`
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    cached: bool = False
    also_unjudged: bool = False  # beside the failure, a part that no scorer would have judged: `on_unjudged` counts too
    key: bytes | None = None  # SHA-256 of everything that the scores depended on: bundle, text, pictures, settings

    def __post_init__(self) -> None:
        if self.scores is None and self.code is None:
            raise ValueError("an assessment without scores names its code")


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule of the policy that a pair reached: `probability` is at or above `threshold`, both of what `kind` says.

    `name` is the decisive category, or the attack. With kind UNSAFE it is the category whose action counted.
    """

    kind: RuleKind
    name: str
    probability: float
    threshold: float
    action: Action

    def to_dict(self) -> dict[str, object]:
        """Return the value of "rule" in the verdict object."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "probability": self.probability,
            "threshold": self.threshold,
            "action": self.action.value,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What Guard decided about one pair or one request, and on what basis."""

    id: str
    verdict: Verdict
    intended: Action  # what the policy says
    action: Action  # what is done: differs from `intended` in shadow mode
    basis: Basis
    policy: str
    bundle: str  # digest of the model bundle
    direction: Direction = Direction.INPUT
    probability: float | None = None  # calibrated, in [0, 1]; None when nothing was scored
    threshold: float | None = None
    categories: Mapping[str, float] = field(default_factory=dict)
    attacks: Mapping[str, float] = field(default_factory=dict)
    cause: Cause | None = None
    images: tuple[ImageResult, ...] = ()
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    cached: bool = False
    code: str | None = None  # why nothing was scored, or which part was not judged; None when all of it was
    rule: Hit | None = None  # the strictest rule that was reached; None where none was
    # For the store alone, and in no answer: the decisive pair's scores and its assessment's key, and the keys of
    # further pairs of the request that were blocked, and which pair was the decisive one.
    scores: Scores | None = field(default=None, repr=False)
    digest: bytes | None = field(default=None, repr=False)
    also_blocked: tuple[bytes, ...] = field(default=(), repr=False)
    decisive: int = 0  # which of the pairs that were judged together

    def __post_init__(self) -> None:
        if self.basis is Basis.SCORE and (self.probability is None or self.threshold is None):
            raise ValueError("a scored decision has a probability and a threshold")
        if self.basis is Basis.ERROR_POLICY and self.code is None:
            raise ValueError("a decision by error policy names its code")

    def under(self, id_: str, latency_ms: Mapping[str, float]) -> "Decision":
        """Return the same decision under an id; `dataclasses.replace` takes twice as long, for every request."""
        return Decision(
            id_,
            self.verdict,
            self.intended,
            self.action,
            self.basis,
            self.policy,
            self.bundle,
            self.direction,
            self.probability,
            self.threshold,
            self.categories,
            self.attacks,
            self.cause,
            self.images,
            latency_ms,
            self.cached,
            self.code,
            self.rule,
            self.scores,
            self.digest,
            self.also_blocked,
            self.decisive,
        )

    def to_dict(self) -> dict[str, object]:
        """Return the verdict object that `guard classify` prints and every API answer carries."""
        return {
            "id": self.id,
            "direction": self.direction.value,
            "verdict": self.verdict.value,
            "intended": self.intended.value,
            "action": self.action.value,
            "basis": self.basis.value,
            "code": self.code,
            "cached": self.cached,
            "probability": self.probability,
            "threshold": self.threshold,
            "categories": dict(self.categories),
            "attacks": dict(self.attacks),
            "cause": self.cause.value if self.cause else None,
            "rule": self.rule.to_dict() if self.rule else None,
            "images": [
                {"judged": i.judged, "reason": i.reason, "ocr_text_chars": i.ocr_text_chars, "sha256": i.sha256}
                for i in self.images
            ],
            "policy": self.policy,
            "bundle": self.bundle,
            "latency_ms": {stage: round(value, 3) for stage, value in self.latency_ms.items()},
        }
