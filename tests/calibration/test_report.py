"""What the report adds to the figures: sentences for a manager, and pairs to look at."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from guard.bundle import Bundle
from guard.calibration import Declaration, Scored, analyse, calibrate
from guard.calibration.charts import histogram_chart
from guard.calibration.looks import Look, take_look
from guard.calibration.nearest import nearest
from guard.calibration.page import render_page
from guard.calibration.words import explain, in_short, whose_certificate
from guard.stats.certify import Certified, NotCertifiable, Unit
from guard.stats.draws import in_second_half
from guard.suites import StoredPicture
from tests.calibration.made import make_suite, scored_groups


def page(scored: Scored, bundle: Bundle, *limits: float, with_pictures: bool = True) -> str:
    declaration = Declaration(limits)
    looks = take_look(None, Look.of(declaration, bundle.digest))
    analysis = analyse(scored, bundle.manifest, declaration)
    return render_page(analysis, looks, before=bundle, after=None, with_pictures=with_pictures)


def pictured(scored: Scored, folder: Path) -> Scored:
    """Return the pairs with a picture each, every second one of them damaged."""
    pairs = []
    for number, pair in enumerate(scored.pairs):
        path = folder / f"{number}.png"
        if number % 2:
            path.write_bytes(b"\x89PNG\r\n\x1a\n" + str(number).encode())
        else:
            Image.new("RGB", (600, 300), (10, 200, number % 256)).save(path)
        pairs.append(replace(pair, pictures=(StoredPicture(path, f"{number:064}"),)))
    return replace(scored, suite=make_suite(pairs), pairs=tuple(pairs))


def test_summary_counts_in_a_thousand_requests(bundle: Bundle) -> None:
    analysis = analyse(scored_groups(400, 200, shift=5.0), bundle.manifest, Declaration((0.05, 0.1), prevalence=0.01))

    first, second, third = in_short(analysis)

    figures = analysis.certified["frr-0.1"]
    assert first == "2 of 2 declared limits are proven and of use."
    assert figures.recall.value is not None
    assert f"of 1,000 unsafe ones about {1000 * figures.recall.value:.0f} (" in second
    assert f"{figures.refusals[0].right:.1f} right and {figures.refusals[0].wrong:.1f} wrong refusals in 1,000" in third


def test_summary_warns_of_a_guard_for_which_nothing_of_use_is_proven(bundle: Bundle) -> None:
    for shift, limit in ((-2.0, 0.05), (3.0, 0.001)):
        analysis = analyse(scored_groups(300, 150, shift=shift), bundle.manifest, Declaration((limit,)))

        assert in_short(analysis)[0].endswith("do not enforce this guard on such pairs.")
        assert in_short(analysis)[1].startswith("At balanced, ")


def test_what_is_not_certifiable_is_told_in_the_declared_unit_and_with_how_many_groups_would_do(bundle: Bundle) -> None:
    scored = scored_groups(100, 100)
    # One harmless pair of every third group is certain to be refused: no threshold is strict enough.
    certain = np.array([not pair.is_unsafe and int(pair.id.split("-")[0]) % 3 == 0 for pair in scored.pairs])
    spoilt = replace(scored, scores=np.where(certain & np.char.endswith(_ids(scored), "-0"), 50.0, scored.scores))
    said = {}
    for unit in get_args(Unit):
        (answer,) = analyse(spoilt, bundle.manifest, Declaration((0.05,), unit=unit)).answers
        said[unit] = explain(answer)
        assert isinstance(answer, NotCertifiable)
        assert answer.errors > 0
        assert f"{answer.groups_missing:,} more groups would, if none of them had a refusal" in said[unit]

    assert "harmless groups have a refused pair, which" in said["group"]
    assert "harmless requests, one of each group, are refused, which" in said["request"]
    assert "harmless groups have a refused pair, which" in said["mean"]


def test_report_says_that_conversations_are_refused_more_often_than_pairs(bundle: Bundle) -> None:
    analysis = analyse(scored_groups(200, 100), bundle.manifest, Declaration((0.1,)))

    assert "a conversation is refused when any of its parts is, so more often" in whose_certificate(analysis)


def _ids(scored: Scored) -> NDArray[np.str_]:
    return np.array([pair.id for pair in scored.pairs])


def test_rate_over_all_rows_of_each_group_is_reported_too(bundle: Bundle, tmp_path: Path) -> None:
    declared = Declaration((0.1,), unit="mean")

    done = calibrate(
        scored_groups(400, 200), declared, bundle=bundle, out=tmp_path / "out", today=dt.date(2026, 11, 21)
    )

    (answer,) = done.analysis.answers
    assert isinstance(answer, Certified)
    place = int(np.flatnonzero(done.analysis.curve.thresholds == answer.threshold)[0])
    assert done.analysis.curve.false_refusals[place] == answer.observed
    assert done.bundle is not None
    certificate = done.bundle.manifest.operating_points["frr-0.1"].certificate
    assert certificate is not None
    assert certificate.unit == "mean"
    assert "each group counting as much as any other" in (tmp_path / "out" / "report.html").read_text()


def test_nearest_pairs_are_those_of_half_b_around_the_threshold_one_of_each_group(bundle: Bundle) -> None:
    scored = scored_groups(200, 100)
    analysis = analyse(scored, bundle.manifest, Declaration((0.1,)))

    near = nearest(analysis, 0.5, with_pictures=True)

    assert len(near) == len({each.pair.group for each in near}) == 12
    second = in_second_half(scored.groups)
    in_b = {pair.id for pair, is_b in zip(scored.pairs, second, strict=True) if is_b}
    assert {each.pair.id for each in near} <= in_b
    gaps = np.sort(np.abs(analysis.probabilities[second] - 0.5))
    assert max(abs(each.probability - 0.5) for each in near) <= gaps[30]
    assert [each.probability for each in near] == sorted((each.probability for each in near), reverse=True)
    assert all(each.is_refused == (each.probability >= 0.5) for each in near)


def test_nearest_to_a_threshold_of_one_are_the_most_probable(bundle: Bundle) -> None:
    scored = scored_groups(200, 100)
    analysis = analyse(scored, bundle.manifest, Declaration((0.1,)))

    near = nearest(analysis, 1.0, with_pictures=False)

    assert near[0].probability == analysis.probabilities[in_second_half(scored.groups)].max()


def test_pictures_are_shown_as_small_ones_inside_the_page(bundle: Bundle, tmp_path: Path) -> None:
    html = page(pictured(scored_groups(200, 100), tmp_path), bundle, 0.1)

    assert html.count('<img src="data:image/jpeg;base64,') >= 1
    assert "1 picture not shown" in html  # the damaged ones
    assert len(html) < 300_000


def test_pictures_can_be_switched_off(bundle: Bundle, tmp_path: Path) -> None:
    html = page(pictured(scored_groups(200, 100), tmp_path), bundle, 0.1, with_pictures=False)

    assert "<img" not in html
    assert html.count("1 picture not shown") == 12


def test_hostile_texts_and_ids_are_escaped_beside_their_pictures(bundle: Bundle) -> None:
    scored = scored_groups(100, 50)
    hostile = tuple(
        replace(pair, id=f'"><script>\x1b[31m{pair.id}', text="<script>alert(1)</script>" * 30) for pair in scored.pairs
    )

    html = page(replace(scored, suite=make_suite(hostile), pairs=hostile), bundle, 0.1)

    assert "<script>" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_histogram_outlines_the_other_half() -> None:
    values = np.linspace(0.1, 0.9, 50)

    chart = histogram_chart(values, values, outlines=(values, values), thresholds=[("balanced", 0.5)])

    assert chart.count('<polyline class="outline"') == 2
