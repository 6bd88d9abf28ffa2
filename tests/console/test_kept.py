"""Figures that are counted once for everybody who looks."""

import threading
from functools import partial

from guard.server.console.kept import KEPT_S, Kept


def test_value_is_made_once_until_it_is_too_old() -> None:
    now, made = [0.0], []
    kept = Kept[int](lambda: now[0])

    def make() -> int:
        made.append(now[0])
        return len(made)

    first = [kept.get("week", make), kept.get("week", make)]
    now[0] = KEPT_S
    assert [*first, kept.get("week", make)] == [1, 1, 2]


def test_other_questions_have_other_values() -> None:
    kept = Kept[str](lambda: 0.0)

    assert [kept.get(name, partial(str, name)) for name in ("a", "b", "a")] == ["a", "b", "a"]


def test_many_who_look_at_once_have_it_counted_once() -> None:
    kept, made = Kept[int](lambda: 0.0), []

    def make() -> int:
        made.append(1)
        return 1

    threads = [threading.Thread(target=kept.get, args=("week", make)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == [1]


def test_value_that_could_not_be_made_is_asked_for_again() -> None:
    kept = Kept[int](lambda: 0.0)

    def fail() -> int:
        raise OSError

    for _ in range(2):
        try:
            kept.get("week", fail)
        except OSError:
            continue
        raise AssertionError("it failed silently")
    assert kept.get("week", lambda: 3) == 3
