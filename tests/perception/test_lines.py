import numpy as np
import pytest

from guard.perception.lines import Corners, Line, View, cut_out, in_reading_order, is_tall, overlap, page_view, with_box


def _box(left: float, top: float, right: float, bottom: float) -> Corners:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _line(text: str, box: Corners, view: View | None = None, confidence: float = 1.0) -> Line:
    return Line(box, view or View(), text, confidence)


def _turned(box: Corners, degrees: float) -> Corners:
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(box @ matrix.T, np.float32)


def _texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


PAGE = [
    _line("second row", _box(0, 40, 200, 60)),
    _line("right", _box(120, 2, 200, 22)),
    _line("left", _box(0, 0, 100, 20)),
]


def test_rows_are_read_from_the_top_and_each_from_the_left() -> None:
    assert _texts(in_reading_order(PAGE, View())) == ["left", "right", "second row"]


@pytest.mark.parametrize("degrees", [-15, 10])
def test_leaning_page_is_read_along_its_rows(degrees: float) -> None:
    halves = [(f"{row} left", _box(0, 40 * row, 140, 40 * row + 20)) for row in range(3)]
    halves += [(f"{row} right", _box(160, 40 * row, 300, 40 * row + 20)) for row in range(3)]
    lines = [_line(text, _turned(box, degrees)) for text, box in halves]

    assert _texts(in_reading_order(lines, View())) == [
        f"{row} {side}" for row in range(3) for side in ("left", "right")
    ]


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(mirrored=True), ["right", "left", "second row"]),
        (View(2), ["second row", "right", "left"]),
        (View(2, mirrored=True), ["second row", "left", "right"]),
    ],
)
def test_page_is_read_as_it_is_held(view: View, expected: list[str]) -> None:
    assert _texts(in_reading_order(PAGE, view)) == expected


def test_quarter_turn_makes_columns_rows() -> None:
    columns = [_line("last", _box(0, 0, 20, 200)), _line("first", _box(50, 0, 70, 200))]

    assert _texts(in_reading_order(columns, View(1))) == ["first", "last"]
    assert _texts(in_reading_order(columns, View(3))) == ["last", "first"]


def test_no_lines_are_in_order() -> None:
    assert in_reading_order([], View()) == []


def test_page_is_held_as_most_of_its_letters_are() -> None:
    box = _box(0, 0, 100, 20)
    lines = [_line("a long mirrored line", box, View(mirrored=True)), _line("short", box)]

    assert page_view(lines) == View(mirrored=True)
    assert page_view([]) == View()


def test_view_turns_pixels_as_it_turns_points() -> None:
    pixels = np.zeros((3, 5, 3), np.uint8)
    pixels[0, 4] = 255  # top right
    for turns in range(4):
        for mirrored in (False, True):
            view = View(turns, mirrored)
            seen = view.of(pixels)[:, :, 0]
            y, x = np.argwhere(seen)[0]
            inside = view.points(np.array([[4.0, 0.0], [2.0, 1.0]]))
            toward = np.sign(inside[0] - inside[1])

            assert toward.tolist() == np.sign([x - (seen.shape[1] - 1) / 2, y - (seen.shape[0] - 1) / 2]).tolist()


def test_cut_out_is_what_lies_in_the_box() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[10:20, 15:45] = 200

    cut = cut_out(pixels, _box(15, 10, 45, 20))

    assert cut.shape == (10, 30, 3)
    assert (cut[1:-1, 1:-1] == 200).all()


def test_box_is_tall_from_one_and_a_half_times_its_width() -> None:
    assert is_tall(_box(0, 0, 10, 15))
    assert not is_tall(_box(0, 0, 10, 14))


def test_three_letters_on_a_dozens_length_are_not_trusted() -> None:
    assert _line("lemon cake for", _box(0, 0, 300, 30)).trust == 1
    assert _line("[ _", _box(0, 0, 300, 30)).trust < 0.5


def test_parts_of_a_line_that_touch_become_one_box() -> None:
    joined = with_box([_box(0, 0, 100, 20), _box(0, 50, 100, 70)], _box(90, 2, 180, 21))

    assert [box.tolist() for box in joined] == [_box(0, 50, 100, 70).tolist(), _box(0, 0, 180, 21).tolist()]


def test_boxes_overlap_where_one_holds_the_others_middle() -> None:
    assert overlap(_box(0, 0, 100, 20), _box(10, 5, 60, 15))
    assert not overlap(_box(0, 0, 100, 20), _box(0, 18, 100, 40))
