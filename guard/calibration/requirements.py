"""What a calibration asks of its data before it reads anything into it."""

from collections import Counter

import numpy as np

from guard.calibration.scoring import Scored
from guard.errors import CalibrationInvalid
from guard.stats.draws import in_second_half
from guard.stats.trials import Unit
from guard.suites import StoredPicture, Suite

_MIN_GROUPS = 20


def require_usable(scored: Scored, unit: Unit) -> None:
    """Raise CalibrationInvalid where no certificate in this unit could hold, or nothing could be learned."""
    if scored.suite.traffic is not None:
        n, what = len(scored.pairs), "labelled decisions"
    else:
        n, what = len(set(scored.groups)), "groups"
    if n < _MIN_GROUPS:
        raise CalibrationInvalid(f"{n} {what}; a calibration needs at least {_MIN_GROUPS}")
    if not np.isfinite(scored.scores).all():
        raise CalibrationInvalid(f"{np.count_nonzero(~np.isfinite(scored.scores))} scores are not finite")
    if scored.unsafe.all() or not scored.unsafe.any():
        raise CalibrationInvalid(f"all {len(scored.pairs)} pairs have one label; a calibration needs both")
    if scored.suite.traffic is None:
        _refuse_shared_pictures(scored.suite)
    require_whole_groups(scored.suite, unit)


def _refuse_shared_pictures(suite: Suite) -> None:
    """Raise CalibrationInvalid where a picture stands in both halves: one would be fitted on what the other proves.

    The loaders join such groups, so this catches suites that were put together by other means.
    """
    second = in_second_half([pair.group for pair in suite.pairs])
    halves: dict[str, tuple[str, bool]] = {}
    for pair, is_b in zip(suite.pairs, second.tolist(), strict=True):
        for picture in pair.pictures:
            if not isinstance(picture, StoredPicture):  # the grey ones of a control are alike
                continue
            other, was_b = halves.setdefault(picture.sha256, (pair.id, is_b))
            if was_b != is_b:
                raise CalibrationInvalid(
                    f"pairs {other!r} and {pair.id!r} show one picture, but their groups stand in different halves"
                )


def require_whole_groups(suite: Suite, unit: Unit) -> None:
    """Raise CalibrationInvalid where groups are counted, and such of several pairs were, or would be, drawn in part.

    Of such a group some pairs are seen: that none of them is refused does not tell that none of the group is. A
    probability below 1 on other pairs does the same, because evening out the sampling leaves out single pairs.
    """
    if suite.traffic is not None and unit != "request":
        raise CalibrationInvalid(f"{suite.path}: reviews of traffic prove shares of requests: declare --unit request")
    if unit != "group" or all(pair.sampling_probability == 1 for pair in suite.pairs):
        return
    counts = Counter(pair.group for pair in suite.pairs)
    several = sum(n > 1 for n in counts.values())
    if several:
        raise CalibrationInvalid(
            f"{suite.path}: sampling_probability is below 1, and {several} of {len(counts)} groups hold several pairs: "
            "drawn pair by pair, they cannot prove a limit of --unit group. Draw groups whole, each with the same "
            "probability, and leave the field out; or declare --unit request"
        )
