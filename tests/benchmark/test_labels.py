"""Where names stand in a picture."""

from benchmark.labels import Box, boxes_between, place_along, place_label

ROOM = Box(0, 0, 500, 500)


def test_name_with_room_stands_right_of_its_mark_and_needs_no_line() -> None:
    label = place_label(100, 100, 60, [Box(94, 94, 106, 106)], ROOM)
    assert (label.x, label.y, label.leader) == (110, 104, None)


def test_name_that_finds_no_room_beside_its_mark_is_led_to_it() -> None:
    beside = [Box(0, 80, 94, 110), Box(106, 80, 500, 110)]
    label = place_label(100, 100, 60, [*beside, Box(94, 94, 106, 106)], ROOM)
    assert not any(label.box.meets(box) for box in beside)
    assert label.leader is not None
    x, y = label.leader
    assert label.box.left <= x <= label.box.right
    assert y in (label.box.top, label.box.bottom)


def test_name_stays_on_the_page() -> None:
    assert place_label(495, 100, 60, [], ROOM).box.lies_in(ROOM)
    assert place_label(100, 4, 60, [], ROOM).box.lies_in(ROOM)


def test_words_along_a_line_take_the_emptiest_way() -> None:
    ways = [list(boxes_between((start, start), (start + 90, start + 90), 10)) for start in (0, 100, 200)]
    taken = [Box(20, 20, 30, 30), Box(220, 220, 230, 230), Box(250, 250, 260, 260)]
    assert place_along(ways, taken) is ways[1]
    assert [(box.left + box.right) / 2 for box in ways[0]] == [10.0 * number for number in range(10)]
