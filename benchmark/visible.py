"""Words from elsewhere as they may be shown: names in suites and in answers of APIs can hold anything. Pure."""

import unicodedata

_CONTROLS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(words: str) -> str:
    """Return words with every character that is none, or that moves others about, in its escaped form."""
    return "".join(_escaped(sign) if unicodedata.category(sign) in _CONTROLS else sign for sign in words)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
