"""What an adaptation came to: numbers for the report, and sentences for whoever reads it."""

from dataclasses import asdict, dataclass

from guard.calibration.adaptation.controls import IMAGE_ONLY, SHUFFLED, TEXT_ONLY, Compared
from guard.calibration.adaptation.remembered import MOST_LOST, Remembered
from guard.stats.bootstrap import Estimate
from guard.suites import Suite

_FOLLOW = {
    TEXT_ONLY: "how the labels of this data follow its wording",
    IMAGE_ONLY: "how the labels of this data follow its pictures alone",
    SHUFFLED: "how the labels of this data follow its wording and its pictures, each for itself",
}


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A head that was fitted, or why it was not taken."""

    suite: Suite
    bundle: str  # label of the one that was adapted
    bundle_sha256: str
    n_pairs: int  # of half A
    n_groups: int
    replay: float  # how much the anchors weighed beside the pairs
    strength: float  # share of the fitted change that was kept
    penalty: float  # L2, chosen inside half A
    gain: Estimate  # of the area under the ROC curve on half A, by heads that never saw the group
    area: tuple[float, float]  # the same area over all pairs, before and after
    compared: Compared
    remembered: Remembered
    dropped: tuple[str, ...] = ()  # graphs that could not be adapted, and are not in the new bundle

    @property
    def refusal(self) -> str | None:
        """Why the bundle stays as it was; None where it was adapted."""
        if not self.remembered.is_enough:
            return (
                f"not adapted: even {100 * self.strength:g} % of the change costs plain harm or everyday use "
                f"{100 * self.remembered.lost:.1f} points; {100 * MOST_LOST:g} is allowed"
            )
        if self.gain.low is None or self.gain.low <= 0:
            return (
                "not adapted: no gain is proven on groups that a head never saw (area under the ROC curve of half A: "
                f"{between(self.gain)})"
            )
        return None

    def sentences(self) -> list[str]:
        """Return what was done, what it cost, and what the controls say."""
        return [_done(self), _cost(self.remembered), blind_sentence(self.compared)] + [
            f"{name} could not be adapted and was left out: a GPU runs the CPU's graph." for name in self.dropped
        ]

    def document(self) -> dict[str, object]:
        """Return the adaptation as plain values."""
        return {
            "bundle": {"name": self.bundle, "sha256": self.bundle_sha256},
            "outcome": self.refusal or "adapted",
            "learned_on": {"half": "a", "n": self.n_pairs, "n_groups": self.n_groups},
            "replay": self.replay,
            "strength": self.strength,
            "penalty": self.penalty,
            "gain_half_a": asdict(self.gain),
            "auc": {"before": self.area[0], "after": self.area[1]},
            "controls": {
                "n": self.compared.n_pairs,
                "n_groups": self.compared.n_groups,
                "blind_gets_the_same_gain": self.compared.is_blind_gain,
                "rows": {name: asdict(row) for name, row in self.compared.rows.items()},
            },
            "anchors": {**asdict(self.remembered), "points": {k: asdict(v) for k, v in self.remembered.points.items()}},
            "dropped": list(self.dropped),
            "in_words": self.sentences(),
        }


def blind_sentence(compared: Compared) -> str:
    """Return whether a model that misses a part of the pairs gets the same gain, in a sentence or two."""
    blind = compared.best_blind
    whole = compared.whole
    if blind is None:
        return "No pairs hold both a text and a picture: there is no picture that a model could be blind to."
    row = compared.rows[blind]
    ahead = "an unknown amount" if row.ahead is None else between(row.ahead)
    if not compared.is_blind_gain:
        return (
            f"A blind model does not get the same gain: the best of them ({blind}) reaches AUC {plain(row.after)}, "
            f"whole pairs {plain(whole.after)}, ahead by {ahead}."
        )
    return (
        f"A blind model gets the same gain: adapted in the same way on {blind}, it reaches AUC {plain(row.after)}, "
        f"whole pairs {plain(whole.after)} (ahead by {ahead}; {plain(whole.before)} before). What was learned is "
        f"{_FOLLOW[blind]}, not what text and picture mean together: expect nothing of it elsewhere."
    )


def plain(estimate: Estimate) -> str:
    """Return a figure without its interval: "0.871"."""
    return "–" if estimate.value is None else f"{estimate.value:.3f}"


def ranges(estimate: Estimate) -> str:
    """Return an area with its interval: "0.871 (0.840–0.900)"."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"


def between(estimate: Estimate) -> str:
    """Return a figure with its interval: "0.003 (−0.010 to 0.016)"."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{_signed(estimate.value)} ({_signed(estimate.low)} to {_signed(estimate.high)})"


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _done(adaptation: Adaptation) -> str:
    is_all = adaptation.strength == 1 and adaptation.replay == 1
    heavy = f", fitted with anchors {adaptation.replay:g} times as heavy as these pairs,"
    beside = "" if adaptation.replay == 1 else heavy
    kept = (
        "all of the change was kept"
        if is_all
        else f"{100 * adaptation.strength:g} % of the change{beside} was kept: more would cost too much elsewhere"
    )
    free = "" if is_all else f" (all of it, anchors or not, would reach {plain(adaptation.compared.whole.after)})"
    return (
        f"The last layer was fitted to half A, {adaptation.n_pairs} pairs in {adaptation.n_groups} groups (penalty "
        f"{adaptation.penalty:g}, chosen inside it); {kept}. By heads that never saw the group, the area under the ROC "
        f"curve went from {adaptation.area[0]:.3f} to {adaptation.area[1]:.3f}{free}; on half A by "
        f"{between(adaptation.gain)}."
    )


def _cost(kept: Remembered) -> str:
    points = "; ".join(
        f"at {name} {_share(p.harm_caught_before, kept.n_harm)} → {_share(p.harm_caught, kept.n_harm)} of the harm is "
        f"caught, {_share(p.everyday_refused_before, kept.n_everyday)} → {_share(p.everyday_refused, kept.n_everyday)} "
        "of everyday use refused"
        for name, p in kept.points.items()
    )
    return (
        f"Plain harm in words ({kept.n_harm} prompts) and everyday use ({kept.n_everyday}), none of them fitted to: "
        f"{points}; ranking {kept.auc_before:.3f} → {kept.auc:.3f}. At most {100 * MOST_LOST:g} point may be lost."
    )


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f}\N{NO-BREAK SPACE}%"
