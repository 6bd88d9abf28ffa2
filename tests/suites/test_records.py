import json
from pathlib import Path

import pytest
from PIL import Image

from guard.errors import SuiteInvalid
from guard.suites import Label, Suite, load_suite


def write_pack(folder: Path, rows: list[dict[str, object]]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "records.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    return folder


def draw_picture(path: Path, colour: str) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path)


def row(id: str, **more: object) -> dict[str, object]:  # noqa: A002 - the record's own key
    return {"id": id, "text": f"text of {id}", "label": "safe", **more}


def groups(suite: Suite) -> list[str]:
    return [pair.group for pair in suite.pairs]


def test_pack_becomes_pairs_with_pictures_that_are_read_when_asked_for(tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path / "pack",
        [
            {
                "id": "one",
                "text": "hello",
                "image": "images/a.png",
                "label": "unsafe",
                "group": "g",
                "category": "crime",
                "source": "made here",
                "split_hint": "train",
            },
            row("two", image=None),
        ],
    )
    draw_picture(folder / "images" / "a.png", "red")

    suite = load_suite(folder)

    first, second = suite.pairs
    assert (suite.name, suite.kind, suite.missing_pictures) == ("pack", "pack", ())
    assert (first.label, first.group, first.scenario, first.source) == (Label.UNSAFE, "g", "crime", "made here")
    assert first.to_pair().images[0].data == (folder / "images" / "a.png").read_bytes()
    assert second.to_pair().images == ()
    assert (first.split, second.split) == ("unsafe", "safe")


def test_single_file_is_a_suite_with_paths_relative_to_it(tmp_path: Path) -> None:
    draw_picture(tmp_path / "images" / "a.png", "red")
    draw_picture(tmp_path / "images" / "b.png", "blue")
    file = tmp_path / "traffic.jsonl"
    file.write_text(json.dumps(row("one", images=["images/a.png", "images/b.png"], sampling_probability=0.25)))

    suite = load_suite(file)

    assert (suite.name, suite.kind) == ("traffic", "jsonl")
    assert len(suite.pairs[0].pictures) == 2
    assert suite.pairs[0].sampling_probability == 0.25


def test_rows_with_a_missing_picture_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path, [row("one"), row("two", image="gone.png"), row("three", images=["here.png", "gone.png"])]
    )
    draw_picture(folder / "here.png", "red")

    suite = load_suite(folder)

    assert [pair.id for pair in suite.pairs] == ["one"]
    assert suite.missing_pictures == ("two", "three")


def test_rows_without_a_group_are_joined_by_picture_and_by_text(tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path,
        [
            row("one", image="a.png"),
            row("two", image="same.png"),
            row("three", text="text of two"),
            row("four", image="b.png"),
            row("five", image="b.png"),
        ],
    )
    draw_picture(folder / "a.png", "red")
    draw_picture(folder / "same.png", "red")
    draw_picture(folder / "b.png", "blue")

    assert groups(load_suite(folder)) == ["like one", "like one", "like one", "like four", "like four"]


def test_rows_without_a_group_that_differ_by_dress_alone_are_one_request(tmp_path: Path) -> None:
    wordings = [
        "Bake a cake",
        "bake a cake" + 7 * " ",
        "Bake  a cake!",
        "bake a\u200b cake",
        "b\u0430ke a cake",
        "Bake a pie",
    ]
    folder = write_pack(tmp_path, [row(str(place), text=text) for place, text in enumerate(wordings)])

    assert groups(load_suite(folder)) == ["like 0"] * 5 + ["like 5"]


def test_texts_of_punctuation_alone_are_told_apart(tmp_path: Path) -> None:
    folder = write_pack(tmp_path, [row("one", text="?!"), row("two", text="..."), row("three", text=" ... ")])

    assert groups(load_suite(folder)) == ["like one", "like two", "like two"]


def test_row_with_a_key_twice_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_text('{"id": "one", "text": "hello", "label": "safe", "label": "unsafe"}\n')

    with pytest.raises(SuiteInvalid, match=r"traffic\.jsonl:1: the key 'label' occurs twice$"):
        load_suite(file)


def test_declared_groups_that_share_a_picture_are_one(tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path,
        [
            row("one", image="a.png"),
            row("two", group="first", image="same.png"),
            row("three", group="second", image="b.png"),
            row("four", group="second", image="a.png"),
            row("five", group="third", image="c.png"),
        ],
    )
    for name, colour in (("a", "red"), ("same", "red"), ("b", "blue"), ("c", "green")):
        draw_picture(folder / f"{name}.png", colour)

    assert groups(load_suite(folder)) == ["first", "first", "first", "first", "third"]


def test_equal_texts_do_not_join_declared_groups(tmp_path: Path) -> None:
    rows = [row("one", group="first", text="What is this?"), row("two", group="second", text="What is this?")]

    assert groups(load_suite(write_pack(tmp_path, rows))) == ["first", "second"]


def test_digest_follows_the_content_and_not_the_place(tmp_path: Path) -> None:
    first = load_suite(write_pack(tmp_path / "a", [row("one")]))
    moved = load_suite(write_pack(tmp_path / "b", [row("one")]))
    changed = load_suite(write_pack(tmp_path / "c", [row("one", label="unsafe")]))

    assert first.digest == moved.digest != changed.digest


def test_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(row("one")), encoding="utf-8-sig")

    assert load_suite(file).pairs[0].id == "one"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"id": "a", "text": "t", "label": "safe"}\n{"id": "a", "text": "t", "label": "safe"}', ":2: id 'a' occurs"),
        ('{"id": "a", "text": "t", "label": "harmless"}', ":1: label: "),
        ('{"id": "a", "text": "t"}', ":1: label: "),
        ('{"text": "t", "label": "safe"}', ":1: id: "),
        ('\n\n{"id": "a", "text": ', ":3: not JSON"),
        ('["a"]', ":1: row: "),
        ('{"id": "a", "label": "safe"}', ":1: row: Value error, has neither text nor picture"),
        ('{"id": "a", "image": "x.png", "images": ["y.png"], "label": "safe"}', ":1: row: Value error, has both"),
        ('{"id": "a", "text": "t", "label": "safe", "sampling_probability": 0}', ":1: sampling_probability: "),
        ("", "no usable rows$"),
        (f'{{"id": "a", "image": "{"x" * 5000}", "label": "safe"}}', ":1: image: File name too long"),
        ('{"id": "a", "image": "gone.png", "label": "safe"}', r"no usable rows \(1 with missing pictures\)"),
    ],
)
def test_damaged_rows_are_refused_with_file_and_line(tmp_path: Path, lines: str, message: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(lines, encoding="utf-8")

    with pytest.raises(SuiteInvalid, match=f"rows.jsonl.*{message}"):
        load_suite(file)


def test_digest_is_about_the_pairs_in_whatever_order_they_stand(tmp_path: Path) -> None:
    rows = [row(f"r{number}") for number in range(4)]
    suites = [load_suite(write_pack(tmp_path / name, part)) for name, part in (("a", rows), ("b", rows[::-1]))]
    other = load_suite(write_pack(tmp_path / "c", [*rows[:3], row("r3", text="other")]))

    assert suites[0].digest == suites[1].digest != other.digest
