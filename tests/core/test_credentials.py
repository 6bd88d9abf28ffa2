"""Whatever headers a caller sends: beside the key of somebody else, none of them tells who asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.credentials import CREDENTIALS, SHOWN_IN, key_header, with_key, without_credentials

_HEADERS = st.dictionaries(st.sampled_from([*sorted(CREDENTIALS), "x-other"]), st.text(max_size=20))


@given(_HEADERS, st.sampled_from(SHOWN_IN))
def test_no_key_of_the_caller_is_left_beside_that_of_somebody_else(headers: dict[str, str], header: str) -> None:
    other = {name: value for name, value in headers.items() if name == "x-other"}
    written = "Bearer sk-up" if header == "authorization" else "sk-up"

    assert without_credentials(headers) == other
    assert with_key(headers, header, "sk-up") == {**other, header: written}


@pytest.mark.parametrize(
    ("path", "shown", "expected"),
    [
        ("/v1/chat/completions", [], "authorization"),
        ("/v1/chat/completions", ["host", "api-key", "x-api-key"], "api-key"),
        ("/v1beta/models/x:generateContent", ["x-goog-api-key"], "x-goog-api-key"),
        ("/v1/messages", ["authorization"], "x-api-key"),
        ("/anthropic/v1/messages", ["authorization"], "x-api-key"),
        ("/openai/deployments/x/chat/completions", ["x-api-key"], "api-key"),
        ("/v1/threads/x/messages", ["host", "cookie"], "authorization"),
    ],
)
def test_path_says_where_the_key_stands_and_where_it_does_not_the_caller_does(
    path: str, shown: list[str], expected: str
) -> None:
    assert key_header(path, shown) == expected
