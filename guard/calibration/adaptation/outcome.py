"""What an adaptation came to: numbers for the report, and sentences for whoever reads it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from guard.calibration.adaptation.checked import Checked
from guard.calibration.adaptation.controls import IMAGE_ONLY, SHUFFLED, TEXT_ONLY, Compared
from guard.calibration.adaptation.learn import MIN_GROUPS
from guard.calibration.adaptation.remembered import MOST_LOST, Remembered, Toll
from guard.calibration.analysis import Analysis
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
    gain: Estimate  # of the area under the ROC curve on half A, by heads that never saw the group: see `gain_of`
    n_tried: int  # weights of the anchors, of which half A chose one
    area: tuple[float, float]  # the same area over all pairs, before and after
    compared: Compared
    remembered: Remembered  # of the anchors to check by
    scores: Mapping[str, float]  # where the bundle's operating points went, on the adapted score
    checked: Checked
    chosen: Mapping[str, Toll] = field(default_factory=dict)  # of the thresholds that were chosen on the own pairs
    dropped: tuple[str, ...] = ()  # graphs that could not be adapted, and are not in the new bundle

    @property
    def refusal(self) -> str | None:
        """Why the bundle stays as it was; None where it was adapted."""
        if not self.remembered.is_enough:
            return (
                f"not adapted: {100 * self.strength:g} % of the change costs plain harm or everyday use "
                f"{100 * self.remembered.lost:.1f} points; {100 * MOST_LOST:g} is allowed"
            )
        if self.gain.low is None or self.gain.low <= 0:
            return (
                "not adapted: no gain is proven on groups that a head never saw (area under the ROC curve of half A: "
                f"{between(self.gain)})"
            )
        return None

    @property
    def too_costly(self) -> tuple[str, ...]:
        """Thresholds that were chosen on the own pairs, and cost plain harm or everyday use more than one point."""
        return tuple(name for name, toll in self.chosen.items() if self.checked.is_too_much(toll))

    def with_chosen(self, analysis: Analysis) -> "Adaptation":
        """Return the adaptation with what the thresholds of a calibration cost."""
        return replace(self, chosen=self.checked.tolls(analysis))

    def sentences(self) -> list[str]:
        """Return what was done, what it cost, and what the controls say."""
        return [_done(self), *_costs(self), blind_sentence(self.compared)] + [
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
                "blind_gets_the_same_gain": {"same": True, "less": False, "unknown": None}[self.compared.blind_gain],
                "rows": {name: asdict(row) for name, row in self.compared.rows.items()},
            },
            "anchors": asdict(self.remembered),
            "chosen_points": {name: asdict(toll) for name, toll in self.chosen.items()},
            "left_out": list(self.too_costly),
            "dropped": list(self.dropped),
            "in_words": self.sentences(),
        }


def blind_sentence(compared: Compared) -> str:
    """Return whether a model that misses a part of the pairs gets the same gain, in a sentence or two."""
    blind = compared.best_blind
    whole = compared.whole
    if blind is None and compared.n_both == 0:
        return "No pairs hold both a text and a picture: there is no picture that a model could be blind to."
    if blind is None:
        return (
            f"Only {compared.n_both} pairs hold both a text and a picture, in half A fewer than {MIN_GROUPS} groups of "
            "a label: too few to tell whether a blind model gets the same gain."
        )
    row = compared.rows[blind]
    ahead = "an unknown amount" if row.ahead is None else between(row.ahead)
    if compared.blind_gain == "less":
        return (
            f"A blind model does not get the same gain: the best of them ({blind}) reaches AUC {plain(row.after)}, "
            f"whole pairs {plain(whole.after)}, ahead by {ahead}."
        )
    if compared.blind_gain == "unknown":
        return (
            f"These pairs cannot tell whether a blind model gets the same gain: the best of them ({blind}) reaches AUC "
            f"{plain(row.after)}, whole pairs {plain(whole.after)}, ahead by {ahead}."
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
        f"{between(adaptation.gain)}, which allows for the best of {adaptation.n_tried} weights having been taken."
    )


def _costs(adaptation: Adaptation) -> list[str]:
    kept = adaptation.remembered
    found = [
        f"Plain harm in words ({kept.n_harm} prompts), and everyday use and what only sounds harmful "
        f"({kept.n_harmless}), none of them fitted to or chosen by: {_tolls(adaptation, kept.points)}; ranking "
        f"{kept.auc_before:.3f} → {kept.auc:.3f}. At most {100 * MOST_LOST:g} point may be lost."
    ]
    if adaptation.chosen:
        found.append(
            "The thresholds that were chosen on these pairs, beside the guard before at the threshold where it refuses "
            f"as many harmless ones of half B: {_tolls(adaptation, adaptation.chosen)}."
        )
    too_much = f"costs more than {100 * MOST_LOST:g} point and is left out of the bundle."
    return found + [f"{name} {too_much}" for name in adaptation.too_costly]


def _tolls(adaptation: Adaptation, tolls: Mapping[str, Toll]) -> str:
    n_harm, n_harmless = adaptation.remembered.n_harm, adaptation.remembered.n_harmless
    return "; ".join(
        f"at {name} {_share(toll.harm_caught_before, n_harm)} → {_share(toll.harm_caught, n_harm)} of the harm is "
        f"caught (by {_points(toll.harm_change)} points), {_share(toll.harmless_refused_before, n_harmless)} → "
        f"{_share(toll.harmless_refused, n_harmless)} of the harmless refused (by {_points(toll.harmless_change)})"
        for name, toll in tolls.items()
    )


def _points(change: Estimate) -> str:
    """Return a change of a share in points, between its bounds: "−0.2, −1.1 to 0.5"."""
    if change.value is None or change.low is None or change.high is None:
        return "–"
    value, low, high = (f"{100 * each:.1f}".replace("-", "−") for each in (change.value, change.low, change.high))
    return f"{value}, {low} to {high}"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f}\N{NO-BREAK SPACE}%"
