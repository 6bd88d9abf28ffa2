from pathlib import Path

import pytest

from guard.errors import ConfigInvalid
from guard.release.margins import Margins, PlaceMargins, read_margins


def test_margin_of_a_split_is_the_nearest_that_is_written() -> None:
    margins = Margins(
        false_refusals=0.01,
        recall=0.02,
        suites={"mm": PlaceMargins(recall=0.04), "mm/attack": PlaceMargins(recall=None)},
    )

    assert margins.of("recall", "other", "attack") == 0.02
    assert margins.of("recall", "mm", "typical") == 0.04
    assert margins.of("recall", "mm", "attack") is None
    assert margins.of("false_refusals", "mm", "attack") == 0.01


def test_file_may_be_yaml_or_json(tmp_path: Path) -> None:
    yaml, json = tmp_path / "m.yaml", tmp_path / "m.json"
    yaml.write_text("recall: 0.03\nsuites:\n  mm: {recall: null}\n")
    json.write_text('{"recall": 0.03, "suites": {"mm": {"recall": null}}}')

    assert read_margins(yaml) == read_margins(json)
    assert read_margins(yaml).of("recall", "mm") is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("recal: 0.03", "recal: unknown key; did you mean recall?"),
        ("recall: -0.1", "recall: Input should be greater than or equal to 0"),
        ("recall: .nan", "recall: Input should be"),
        ("latency: 0.5", "latency: Input should be greater than or equal to 1"),
        ("evidence: [smells]", "evidence.0: Input should be 'pictures', 'texts' or 'labels'"),
        ("suites: {mm: {flipped: 0.1}}", "suites.mm.flipped: unknown key; there are "),
        ("a: [", "not YAML"),
        ("recall: 0.1\nrecall: 0.9", "a key occurs twice"),
        ("- 1", "top level"),
    ],
)
def test_file_that_does_not_fit_is_one_clear_line(tmp_path: Path, written: str, message: str) -> None:
    file = tmp_path / "margins.yaml"
    file.write_text(written)

    with pytest.raises(ConfigInvalid) as caught:
        read_margins(file)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_margins_for_a_suite_that_is_not_run_are_refused() -> None:
    with pytest.raises(ConfigInvalid, match="'mmsafe' is none of mmsafeaware, mmsafeaware/attack"):
        Margins(suites={"mmsafe": PlaceMargins()}).check_places(["mmsafeaware", "mmsafeaware/attack"])
