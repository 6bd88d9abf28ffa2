"""Graphs that should agree, in decisions flipped at the candidate's threshold: one model twice, and its tokenizer.

A guard that differs in the third decimal everywhere and in no decision is the same guard to whoever it serves; one that
differs in a single decision is not, whatever its mean error.
"""

from collections.abc import Sequence

import numpy as np

from guard.bundle import Bundle
from guard.manifest import Manifest
from guard.release.check import Check
from guard.release.compare import Judged
from guard.release.contender import Bools, Contender, Floats
from guard.release.margins import Margins
from guard.release.tokens import count_graph_tokens, count_tokenizer_tokens
from guard.stats.bootstrap import Estimate
from guard.stats.paired import Verdict
from guard.trust import chosen_for_other_files

# An embedding table may be padded to a round size; more rows than this are another tokenizer's.
_MOST_PADDING = 127


def claimed_same(candidate: Manifest, baseline: Manifest) -> str | None:
    """Return why two bundles should judge alike, in words; None where neither says so."""
    graphs = ("text.onnx", "vision.onnx")
    if all(candidate.files[name].sha256 == baseline.files[name].sha256 for name in graphs):
        return "both have the same graphs"
    if (candidate.name, _release(candidate)) == (baseline.name, _release(baseline)):
        return f"both are called {candidate.name}-{_release(candidate)}"
    return None


def check_same_model(judged: Sequence[Judged], candidate: Contender, baseline: Contender, margins: Margins) -> Check:
    """Return in how many decisions two bundles of one model differ, each score held against the candidate's threshold.

    Thresholds and calibrations may differ on purpose, so only raw scores are compared. Bundles of different models are
    not held to each other.
    """
    place, claim = "same model", claimed_same(candidate.bundle.manifest, baseline.bundle.manifest)
    if claim is None:
        return Check("parity", place, None, "candidate and baseline are different models")
    pairs = [part.scores for part in judged]
    mine, theirs = (np.concatenate([scores[side] for scores in pairs]) for side in (0, 1))
    differing = _differing(candidate.bundle.manifest, baseline.bundle.manifest)
    about = f"{claim}, but not the same {', '.join(differing)}" if differing else claim
    return flips_check(place, mine, theirs, candidate, margins, about=about)


def check_bindings(candidate: Contender) -> Check:
    """Return whether threshold and calibration were chosen for the candidate's files, where they say for which."""
    place, manifest = "chosen for these files", candidate.bundle.manifest
    point = manifest.operating_points[candidate.point]
    if point.binding is None and manifest.calibration.binding is None:
        return Check("parity", place, None, "neither threshold nor calibration say for which files they were chosen")
    changed = chosen_for_other_files(manifest, {candidate.point: point}, "cpu")
    if not changed:
        return Check("parity", place, "holds", "so say their digests", unit="count", candidate=0)
    said = "; ".join(f"{what} was chosen for another {', '.join(files)}" for what, files in changed.items())
    return Check("parity", place, "fails", said, unit="count", candidate=len(changed))


def check_tokenizer(bundle: Bundle, margins: Margins) -> Check:
    """Return whether the text graph knows as many tokens as the tokenizer: else they are not of one model.

    They are counted: the same words at other places are found by `check_bindings`, or by what the suites come to.
    """
    place = "number of tokens"
    known, there = count_tokenizer_tokens(bundle), count_graph_tokens(bundle)
    if there is None:
        return Check("parity", place, None, "the text graph takes any token, so it cannot be held to a vocabulary")
    fits = known <= there <= known + _MOST_PADDING
    verdict: Verdict = "holds" if fits else "fails"
    return Check(
        kind="parity",
        place=place,
        verdict=None if margins.flipped is None else verdict,
        reason=f"tokenizer.json has {known:,} tokens, text.onnx {there:,}",
        unit="count",
        candidate=float(known),
        figures={"tokenizer_tokens": known, "graph_tokens": there},
    )


def flips_check(
    place: str, mine: Floats, theirs: Floats, candidate: Contender, margins: Margins, *, about: str
) -> Check:
    """Return the share of decisions that differ between two runs; what only one of them could judge differs, too.

    Args:
        place: what was compared.
        mine: raw scores, shape (n,), NaN where there is none.
        theirs: raw scores of the same pairs.
        candidate: whose threshold and calibration hold for both.
        margins: how many flips are allowed.
        about: what the two runs are.
    """
    flipped = _flipped(mine, theirs, candidate)
    n, n_flipped = len(flipped), int(flipped.sum())
    both = np.isfinite(mine) & np.isfinite(theirs)
    furthest = float(np.abs(mine[both] - theirs[both]).max(initial=0.0))
    margin = margins.flipped
    share = n_flipped / n if n else 0.0
    verdict: Verdict | None = None
    if margin is not None:
        verdict = "cannot_tell" if n == 0 else "holds" if share <= margin else "fails"
    return Check(
        kind="parity",
        place=place,
        verdict=verdict,
        reason=f"{n_flipped:,} of {n:,} decisions flip; raw scores differ by up to {furthest:.2g}; {about}",
        candidate=share,
        difference=Estimate(share, None, None),
        margin=margin,
        figures={"n": n, "flipped": n_flipped, "furthest_raw_score": furthest},
    )


def _flipped(mine: Floats, theirs: Floats, candidate: Contender) -> Bools:
    unlike = candidate.refuses(mine) != candidate.refuses(theirs)
    return np.asarray(unlike | (np.isnan(mine) != np.isnan(theirs)), dtype=np.bool_)


def _release(manifest: Manifest) -> str:
    """Return the version without what a calibration added to it."""
    return manifest.version.partition("+")[0]


def _differing(candidate: Manifest, baseline: Manifest) -> list[str]:
    """Return what of two bundles of one model differs among all that scores depend on."""
    names = sorted(candidate.scored_with | baseline.scored_with)
    found = [name for name in names if candidate.files.get(name) != baseline.files.get(name)]
    parts = {"text preparation": "text", "picture preparation": "image", "writing gate": "writing_gate"}
    return found + [word for word, part in parts.items() if getattr(candidate, part) != getattr(baseline, part)]
