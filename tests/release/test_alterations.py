from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guard.core.text import normalise
from guard.release.alterations import ALTERATIONS, AlteredPicture
from guard.release.check import Check
from guard.release.margins import Margins
from guard.release.robustness import check_flips, nothing_to_alter
from guard.suites import GreyPicture, Label, LabelledPair, StoredPicture
from tests.release.judged import PASSED, REFUSED, Outcome, contender, judged

TEXT = "Please explain how the apparatus in this picture operates"


@pytest.fixture
def pair(tmp_path: Path) -> LabelledPair:
    path = tmp_path / "p.png"
    Image.linear_gradient("L").resize((200, 100)).convert("RGB").save(path)
    return LabelledPair("1", TEXT, (StoredPicture(path, "a" * 64),), Label.SAFE, "g", "safe")


def opened(pair: LabelledPair) -> Image.Image:
    return Image.open(BytesIO(pair.pictures[0].read()))


def flips(name: str, before: tuple[Outcome, Outcome], after: tuple[Outcome, Outcome]) -> Check:
    """Return the check of a hundred pairs, all judged alike, before and after."""
    guard = contender()
    return check_flips(name, judged([before] * 100), judged([after] * 100), guard, guard, Margins(robustness=0.05))


def test_candidate_that_flips_more_than_the_baseline_fails() -> None:
    assert flips("misspelt", (PASSED, PASSED), (REFUSED, PASSED)).verdict == "fails"
    assert flips("misspelt", (PASSED, PASSED), (PASSED, REFUSED)).verdict == "holds"


@pytest.mark.parametrize("name", ["invisible", "homoglyphs"])
def test_what_guard_undoes_itself_is_shown_and_counts_for_no_bundle(name: str) -> None:
    check = flips(name, (PASSED, PASSED), (REFUSED, PASSED))

    assert (check.verdict, check.margin, check.candidate) == (None, None, 1.0)
    assert check.reason.endswith("Guard undoes it before a bundle sees the text")


@pytest.mark.parametrize("before", [PASSED, REFUSED])
def test_pair_that_only_the_candidate_cannot_judge_any_more_counts_as_flipped(before: float) -> None:
    """Whatever it was before: refused or let through."""
    assert flips("resized", (before, before), ("image_rejected", before)).candidate == 1.0
    assert flips("resized", ("image_rejected", before), (before, before)).candidate == 1.0
    assert flips("resized", (before, before), (before, "image_rejected")).baseline == 0.0
    assert flips("resized", ("image_rejected", before), ("image_rejected", before)).candidate == 0.0


def test_alteration_that_no_pair_can_undergo_cannot_tell_where_there_are_such_parts() -> None:
    assert nothing_to_alter("resized", Margins(), left_out=0).verdict is None
    assert nothing_to_alter("resized", Margins(), left_out=3).verdict == "cannot_tell"
    assert nothing_to_alter("resized", Margins(robustness=None), left_out=3).verdict is None
    assert nothing_to_alter("homoglyphs", Margins(), left_out=3).verdict is None


@pytest.mark.parametrize("name", list(ALTERATIONS))
def test_alteration_changes_the_content_and_nothing_else(pair: LabelledPair, name: str) -> None:
    altered = ALTERATIONS[name](pair)

    assert altered is not None
    assert replace(altered, text=pair.text, pictures=pair.pictures) == pair
    assert (altered.text != pair.text) or (altered.pictures[0].sha256 != pair.pictures[0].sha256)
    assert ALTERATIONS[name](pair) == altered


def test_picture_compressed_again_is_nearly_the_same(pair: LabelledPair) -> None:
    altered = ALTERATIONS["recompressed"](pair)

    assert altered is not None
    assert opened(altered).format == "JPEG"
    difference = np.abs(np.asarray(opened(altered), np.int16) - np.asarray(opened(pair), np.int16))
    assert 0 < difference.max() < 30


def test_resized_picture_keeps_its_shape(pair: LabelledPair) -> None:
    altered = ALTERATIONS["resized"](pair)

    assert altered is not None
    assert opened(altered).size == (120, 60)


def test_small_picture_is_not_made_smaller(tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    Image.new("RGB", (20, 40)).save(path)

    assert Image.open(BytesIO(AlteredPicture(path, "x", "resized").read())).size == (20, 32)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n cut short"])
@pytest.mark.parametrize("name", ["recompressed", "resized"])
def test_what_is_no_picture_is_left_out(pair: LabelledPair, content: bytes, name: str) -> None:
    """It would come back as it was, and count as a decision that did not flip."""
    path = Path(pair.pictures[0].path) if isinstance(pair.pictures[0], StoredPicture) else None
    assert path is not None
    path.write_bytes(content)

    assert ALTERATIONS[name](pair) is None


@pytest.mark.parametrize("name", ["recompressed", "resized"])
def test_picture_that_moves_is_left_out_and_one_that_does_not_is_not(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "still.gif")
    frames[0].save(tmp_path / "moves.gif", save_all=True, append_images=frames[1:])
    still, moves = (StoredPicture(tmp_path / f"{which}.gif", "a" * 64) for which in ("still", "moves"))

    def altered(*pictures: StoredPicture) -> LabelledPair | None:
        return ALTERATIONS[name](LabelledPair("1", TEXT, pictures, Label.SAFE, "g", "safe"))

    assert altered(still) is not None
    assert altered(moves) is None
    assert altered(still, moves) is None


@pytest.mark.parametrize("name", ["misspelt", "run together"])
def test_change_of_a_text_that_counts_is_one_that_guard_does_not_undo(name: str) -> None:
    altered = [
        changed
        for number in range(50)
        if (changed := ALTERATIONS[name](LabelledPair(str(number), TEXT, (), Label.SAFE, "g", "safe"))) is not None
    ]

    assert len(altered) > 25
    assert all(normalise(pair.text) != normalise(TEXT) for pair in altered)
    assert all(sorted(pair.text.replace(" ", "")) == sorted(TEXT.replace(" ", "")) for pair in altered)


def test_text_in_disguise_reads_as_before_and_is_other_characters(pair: LabelledPair) -> None:
    invisible, homoglyphs = (ALTERATIONS[name](pair) for name in ("invisible", "homoglyphs"))

    assert invisible is not None
    assert homoglyphs is not None
    assert normalise(invisible.text) == TEXT
    assert len(homoglyphs.text) == len(TEXT)
    assert 10 < sum(one != other for one, other in zip(homoglyphs.text, TEXT, strict=True)) < 40


def test_pair_without_the_part_is_left_out() -> None:
    text = LabelledPair("1", "12", (), Label.SAFE, "g", "safe")
    grey = replace(text, text="", pictures=(GreyPicture(8, 8),))

    assert [name for name, alter in ALTERATIONS.items() if alter(text) is not None] == ["invisible"]
    assert [name for name, alter in ALTERATIONS.items() if alter(grey) is not None] == []
