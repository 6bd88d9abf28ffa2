import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from guard.errors import SuiteInvalid
from guard.suites import CONTROLS, Suite, load_suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    rows = []
    for number in range(30):
        image = None
        if number < 24:
            image = f"{number}.png"
            Image.new("RGB", (10 + number, 20), (number * 10, 0, 0)).save(tmp_path / image)
        rows.append(
            {
                "id": f"row {number}",
                "text": "" if number == 0 else f"text {number}",
                "image": image,
                "label": "unsafe" if number % 2 else "safe",
                "group": f"group {number // 4}",
            }
        )
    (tmp_path / "records.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return load_suite(tmp_path)


def test_text_only_takes_every_picture_away_and_leaves_out_rows_without_text(suite: Suite) -> None:
    control = CONTROLS["text_only"](suite)

    assert [pair.id for pair in control.pairs] == [pair.id for pair in suite.pairs if pair.text]
    assert all(pair.pictures == () and pair.text for pair in control.pairs)


def test_image_only_takes_every_text_away_and_leaves_out_rows_without_picture(suite: Suite) -> None:
    control = CONTROLS["image_only"](suite)

    assert len(control.pairs) == 24
    assert all(pair.text == "" and pair.question is None and len(pair.pictures) == 1 for pair in control.pairs)


def test_blank_pictures_are_grey_and_as_large_as_the_originals(suite: Suite) -> None:
    control = CONTROLS["blank_image"](suite)

    for before, after in zip(suite.pairs, control.pairs, strict=False):
        with (
            Image.open(BytesIO(after.pictures[0].read())) as blank,
            Image.open(BytesIO(before.pictures[0].read())) as real,
        ):
            assert blank.size == real.size
            assert blank.getcolors() == [(blank.width * blank.height, (128, 128, 128))]
        assert after.text == before.text


def test_shuffled_pictures_are_all_used_once_and_never_in_their_own_group(suite: Suite) -> None:
    control = CONTROLS["shuffled_images"](suite)

    owner = {pair.pictures[0].sha256: pair.group for pair in suite.pairs if pair.pictures}
    assert {pair.pictures[0].sha256 for pair in control.pairs} == set(owner)
    assert all(owner[pair.pictures[0].sha256] != pair.group for pair in control.pairs)


def test_shuffling_is_the_same_every_time_and_for_every_order_of_rows(suite: Suite) -> None:
    backwards = Suite(suite.name, suite.path, suite.kind, suite.digest, suite.pairs[::-1])

    def taken(control: Suite) -> dict[str, str]:
        return {pair.id: pair.pictures[0].sha256 for pair in control.pairs}

    assert taken(CONTROLS["shuffled_images"](suite)) == taken(CONTROLS["shuffled_images"](backwards))


def test_pictures_cannot_leave_a_group_that_holds_most_of_them(suite: Suite) -> None:
    crowded = Suite(suite.name, suite.path, suite.kind, suite.digest, suite.pairs[:6])

    with pytest.raises(SuiteInvalid, match="a group holds 4 of 6 pairs"):
        CONTROLS["shuffled_images"](crowded)


@pytest.mark.parametrize("name", CONTROLS)
def test_control_keeps_ids_labels_and_groups_and_has_its_own_digest(suite: Suite, name: str) -> None:
    control = CONTROLS[name](suite)
    known = {pair.id: pair for pair in suite.pairs}

    assert control.name == f"{suite.name}:{name}"
    assert control.digest != suite.digest
    assert all(
        (pair.label, pair.group, pair.split) == (known[pair.id].label, known[pair.id].group, known[pair.id].split)
        for pair in control.pairs
    )


def test_control_that_leaves_nothing_is_refused(suite: Suite) -> None:
    texts = Suite(suite.name, suite.path, suite.kind, suite.digest, suite.pairs[24:])

    with pytest.raises(SuiteInvalid, match="image_only leaves no pairs"):
        CONTROLS["image_only"](texts)
