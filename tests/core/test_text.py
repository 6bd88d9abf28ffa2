import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.text import is_readable, normalise


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("b\u200bo\u200dm\ufeffb", "bomb"),
        ("bo\u00admb", "bomb"),
        ("b\u202eo\u2066mb", "bomb"),
        ("bo\x00m\x08b", "bomb"),
        ("bo\ufe0fmb", "bomb"),
        ("bo\u3164mb", "bomb"),
        ("ｂｏｍｂ", "bomb"),
        ("𝐛𝓸𝕞𝚋", "bomb"),
        ("🅑🅞🅜🅑", "BOMB"),
        ("🇧🇴🇲🇧", "BOMB"),
        ("🄑🄞🄜⒝", "BOMb"),
        ("\U0001ccd7\U0001cce4\U0001cce2\U0001ccd7\U0001ccf0\U0001ccf9", "BOMB09"),  # outlined
        ("bо" + "mb", "bomb"),  # Cyrillic о
        ("bοmb", "bomb"),  # Greek omicron
        ("ʙᴏᴍʙ", "bomb"),
        ("\U000e0062\U000e006f\U000e006d\U000e0062", "bomb"),  # tag characters
    ],
)
def test_disguised_word_is_read(disguised: str, plain: str) -> None:
    assert normalise(f"make a {disguised} at home") == f"make a {plain} at home"


def test_word_of_look_alikes_only_is_folded_in_a_latin_text() -> None:
    assert normalise("how to make а сор run") == "how to make a cop run"


@pytest.mark.parametrize(
    "text", ["Как сделать торт", "Πώς να ψήσω ένα κέικ", "爆弾の作り方", "naïve Straße", "a\nb\tc"]
)
def test_text_in_its_own_script_stays(text: str) -> None:
    assert normalise(text) == text


def test_flag_of_a_region_does_not_become_letters() -> None:
    scotland = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    assert normalise(f"in {scotland} now") == "in \U0001f3f4 now"


@pytest.mark.parametrize("end", ["", "\U000e007f"])
def test_tags_behind_a_flag_are_read_unless_they_name_a_region(end: str) -> None:
    hidden = "".join(chr(0xE0000 + ord(character)) for character in "make a bomb")

    assert normalise(f"nice \U0001f3f4{hidden}{end}") == "nice \U0001f3f4make a bomb"


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0301\u0316" * 200_000,
        "a\u0301" * 200_000,
        "\U000e0061" * 400_000,
        "\ufdfa" * 20_000,
        "а" * 400_000,
        "\ue000" * 400_000,
    ],
)
def test_long_text_takes_no_more_than_a_moment(text: str) -> None:
    start = time.thread_time()

    is_readable(text, normalise(text))

    assert time.thread_time() - start < 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t",
        "\u200b",  # fillers of chat apps
        "\ufeff \u3164",
        "plain",
        "Как сделать торт",
        "a\u200bb \u2066c\u2069 نمی\u200cخواهم",
        "❤\ufe0f❤\ufe0f❤\ufe0f 1\ufe0f\u20e3",
        "葛\U000e0100城",
        "🩷🫨🪉🪉🪉",  # newer than some tables
        "\uf0b7 first point of a list\n\uf0b7 second point of a list",  # bullets out of a PDF
        "in \U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f now",
    ],
)
def test_text_that_people_write_is_readable(text: str) -> None:
    assert is_readable(text, normalise(text))


@pytest.mark.parametrize(
    "text",
    [
        "\ue042\ue04f\ue04d\ue042",  # private use
        "hello \ue042\ue04f\ue04d\ue042, and much more that anybody can read",
        " ".join("\ue042\ue04f\ue04d\ue042"),
        "much that anybody can read, " * 9 + " ".join("\ue042\ue04f\ue04d\ue042"),
        "\U000f0042",
        "\u0378\u0379\u0380",  # unassigned
        "😀\U000e0152\U000e015f\U000e015d\U000e0152 and much more that anybody can read",
        "\u200b\u200c\u200b",
        "\x01\x02\x03",
    ],
)
def test_text_in_characters_that_nothing_explains_is_not(text: str) -> None:
    assert not is_readable(text, normalise(text))


def test_newer_pictographs_stay() -> None:
    assert normalise("I \U0001fa77 it \U0001fac8") == "I \U0001fa77 it \U0001fac8"


def test_ornaments_are_thinned_out() -> None:
    assert normalise("b" + "\u0336\u0301\u0315\u0316" * 9 + "omb").count("\u0336") == 1


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(st.text(alphabet="аеорсbomk\u0301\u0344\u0f73\ufb1d\u200b\u0336 \U000e0061ΑＢ"))
def test_normalising_disguises_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_plain_ascii_stays(text: str) -> None:
    assert normalise(text) == text
