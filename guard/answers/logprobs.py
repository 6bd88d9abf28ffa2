"""Log probabilities beside a text: the same text once more, token by token, with what else each token might have been.

Tokens that spell the text beside them are covered by it, since an event is shown as a whole or not at all. Tokens that
spell something else are a text of their own. The other candidates for a token are no text: they are held back with it,
and only one that is too long for a token is read.
"""

from collections.abc import Collection
from typing import Any, TypeGuard

from guard.answers.found import Found, Piece
from guard.answers.reading import read_value

_TOKEN_CHARS = 64


def read_logprobs(found: Found, value: Any, texts: Collection[str], *, choice: int = 0, name: str = "") -> None:
    """Add to `found` what log probabilities say beyond the texts beside them.

    Args:
        value: a list of tokens with their candidates (chat, responses), one such list by name ("content", "refusal"),
            or lists of tokens, offsets and candidates side by side (completions).
        texts: the texts of the same choice in the same event, or in the whole answer.
        name: tells the strands of several texts apart.
    """
    match value:
        case list():
            _read_tokens(found, value, texts, choice, name)
        case dict() if isinstance(value.get("tokens"), list):
            rest = {key: below for key, below in value.items() if key not in ("tokens", "top_logprobs")}
            read_value(found, rest, choice=choice)
            read_value(found, [token for token in value["tokens"] if not isinstance(token, str)])
            tokens = "".join(token for token in value["tokens"] if isinstance(token, str))
            _add(found, tokens, texts, choice, (name, "token"))
            candidates = value.get("top_logprobs")
            for each in candidates if isinstance(candidates, list) else [candidates]:
                _read_candidates(found, each)
        case dict():
            for key, below in value.items():
                if isinstance(below, list):
                    _read_tokens(found, below, texts, choice, key)
                else:
                    read_value(found, {key: below}, choice=choice)
        case _:
            read_value(found, value, choice=choice)


def _read_tokens(found: Found, entries: list[Any], texts: Collection[str], choice: int, name: str) -> None:
    tokens, spelled = [], bytearray()
    for entry in entries:
        token, in_bytes = _read_entry(found, entry)
        tokens.append(token)
        spelled += token.encode(errors="replace") if in_bytes is None else in_bytes
        if isinstance(entry, dict):
            _read_candidates(found, entry.get("top_logprobs"))
    # A letter may be spread over tokens, and over events: what is left of half a letter says nothing.
    text = spelled.decode(errors="replace").replace("\ufffd", "")
    _add(found, "".join(tokens), (*texts, text), choice, (name, "token"))
    _add(found, text, texts, choice, (name, "bytes"))


def _read_candidates(found: Found, candidates: Any) -> None:
    match candidates:
        case dict():
            found.wholes += [token for token in candidates if len(token) > _TOKEN_CHARS]
            read_value(found, list(candidates.values()))
        case list():
            for entry in candidates:
                token, in_bytes = _read_entry(found, entry)
                spelled = (in_bytes or b"").decode(errors="replace")
                found.wholes += [text for text in (token, spelled) if len(text) > _TOKEN_CHARS]
        case _:
            read_value(found, candidates)


def _read_entry(found: Found, entry: Any) -> tuple[str, bytes | None]:
    """Return the token of an entry and its bytes, if it gives them; whatever else stands in it is added to `found`."""
    if not isinstance(entry, dict):
        read_value(found, entry)
        return "", None
    token, encoded = entry.get("token"), entry.get("bytes")
    rest = {key: below for key, below in entry.items() if key != "top_logprobs"}
    if isinstance(token, str):
        rest.pop("token")
    in_bytes = None
    if _is_bytes(encoded):
        rest.pop("bytes")
        in_bytes = bytes(encoded)
    read_value(found, rest)
    return token if isinstance(token, str) else "", in_bytes


def _add(found: Found, text: str, covered: Collection[str], choice: int, strand: tuple[str, str]) -> None:
    if text and text not in covered:
        found.pieces.append(Piece(choice, ("logprobs", *strand), text))


def _is_bytes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(byte) is int and 0 <= byte < 256 for byte in value)
