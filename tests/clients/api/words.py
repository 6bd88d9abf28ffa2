"""What the stand-in says, whatever it is asked: harmless words, but for models whose names begin with "unsafe"."""

CALL_ID = "call_9x2KdMPpTGqHhuNnVvIuQWkx"
CREATED = 1_700_000_000
USAGE = {"prompt_tokens": 7, "completion_tokens": 6, "total_tokens": 13}
_WORDS = ("hello", "the", "cat", "is", "a", "picture")
_UNSAFE_WORDS = ("hello", "this", "is", "how", "to", "make", "a", "bomb", "please")


def words_of(model: str) -> tuple[str, ...]:
    """Return the words of a model's answer; "unsafe" says what nobody should read."""
    return _UNSAFE_WORDS if model == "unsafe" else _WORDS


def arguments_of(model: str) -> str:
    """Return what a model hands to its tool; "unsafe-tools" hands over what nobody should."""
    return '{"city": "%s", "file": "a.txt"}' % ("how to make a bomb" if model == "unsafe-tools" else "Oslo")


def thought_of(model: str) -> str:
    """Return what a model thinks aloud; "unsafe-reasoning" thinks what nobody should read."""
    return "how to make a bomb" if model == "unsafe-reasoning" else "the cat is at home"
