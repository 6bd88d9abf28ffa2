import datetime as dt
import json
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from guard.bundle import Bundle, copy_bundle, write_manifest
from guard.calibration import Calibrated, Declaration, Memory, Scored, calibrate
from guard.calibration import memory as calibration_memory
from guard.config import OcrSettings, Settings
from guard.errors import UsageError
from guard.stats.calibrators import to_probability
from tests.calibration.made import scored_groups
from tests.tiny_bundle import make_tiny_bundle

TODAY = dt.date(2026, 11, 21)


def run(
    scored: Scored, bundle: Bundle, out: Path, *limits: float, memory: Memory | None = None, **more: float
) -> Calibrated:
    return calibrate(scored, Declaration(limits, **more), bundle=bundle, out=out, today=TODAY, memory=memory)  # type: ignore[arg-type] # floats only


def test_bundle_carries_certificate_and_old_points_that_decide_as_before(bundle: Bundle, tmp_path: Path) -> None:
    scored = scored_groups(400, 200)

    done = run(scored, bundle, tmp_path / "out", 0.05)

    new = Bundle.load(tmp_path / "out")
    assert done.bundle == new
    point = new.manifest.operating_points["frr-0.05"]
    certificate = point.certificate
    assert certificate is not None
    assert (certificate.unit, certificate.limit, certificate.confidence) == ("group", 0.05, 0.95)
    assert (certificate.data, certificate.data_sha256) == ("made", scored.suite.digest)
    assert certificate.estimate <= certificate.upper <= 0.05
    assert certificate.verdict == "certified"
    assert new.manifest.files == bundle.manifest.files
    assert new.label == "tiny-0.0+made"
    before = to_probability(bundle.manifest.calibration, scored.scores)
    after = to_probability(new.manifest.calibration, scored.scores)
    for name, old in bundle.manifest.operating_points.items():
        assert ((before >= old.threshold) == (after >= new.manifest.operating_points[name].threshold)).all()


