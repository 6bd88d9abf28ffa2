"""Names from suites and APIs in reports: shown as they are, and they do nothing there."""

from io import StringIO
from xml.etree import ElementTree as ET

from rich.console import Console

from benchmark.chart import Mark, draw_names
from benchmark.sheets import Sheet, to_markdown, to_terminal
from benchmark.visible import visible

HOSTILE = "\x1b]0;owned\x07 a|b\nc <script>&\u202e\ud800"


def _sheet() -> Sheet:
    return Sheet(f"T {HOSTILE}", ("", HOSTILE), ((HOSTILE, "1"),), (f"note {HOSTILE}",))


def test_words_keep_their_letters_and_lose_what_acts() -> None:
    assert visible("Zoë 猫 – 95 %") == "Zoë 猫 – 95 %"
    assert visible(HOSTILE) == r"\x1b]0;owned\x07 a|b\nc <script>&\u202e\ud800"


def test_terminal_is_sent_no_control_character() -> None:
    out = StringIO()
    Console(file=out, width=200).print(to_terminal([_sheet()]))
    assert {sign for sign in out.getvalue() if not sign.isprintable()} == {"\n"}


def test_terminal_shows_marks_of_its_own_language_as_they_are() -> None:
    out = StringIO()
    Console(file=out, width=200).print(to_terminal([Sheet("[b]t", ("", "run[/b]"), (("[red]row", "1"),), ("[i]n",))]))
    assert all(words in out.getvalue() for words in ("[b]t", "run[/b]", "[red]row", "[i]n"))


def test_markdown_holds_one_row_a_row_and_no_html() -> None:
    text = to_markdown(HOSTILE, [_sheet()])
    assert "<script" not in text
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 3
    assert text.isprintable() or {sign for sign in text if not sign.isprintable()} == {"\n"}


def test_picture_with_such_a_name_is_still_xml() -> None:
    labels = "".join(draw_names([Mark(HOSTILE, "run", 0.2, 0.3)]))
    assert "owned" in str(ET.fromstring(f"<svg>{labels}</svg>")[0].text)
