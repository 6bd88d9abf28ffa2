"""What `import guard` offers is a promise; a change here needs an entry in CHANGELOG.md."""

import guard


def test_public_names_are_pinned() -> None:
    assert guard.__all__ == [
        "Action",
        "Bundle",
        "Decision",
        "Guard",
        "GuardError",
        "ImageInput",
        "Pair",
        "Settings",
        "create_app",
        "open_guard",
    ]


def test_every_public_name_can_be_loaded_and_has_a_docstring() -> None:
    for name in guard.__all__:
        assert getattr(guard, name).__doc__, name
