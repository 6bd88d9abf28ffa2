"""What the judge learns beside pictures: balanced, closed to things held out, the same when a run goes on."""

from collections import Counter
from pathlib import Path

import pytest

from guard.train.backbone import Backbone, load_backbone
from guard.train.compositional import is_open
from guard.train.images import Picture
from guard.train.own_data import Act
from guard.train.pairs import Plenty, rows_beside_pictures
from guard.train.rows import TextRow

FEW = Plenty(squares=20, meetings=2, plain=0.5, alone=7)
LABELS = [f"fruit{i}" for i in range(60)] + [f"spirit{i}" for i in range(60)]
ACTS = [
    Act(
        f"drive{i}",
        (f"drive {i} one", f"drive {i} two"),
        frozenset({"hazard:alcohol"}),
        frozenset({"hazard:food"}),
        "crime",
    )
    for i in range(6)
] + [
    Act(
        f"ducks{i}",
        (f"ducks {i} one", f"ducks {i} two"),
        frozenset({"hazard:food"}),
        frozenset({"hazard:alcohol"}),
        "crime",
    )
    for i in range(6)
]
PLAIN = [TextRow(f"p{i}", "s", f"g{i}", f"plain text {i}", unsafe=bool(i % 2)) for i in range(40)]
WRITTEN = [TextRow(f"w{i}", "s", f"h{i}", "what does it say", unsafe=bool(i % 2), ocr=f"sign {i}") for i in range(10)]


def pictures() -> list[Picture]:
    hazards = {"f": "food", "s": "alcohol"}
    found = [
        Picture(Path(label), f"a photo of {label}", label, "s", hazards[label[0]], label, "photo") for label in LABELS
    ]
    return [picture for picture in found if not picture.is_held_out]


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "seen.json"


@pytest.fixture(scope="module")
def rows(backbone: Backbone, kept: Path) -> list[TextRow]:
    return rows_beside_pictures(backbone, [*PLAIN, *WRITTEN], ACTS, pictures(), seed=0, plenty=FEW, kept=kept)


def test_without_pictures_rows_stay_as_they_are(backbone: Backbone, tmp_path: Path) -> None:
    found = rows_beside_pictures(backbone, PLAIN, ACTS, [], seed=0, plenty=FEW, kept=tmp_path / "seen.json")

    assert found == PLAIN


def test_plain_texts_stay_and_about_as_many_as_asked_for_meet_a_picture_too(rows: list[TextRow]) -> None:
    alone = [row for row in rows if row.source == "s" and not row.seen]
    beside = [row for row in rows if row.source == "s" and row.seen and not row.ocr]

    assert alone == PLAIN
    assert 10 <= len(beside) <= 30
    assert {row.id: row.unsafe for row in beside}.items() <= {row.id: row.unsafe for row in PLAIN}.items()


def test_writing_stands_in_something_that_is_seen(rows: list[TextRow]) -> None:
    written = [row for row in rows if row.ocr]

    assert [row.ocr for row in written] == [row.ocr for row in WRITTEN]
    assert all(row.seen for row in written)


def test_a_picture_alone_is_harmless(rows: list[TextRow]) -> None:
    alone = [row for row in rows if not row.text]

    assert len(alone) == FEW.alone
    assert all(row.seen and not row.unsafe for row in alone)


def test_every_wording_of_an_act_is_unsafe_as_often_as_safe(rows: list[TextRow]) -> None:
    acting = [row for row in rows if row.source == "own:act"]

    assert acting != []
    assert Counter(row.text for row in acting if row.unsafe) == Counter(row.text for row in acting if not row.unsafe)
    assert {row.scenario for row in acting} == {"crime", None}


def test_no_text_meets_a_thing_held_out_neither_shown_nor_mistaken(rows: list[TextRow]) -> None:
    held = {label for label in LABELS if not is_open(label)}
    met = {word.strip(",") for row in rows for word in row.seen.split()}

    assert held != set()
    assert met & set(LABELS) != set()
    assert met & held == set()


def test_a_run_that_goes_on_has_the_same_rows_and_one_of_another_seed_has_others(
    backbone: Backbone, kept: Path, rows: list[TextRow]
) -> None:
    before = kept.read_bytes()
    again = rows_beside_pictures(backbone, [*PLAIN, *WRITTEN], ACTS, pictures(), seed=0, plenty=FEW, kept=kept)
    other = rows_beside_pictures(
        backbone, [*PLAIN, *WRITTEN], ACTS, pictures(), seed=1, plenty=FEW, kept=kept.with_name("other.json")
    )

    assert again == rows
    assert kept.read_bytes() == before
    assert other != rows