def test_model_that_brings_its_own_report_keeps_it_beside_the_calibrations(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    copy_bundle(bundle, folder, manifest=bundle.manifest)
    (folder / "report.json").write_text('{"trained": true}')
    model = write_manifest(folder, bundle.manifest)
    memory, suite = Memory(tmp_path / "memory"), scored_groups(400, 200).suite

    run(scored_groups(400, 200), model, tmp_path / "out", 0.05)

    new = Bundle.load(tmp_path / "out")  # every digest holds
    assert set(new.manifest.files) == {*bundle.manifest.files, "model-report.json"}
    assert json.loads((tmp_path / "out" / "model-report.json").read_text()) == {"trained": True}
    assert "answers" in json.loads((tmp_path / "out" / "report.json").read_text())
    memory.scores(model, suite, Settings()).append("id", 1.5)
    assert memory.scores(new, suite, Settings()).read() == {"id": 1.5}


def test_calibrating_a_calibrated_bundle_replaces_its_points(bundle: Bundle, tmp_path: Path) -> None:
    first = run(scored_groups(400, 200), bundle, tmp_path / "first", 0.05).bundle
    assert first is not None

    second = run(scored_groups(400, 200, seed=2), first, tmp_path / "second", 0.05).bundle

    assert second is not None
    assert set(second.manifest.operating_points) == set(first.manifest.operating_points)
    assert second.label == first.label
    assert second.digest != first.digest


def test_calibrated_bundle_tells_how_the_scores_of_its_data_lay(bundle: Bundle, tmp_path: Path) -> None:
    scored = scored_groups(300, 100)
    new = run(scored, bundle, tmp_path / "out", 0.05).bundle

    assert new is not None
    found = new.manifest.calibration.reference
    assert found is not None
    totals = np.array(found.safe) + found.unsafe
    assert (sum(found.safe), sum(found.unsafe), len(totals)) == (600, 200, 20)
    assert totals.min() == totals.max() == 40
    assert sum(found.unsafe[:2]) < sum(found.unsafe[-2:])
    lowest_bin = scored.scores < found.edges[0]
    assert (lowest_bin & ~scored.unsafe).sum() == found.safe[0]


def test_limit_that_is_no_longer_proven_leaves_no_certified_point_behind(bundle: Bundle, tmp_path: Path) -> None:
    january = run(scored_groups(400, 200, shift=6.0), bundle, tmp_path / "january", 0.05, 0.3, miss_limit=0.3).bundle
    assert january is not None
    assert {"frr-0.05", "frr-0.3", "joint"} <= set(january.manifest.operating_points)

    done = run(scored_groups(60, 60), january, tmp_path / "june", 0.05, 0.2, miss_limit=0.01)

    june = done.bundle
    assert june is not None
    points = june.manifest.operating_points
    assert set(points) == {*bundle.manifest.operating_points, "frr-0.2", "frr-0.3"}
    assert points["frr-0.3"].certificate == january.manifest.operating_points["frr-0.3"].certificate  # not asked anew


def test_shipped_point_without_a_certificate_keeps_its_name(bundle: Bundle, tmp_path: Path) -> None:
    (old, *_) = bundle.manifest.operating_points.values()
    points = {**bundle.manifest.operating_points, "frr-0.01": old}
    folder = tmp_path / "model"
    model = copy_bundle(bundle, folder, manifest=bundle.manifest.model_copy(update={"operating_points": points}))

    done = run(scored_groups(60, 60), model, tmp_path / "out", 0.01, 0.2)

    assert done.bundle is not None
    assert "frr-0.01" in done.bundle.manifest.operating_points


def test_no_bundle_is_written_without_a_certificate_but_the_reports_are(bundle: Bundle, tmp_path: Path) -> None:
    done = run(scored_groups(60, 60), bundle, tmp_path / "out", 0.01)

    assert done.bundle is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (answer,) = report["answers"]
    assert answer["answer"] == "not certifiable"
    assert answer["smallest_limit"] > 0.05
    assert answer["groups_missing"] == 299 - answer["n_groups"]  # 0.99 ** 299 < 0.05 < 0.99 ** 298
    assert report["written"] is None


def test_report_holds_plain_rates_with_intervals(bundle: Bundle, tmp_path: Path) -> None:
    run(scored_groups(300, 150), bundle, tmp_path / "out", 0.05, 0.1, prevalence=0.01)

    report = json.loads((tmp_path / "out" / "report.json").read_text())

    assert [answer["limit"] for answer in report["answers"]] == [0.05, 0.1]
    assert set(report["certified"]) == {"frr-0.05", "frr-0.1"}
    figures = report["certified"]["frr-0.1"]
    for name in ("recall", "false_refusal_rate", "group_false_refusal_rate"):
        assert 0 <= figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"] <= 1
    (refusals,) = figures["expected_refusals"]
    assert refusals["right"] == pytest.approx(10 * figures["recall"]["value"])
    assert refusals["wrong"] == pytest.approx(990 * figures["false_refusal_rate"]["value"])
    assert report["declared"]["limits"] == [0.05, 0.1]
    assert "production" in report["speaks_for"]
    assert sum(each["n"] for each in report["reliability"]["bins"]) == report["halves"]["b"]["n_pairs"]
    assert report["suite"]["n_groups"] == 450


def test_report_counts_calibrations_and_says_what_they_cost(bundle: Bundle, tmp_path: Path) -> None:
    memory, scored = Memory(tmp_path / "memory"), scored_groups(300, 150)
    run(scored, bundle, tmp_path / "a", 0.05, memory=memory)
    run(scored, bundle, tmp_path / "b", 0.1, memory=memory)

    report = json.loads((tmp_path / "b" / "report.json").read_text())

    assert report["looks"] == {
        "is_counted": True,
        "count": 2,
        "declarations": 2,
        "of_other_files": 0,
        "joint_confidence": pytest.approx(0.9),
    }
    assert any("90\N{NO-BREAK SPACE}% confidence only" in warning for warning in report["warnings"])


def test_report_without_a_memory_says_that_looks_are_not_counted(bundle: Bundle, tmp_path: Path) -> None:
    run(scored_groups(300, 150), bundle, tmp_path / "a", 0.05)

    report = json.loads((tmp_path / "a" / "report.json").read_text())

    assert report["looks"]["is_counted"] is False
    assert report["looks"]["joint_confidence"] is None
    assert any(warning.startswith("Looks at this data are not counted") for warning in report["warnings"])


def test_raw_scores_are_shared_by_a_bundle_and_its_calibrations_only(bundle: Bundle, tmp_path: Path) -> None:
    memory, suite = Memory(tmp_path / "memory"), scored_groups(400, 200).suite
    calibrated = run(scored_groups(400, 200), bundle, tmp_path / "out", 0.05).bundle
    other = make_tiny_bundle(tmp_path / "other", seed=5)
    assert calibrated is not None

    memory.scores(bundle, suite, Settings()).append("id", 1.5)

    assert memory.scores(calibrated, suite, Settings()).read() == {"id": 1.5}
    assert memory.scores(other, suite, Settings()).read() == {}
    assert memory.scores(bundle, scored_groups(30, 30).suite, Settings()).read() == {}
    assert memory.scores(bundle, suite, Settings(ocr=OcrSettings(mode="off"))).read() == {}


def test_scores_without_a_reader_are_not_those_with_one(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, suite = Memory(tmp_path / "memory"), scored_groups(30, 30).suite

    def without_reader(package: str) -> str:
        if package == "rapidocr":
            raise PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(calibration_memory, "version", without_reader)
    memory.scores(bundle, suite, Settings()).append("id", "ocr_failed")
    monkeypatch.setattr(calibration_memory, "version", lambda package: "1")

    assert memory.scores(bundle, suite, Settings()).read() == {}


def test_folder_that_holds_something_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")

    with pytest.raises(UsageError, match="not an empty folder"):
        run(scored_groups(100, 50), bundle, tmp_path, 0.05)

    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


class _Page(HTMLParser):
    """Checks that tags nest, and collects text and whatever the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "action", "data"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("shift", [3.0, 0.0, -2.0])
@pytest.mark.parametrize("limits", [(0.05, 0.2), (0.001,)])
def test_page_is_whole_and_stands_alone(
    bundle: Bundle, tmp_path: Path, shift: float, limits: tuple[float, ...]
) -> None:
    run(scored_groups(200, 100, shift=shift), bundle, tmp_path / "out", *limits)

    html = (tmp_path / "out" / "report.html").read_text()
    page = _Page()
    page.feed(html)

    assert page.open == []
    assert page.loads == []
    assert "<script" not in html
    assert "@import" not in html
    assert "http" not in html
    assert "prefers-color-scheme: dark" in html
    assert "nothing about production traffic" in page.text
    assert html.count('<svg class="chart"') == 3
    assert "nan" not in page.text.lower().replace("unan", "")


def test_page_escapes_names_from_the_data(bundle: Bundle, tmp_path: Path) -> None:
    scored = scored_groups(100, 50)
    hostile = tuple(replace(pair, scenario="<script>alert(1)</script>") for pair in scored.pairs)
    run(replace(scored, pairs=hostile), bundle, tmp_path / "out", 0.1)

    html = (tmp_path / "out" / "report.html").read_text()

    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_page_of_a_backward_guard_says_so(bundle: Bundle, tmp_path: Path) -> None:
    run(scored_groups(200, 100, shift=-2.0), bundle, tmp_path / "out", 0.05)

    html = (tmp_path / "out" / "report.html").read_text()

    assert "ranks the wrong way round" in html
    assert "certified but useless" in html
