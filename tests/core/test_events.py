"""Server-sent events as they are written."""

import pytest

from guard.core.document import Number
from guard.core.events import DONE, write_event, write_typed


def test_event_is_data_with_its_name_before_it() -> None:
    assert write_event(DONE) == b"data: [DONE]\n\n"
    assert write_event(b"{}", name=b"ping", more=b"id: 1\n") == b"event: ping\nid: 1\ndata: {}\n\n"


def test_line_of_data_stays_data() -> None:
    assert write_event(b"one\ntwo") == b"data: one\ndata: two\n\n"


@pytest.mark.parametrize(("data", "name"), [(b"a\rb", b""), (b"a", b"b\nc"), (b"a", b"b\r")])
def test_what_would_end_an_event_early_is_refused(data: bytes, name: bytes) -> None:
    with pytest.raises(ValueError, match="a line end inside an event"):
        write_event(data, name=name)


def test_typed_event_has_the_name_of_its_type_and_numbers_as_they_came() -> None:
    event = write_typed({"type": "message_stop", "n": Number("1.10")})
    assert event == b'event: message_stop\ndata: {"type":"message_stop","n":1.10}\n\n'
