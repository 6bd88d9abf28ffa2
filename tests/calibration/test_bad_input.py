"""What data may do wrong: each is one clear line with a code, or an exclusion that is counted."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from guard.bundle import Bundle, digest_file
from guard.calibration import Declaration, Scored, analyse
from guard.cli import app
from guard.errors import CalibrationInvalid, GuardError
from guard.stats.draws import in_second_half
from guard.suites import StoredPicture, load_suite
from tests.calibration.made import make_suite, scored_groups
from tests.tiny_bundle import HARMFUL_WORDS, HARMLESS_WORDS

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def rows(n: int = 160) -> list[Row]:
    """Return half harmless and half unsafe texts, each in a group of its own."""
    found: list[Row] = []
    for number in range(n):
        unsafe = number % 2 == 1
        words = HARMFUL_WORDS if unsafe else HARMLESS_WORDS
        text = f"{words[number % len(words)]} {number}"
        found.append({"id": f"r{number}", "text": text, "label": "unsafe" if unsafe else "safe", "group": f"g{number}"})
    return found


def calibrate(bundle: Bundle, folder: Path, data: list[Row], *arguments: str) -> Result:
    file = folder / "data.jsonl"
    file.write_text("\n".join(map(json.dumps, data)))
    given = ["calibrate", "--data", file, "--bundle", bundle.path, "--max-false-refusal", "0.1", "--json"]
    return CliRunner().invoke(app, [*map(str, given), *arguments, "--out", str(folder / "out")])


def _one_label(data: list[Row]) -> list[Row]:
    return [row for row in data if row["label"] == "safe"]


def _twice(data: list[Row]) -> list[Row]:
    return [*data, data[3]]


def _never_sampled(data: list[Row]) -> list[Row]:
    return [{**row, "sampling_probability": 0} for row in data]


def _few(data: list[Row]) -> list[Row]:
    return [{**row, "group": f"g{number % 19}"} for number, row in enumerate(data)]


def _drawn_by_pair(data: list[Row]) -> list[Row]:
    return [{**row, "group": f"g{number // 2}", "sampling_probability": 0.5} for number, row in enumerate(data)]


def _no_label(data: list[Row]) -> list[Row]:
    return [*data[:-1], {"id": "last", "text": "hello"}]


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (_one_label, "calibration_invalid", "all 80 pairs have one label; a calibration needs both"),
        (_twice, "suite_invalid", "data.jsonl:161: id 'r3' occurs twice"),
        (_few, "calibration_invalid", "19 groups; a calibration needs at least 20"),
        (_never_sampled, "suite_invalid", "data.jsonl:1: sampling_probability: "),
        (_drawn_by_pair, "calibration_invalid", "drawn pair by pair, they cannot prove a limit of --unit group"),
        (_no_label, "suite_invalid", "data.jsonl:160: label: "),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--adapt",)])
def test_data_that_supports_no_calibration_is_one_clear_line(
    bundle: Bundle,
    tmp_path: Path,
    spoil: Callable[[list[Row]], list[Row]],
    code: str,
    message: str,
    arguments: tuple[str, ...],
) -> None:
    if arguments and spoil is _few:
        message = "half A holds"  # adaptation asks for more

    if arguments and spoil is _one_label:
        message = "half A holds 0 groups with unsafe pairs"

    done = calibrate(bundle, tmp_path, spoil(rows()), *arguments)

    assert isinstance(done.exception, GuardError)
    assert done.exception.code == code
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not list((tmp_path / "out").glob("*"))


def test_half_b_with_one_label_certifies_nothing(bundle: Bundle) -> None:
    scored = scored_groups(100, 100)
    second = in_second_half(scored.groups)
    keep = ~(second & scored.unsafe)
    pairs = tuple(pair for pair, stays in zip(scored.pairs, keep, strict=True) if stays)

    with pytest.raises(CalibrationInvalid, match="one label only"):
        analyse(
            replace(scored, suite=make_suite(pairs), pairs=pairs, scores=scored.scores[keep]),
            bundle.manifest,
            Declaration((0.05,)),
        )


def test_score_that_is_no_number_is_refused_and_counted(bundle: Bundle) -> None:
    scored = scored_groups(100, 100)
    scores = scored.scores.copy()
    scores[[3, 7]] = [np.nan, np.inf]

    with pytest.raises(CalibrationInvalid, match="2 scores are not finite"):
        analyse(replace(scored, scores=scores), bundle.manifest, Declaration((0.05,)))


def test_rows_of_different_groups_with_one_picture_stand_in_one_half(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "same.png")
    data = [{**row, "image": "same.png"} if number < 40 else row for number, row in enumerate(rows())]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, data)))

    groups = [pair.group for pair in load_suite(str(tmp_path / "data.jsonl")).pairs]

    assert len(set(groups[:40])) == 1
    assert len(set(groups)) == 121


def test_picture_that_stands_in_both_halves_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "same.png")
    same = (StoredPicture(tmp_path / "same.png", digest_file(tmp_path / "same.png").sha256),)
    scored = scored_groups(100, 100)
    pairs = tuple(replace(pair, pictures=same) if pair.id.endswith("-0") else pair for pair in scored.pairs)

    with pytest.raises(CalibrationInvalid, match=r"pairs '0-0' and '\d+-0' show one picture, but"):
        analyse(replace(scored, suite=make_suite(pairs), pairs=pairs), bundle.manifest, Declaration((0.05,)))


def test_unequal_sampling_is_evened_out_and_counted_and_alike_each_time(bundle: Bundle, tmp_path: Path) -> None:
    data = [{**row, "sampling_probability": 1.0 if number % 4 < 2 else 0.25} for number, row in enumerate(rows(400))]

    reports = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        reports.append(json.loads(calibrate(bundle, tmp_path / name, data).stdout))

    first, second = reports
    assert first["suite"]["n"] == second["suite"]["n"]
    assert first["suite"]["thinned"] == 400 - first["suite"]["n"]
    assert 110 <= first["suite"]["thinned"] <= 190  # three quarters of 200
    assert first["answers"] == second["answers"]
    assert any("sampled with equal probability" in warning for warning in first["warnings"])


def _drawn_row_by_row(n_groups: int, probability: float) -> Scored:
    """Return an export of groups of twenty harmless rows, of which exactly one is refused, beside unsafe pairs."""
    scored = scored_groups(n_groups, 100, rows=20)
    refused = np.array([pair.is_unsafe or pair.id.endswith("-7") for pair in scored.pairs])
    drawn = np.random.default_rng(3).uniform(size=len(scored.pairs)) < probability
    pairs = tuple(replace(pair, sampling_probability=probability) for pair in compress(scored.pairs, drawn))
    return replace(scored, suite=make_suite(pairs), pairs=pairs, scores=np.where(refused, 5.0, -5.0)[drawn])


def test_groups_of_which_some_rows_were_drawn_certify_nothing_by_group(bundle: Bundle) -> None:
    scored = _drawn_row_by_row(400, 0.05)  # each harmless group has a refused row; few of them are seen

    with pytest.raises(CalibrationInvalid, match=r"^made: sampling_probability is below 1, and ") as caught:
        analyse(scored, bundle.manifest, Declaration((0.15,)))

    counts = Counter(pair.group for pair in scored.pairs)
    assert f" {sum(n > 1 for n in counts.values())} of {len(counts)} groups hold several pairs: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_groups_of_which_some_rows_were_drawn_are_refused_wherever_the_probability_stands(bundle: Bundle) -> None:
    scored = scored_groups(100, 100)  # thinning would take rows out of groups that were drawn whole
    single = next(pair for pair in scored.pairs if pair.group == "group 0")
    rest = tuple(pair for pair in scored.pairs if pair.group != "group 0")
    pairs = (replace(single, sampling_probability=0.5), *rest)
    kept = np.array([pair is single or pair.group != "group 0" for pair in scored.pairs])

    with pytest.raises(CalibrationInvalid, match="199 of 200 groups hold several pairs"):
        analyse(
            replace(scored, suite=make_suite(pairs), pairs=pairs, scores=scored.scores[kept]),
            bundle.manifest,
            Declaration((0.1,)),
        )


def test_unit_request_takes_groups_of_which_some_rows_were_drawn(bundle: Bundle) -> None:
    analyse(_drawn_row_by_row(400, 0.05), bundle.manifest, Declaration((0.15,), unit="request"))


@pytest.mark.parametrize("arguments", [(), ("--adapt",)])
def test_unreadable_and_missing_pictures_are_counted_and_never_scored_as_text(
    bundle: Bundle, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    data = rows(400)
    data[0]["image"] = "bad.png"
    data[1]["image"] = "gone.png"

    report = json.loads(calibrate(bundle, tmp_path, data, *arguments).stdout)

    if arguments:  # the bundle ranks these texts perfectly: nothing is gained, nothing is written
        assert report["adaptation"]["outcome"].startswith("not adapted: no gain is proven")
        return
    assert report["suite"]["unjudged"] == {"image_rejected": 1}
    assert report["suite"]["unjudged_ids"] == ["r0"]
    assert report["suite"]["missing_pictures"] == ["r1"]
    assert report["suite"]["n"] == 398
    assert any("could not be judged" in warning for warning in report["warnings"])


def test_limits_changed_after_a_look_are_told_with_what_is_left_of_the_confidence(
    bundle: Bundle, tmp_path: Path
) -> None:
    for name, more in (("one", ()), ("two", ("--max-false-refusal", "0.05")), ("three", ("--unit", "request"))):
        (tmp_path / name).mkdir()
        report = json.loads(calibrate(bundle, tmp_path / name, rows(), *more).stdout)

    assert report["looks"] == {
        "is_counted": True,
        "count": 3,
        "declarations": 3,
        "of_other_files": 0,
        "joint_confidence": pytest.approx(0.85),
    }
    assert any(
        "looked at 3 times" in warning and "with 3 different declarations" in warning for warning in report["warnings"]
    )
