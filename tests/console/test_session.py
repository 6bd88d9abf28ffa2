"""Sessions: signed, bound to the admin token, and over in time."""

from hypothesis import given
from hypothesis import strategies as st

from guard.server.console.session import LIFETIME_S, Sessions

TOKEN, OTHER = b"t" * 32, b"o" * 32


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def make(clock: Clock, secret: bytes = b"s" * 32) -> Sessions:
    return Sessions(lambda: secret, clock=clock)


def test_session_is_known_again_with_its_name() -> None:
    sessions = make(Clock())

    found = sessions.find(sessions.begin("Ada Müller", TOKEN), TOKEN)

    assert found is not None
    assert found.name == "Ada Müller"


def test_session_is_over_after_its_lifetime() -> None:
    clock = Clock()
    sessions = make(clock)
    cookie = sessions.begin("Ada", TOKEN)

    clock.now += LIFETIME_S - 1
    assert sessions.find(cookie, TOKEN) is not None
    clock.now += 1
    assert sessions.find(cookie, TOKEN) is None


def test_another_admin_token_ends_every_session() -> None:
    sessions = make(Clock())

    assert sessions.find(sessions.begin("Ada", TOKEN), OTHER) is None


def test_another_secret_knows_no_session() -> None:
    clock = Clock()

    assert make(clock, b"x" * 32).find(make(clock).begin("Ada", TOKEN), TOKEN) is None


def test_token_against_forgery_is_another_one_in_each_session() -> None:
    sessions = make(Clock())

    found = [sessions.find(sessions.begin("Ada", TOKEN), TOKEN) for _ in range(2)]

    assert len({each.csrf for each in found if each is not None}) == 2


@given(place=st.integers(0, 400), sign=st.characters(min_codepoint=33, max_codepoint=126))
def test_cookie_with_one_sign_changed_is_no_session(place: int, sign: str) -> None:
    sessions = make(Clock())
    cookie = sessions.begin("Ada", TOKEN)
    place %= len(cookie)
    # The last sign of unpadded base64 has bits that stand for nothing; compared as text, they count all the same.
    changed = cookie[:place] + sign + cookie[place + 1 :]

    assert (sessions.find(changed, TOKEN) is None) == (changed != cookie)


@given(st.text(max_size=2000))
def test_no_other_text_is_a_session(cookie: str) -> None:
    assert make(Clock()).find(cookie, TOKEN) is None
