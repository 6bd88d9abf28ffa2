"""A stored decision as JSON, with what was said about it since."""

from collections.abc import Sequence
from dataclasses import dataclass

from guard.errors import ContentLocked
from guard.store.store import Store
from guard.store.values import AllowEntry, Content, Label, LabelKind, Source, StoredDecision, agreed
from guard.types import Action

Document = dict[str, object]
_MOST_LABELS = 100  # the latest


@dataclass(frozen=True, slots=True)
class Case:
    """A decision with its labels and allow entries, and what was judged, where that was kept."""

    decision: StoredDecision
    labels: Sequence[Label] = ()
    allowed: Sequence[AllowEntry] = ()
    content: Content | None = None
    is_locked: bool = False

    @property
    def label(self) -> LabelKind | None:
        """What the reviewers are agreed on; None before there is any."""
        return label_of(self.labels)


def label_of(labels: Sequence[Label]) -> LabelKind | None:
    """Return what the reviewers of a decision are agreed on; its labels come in the order in which they were given."""
    latest = {one.author: one.label for one in labels if one.source is Source.REVIEWER}
    return agreed(latest.values()) if latest else None


def open_case(store: Store, decision: StoredDecision, *, allowed: Sequence[AllowEntry] = ()) -> Case:
    """Return a decision with all that the store has on it. Raises StoreFailed."""
    content, is_locked = None, False
    try:
        content = store.content(decision.id)
    except ContentLocked:
        is_locked = True
    of_it = [entry for entry in allowed if entry.because_of == decision.id]
    return Case(decision, store.labels_of(decision.id), of_it, content, is_locked)


def summary(decision: StoredDecision, label: LabelKind | None) -> Document:
    """Return a line of a list."""
    return {
        "id": decision.id,
        "at": decision.at,
        "direction": decision.direction.value,
        "route": decision.route,
        "tenant": decision.tenant,
        "policy": decision.policy,
        "mode": decision.mode.value,
        "verdict": decision.verdict.value,
        "intended": decision.intended.value,
        "action": decision.action.value,
        "basis": decision.basis.value,
        "code": decision.code,
        "cause": None if decision.cause is None else decision.cause.value,
        "probability": decision.probability,
        "threshold": decision.threshold,
        "bundle": decision.bundle,
        "is_sampled": decision.is_sampled,
        "sampling_probability": decision.sampling_probability,
        "label": None if label is None else label.value,
    }


def full(case: Case, *, now: float) -> Document:
    """Return everything about a decision, its text included where it was kept; pictures are asked for one by one."""
    decision = case.decision
    return summary(decision, case.label) | {
        "stratum": decision.stratum,
        "plan": decision.plan,
        "rule": None if decision.rule is None else decision.rule.to_dict(),
        "categories": dict(decision.categories),
        "attacks": dict(decision.attacks),
        "images": [{"judged": each.judged, "reason": each.reason} for each in decision.images],
        "cached": decision.cached,
        "latency_ms": dict(decision.latency_ms),
        "content": None if case.content is None else _content(case.content),
        "content_kept": "locked" if case.is_locked else "no" if case.content is None else "yes",
        "labels": [
            {"label": one.label.value, "author": one.author, "source": one.source.value, "at": one.at, "note": one.note}
            for one in case.labels[-_MOST_LABELS:]
        ],
        "allowed": [
            {"policy": one.policy, "until": one.until, "by": one.by, "at": one.at, "holds": one.holds(now)}
            for one in case.allowed
        ],
        "can_be_allowed": decision.intended is Action.BLOCK
        and decision.basis.is_verdict
        and decision.code is None
        and decision.content_digest is not None,
    }


def whole_text(text: str) -> str:
    """Return a text that can be written as UTF-8. Half a surrogate pair, which JSON within JSON may hold, cannot."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _content(content: Content) -> Document:
    return {"text": whole_text(content.text), "pictures": len(content.pictures), "is_whole": content.is_whole}
