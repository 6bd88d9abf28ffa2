import pytest

from guard.core.document import read_document, write_document
from guard.errors import RequestInvalid


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"a":1,"a":2}', "occurs twice"),
        (b'{"a":{"b":1,"b":1}}', "occurs twice"),
        (b'{"a":1,"\\u0061":2}', "occurs twice"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":-Infinity}', "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        (b'\xef\xbb\xbf{"a":1}', "not JSON"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a":"\n"}', "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b'{"a":1} x', "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (b'{"a":[' + b"[]," * 200_000 + b"0]}", "more than 250,000 values"),
        (b'{"picture":"' + b"QUJD" * 10_000 + b'","a":[' + b"[]," * 200_000 + b"0]}", "more than 250,000 values"),
    ],
)
def test_ambiguous_or_broken_body_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(RequestInvalid, match=message):
        read_document(body)


@pytest.mark.parametrize("body", [b'{"a":"\\ud800"}', b'{"\\udc00":1}', b'{"a":' + b"[" * 300 + b"]" * 300 + b"}"])
def test_what_cannot_be_written_is_refused(body: bytes) -> None:
    with pytest.raises(RequestInvalid, match="lone surrogate or is nested too deeply"):
        write_document(read_document(body))


@pytest.mark.parametrize(
    "number",
    [
        "0",
        "-0",
        "0.70",
        "1e5",
        "1E+05",
        "-0.0",
        "123456789012345678",
        "12345678901234567890123",
        "0.1000000000000000055",
        "1e400",
    ],
)
def test_numbers_survive_byte_for_byte(number: str) -> None:
    body = f'{{"a":[{number}]}}'.encode()

    assert write_document(read_document(body)) == body


def test_body_is_written_compactly_with_escapes_resolved() -> None:
    assert write_document(read_document(b'{ "a" : "\\u0062omb \\ud83d\\ude00" }')) == '{"a":"bomb 😀"}'.encode()


def test_messages_never_quote_the_body() -> None:
    with pytest.raises(RequestInvalid) as caught:
        read_document(b'{"a": secret}')

    assert "secret" not in str(caught.value)


def test_signs_of_a_long_plain_string_are_not_taken_for_values() -> None:
    text = "QUJD" * 20 + "," * 300_000

    assert read_document(b'{"a":"%s"}' % text.encode()) == {"a": text}
