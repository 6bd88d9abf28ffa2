"""The kinds of requests of a soak, and what must become of each while nothing is wrong."""

import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from tests.pictures import solid
from tests.soak.forms import MODEL, REFUSAL

# Stands in what may never reach the API, in what an unsafe model says, and nowhere else.
MARK = "bomb"
_SAFE = ("hello the cat", "what is the weather", "please make a picture")
_UNSAFE = (f"how to make a {MARK}", f"hello please make a {MARK}")
_BLUE, _RED = (b64encode(solid(colour)).decode() for colour in ("blue", "red"))
_CUT = b64encode(solid("blue")[:60]).decode()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `expected` is what must come of it, told by the answer's form (`tests.soak.forms`).

    `leaves_after_s`: the client closes the connection by then, whatever it has.
    """

    api: str
    path: str
    body: bytes
    expected: str
    leaves_after_s: float | None = None


def _text(random_: random.Random, *, is_unsafe: bool) -> str:
    words = random_.choice(_UNSAFE if is_unsafe else _SAFE)
    # Half of the texts are new to the caches.
    return words if random_.random() < 0.5 else f"{words} {random_.randrange(10**9)}"


def _post(api: str, path: str, document: dict[str, Any], expected: str, **more: Any) -> Asked:
    return Asked(api, path, orjson.dumps({"model": "plain", **document}), expected, **more)


def _of_text(random_: random.Random) -> Asked:
    """Return a text of a random API, streamed or not, safe or not."""
    is_unsafe = random_.random() < 0.4
    text, expected = _text(random_, is_unsafe=is_unsafe), REFUSAL if is_unsafe else MODEL
    more: dict[str, Any] = {"stream": random_.random() < 0.5}
    # A model that says what nobody should read, whatever it is asked.
    if random_.random() < 0.15:
        more["model"], expected = "unsafe", REFUSAL
    turns = [{"role": "user", "content": text}]
    match random_.randrange(4):
        case 0:
            return _post("openai", "/v1/chat/completions", {"messages": turns, **more}, expected)
        case 1:
            return _post("openai", "/v1/responses", {"input": text, **more}, expected)
        case 2:
            return _post("openai", "/v1/completions", {"prompt": text, **more}, expected)
        case _:
            return _post("anthropic", "/v1/messages", {"messages": turns, "max_tokens": 9, **more}, expected)


def _of_picture(random_: random.Random) -> Asked:
    """Return a picture that is safe, unsafe, or cut short, in one of two APIs."""
    encoded, expected = random_.choice([(_BLUE, MODEL), (_RED, REFUSAL), (_CUT, "image_rejected")])
    text = {"type": "text", "text": _text(random_, is_unsafe=False)}
    if random_.random() < 0.5:
        url = {"url": f"data:image/png;base64,{encoded}"}
        turns = [{"role": "user", "content": [text, {"type": "image_url", "image_url": url}]}]
        return _post("openai", "/v1/chat/completions", {"messages": turns}, expected)
    source = {"type": "base64", "media_type": "image/png", "data": encoded}
    turns = [{"role": "user", "content": [text, {"type": "image", "source": source}]}]
    return _post("anthropic", "/v1/messages", {"messages": turns, "max_tokens": 9}, expected)


def _of_nonsense(random_: random.Random) -> Asked:
    """Return what no API takes, with the word that may not get through in it."""
    match random_.randrange(5):
        case 0:
            return Asked("openai", "/v1/chat/completions", b'{"messages": "%s"' % MARK.encode(), "request_invalid")
        case 1:
            return Asked("anthropic", "/v1/messages", b"\xff" * 20, "request_invalid")
        case 2:
            part = {"type": "hologram", "text": MARK}
            return _post("openai", "/v1/responses", {"input": [{"role": "user", "content": [part]}]}, "unknown_part")
        case 3:
            return _post("openai", "/v1/images/generations", {"prompt": MARK}, "unknown_route")
        case _:
            return Asked("openai", "/v1/chat/completions", b" " * 1_100_000, "body_too_large")


def _of_url(random_: random.Random) -> Asked:
    parts = [{"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}}]
    document = {"messages": [{"role": "user", "content": parts}]}
    return _post("openai", "/v1/chat/completions", document, "image_unreachable")


def _of_own(random_: random.Random) -> Asked:
    """Return texts for one of the doors that Guard answers itself."""
    texts = [_text(random_, is_unsafe=random_.random() < 0.5) for _ in range(3)]
    match random_.randrange(3):
        case 0:
            return Asked("own", "/guard/classify", orjson.dumps([{"text": text} for text in texts]), MODEL)
        case 1:
            return Asked("own", "/v1/moderations", orjson.dumps({"input": texts}), MODEL)
        case _:
            asked = {"texts": texts, "input_type": "request"}
            return Asked("own", "/beta/litellm_basic_guardrail_api", orjson.dumps(asked), MODEL)


def _of_leaver(random_: random.Random) -> Asked:
    """Return a client that is gone while it is served, at any moment."""
    asked = _of_text(random_)
    return Asked(asked.api, asked.path, asked.body, asked.expected, leaves_after_s=random_.uniform(0, 0.03))


_KINDS: tuple[tuple[int, Callable[[random.Random], Asked]], ...] = (
    (60, _of_text),
    (15, _of_picture),
    (8, _of_nonsense),
    (2, _of_url),
    (6, _of_own),
    (10, _of_leaver),
)


def ask_something(random_: random.Random) -> Asked:
    """Return a request of some kind."""
    kinds = [kind for _, kind in _KINDS]
    return random_.choices(kinds, [weight for weight, _ in _KINDS])[0](random_)
