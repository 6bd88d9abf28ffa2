"""What happens to a request by its path, which is normalised once; the normalised path is what is judged and sent."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from guard.server.apis import Api
from guard.server.apis.chat import CHAT
from guard.server.apis.completions import COMPLETIONS
from guard.server.apis.messages import MESSAGES, MESSAGES_BATCH, MESSAGES_TOKENS
from guard.server.apis.responses import RESPONSES, RESPONSES_BESIDE

OTHER = "other"
MODELS = "/v1/models"
MODEL = "/v1/models/{id}"


class Handling(Enum):
    """What is done with a request."""

    JUDGED = "judged"  # by an API's reading, then forwarded
    FORWARD = "forward"  # a listed request without a body
    STORED = "stored"  # the same, and its answer may be one of the model's that the API kept
    UNJUDGED = "unjudged"  # takes prompts that Guard does not judge: never forwarded in mode enforce
    UNKNOWN = "unknown"  # the configuration decides
    KEPT = "kept"  # the same, but its answer may be one that the API kept
    NOWHERE = "nowhere"  # never forwarded: Guard's own paths, and paths with two readings


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: `path` is sent upstream, percent-encoded; `label` is the route's name in metrics.

    `api` is whose request it is, where it is judged. `model` is what the path names as the model.
    """

    handling: Handling
    label: str
    path: str
    api: Api | None = None
    model: str = ""


_OPENAI = {
    "chat/completions": CHAT,
    "completions": COMPLETIONS,
    "responses": RESPONSES,
    "responses/input_tokens": RESPONSES_BESIDE,
    "responses/compact": RESPONSES_BESIDE,
}
_ANTHROPIC = {"messages": MESSAGES, "messages/count_tokens": MESSAGES_TOKENS, "messages/batches": MESSAGES_BATCH}
_OF_RESPONSES = {name: api for name, api in _OPENAI.items() if name.startswith("responses")}
_DEPLOYMENT = "/openai/deployments/{name}"
# Where each API's paths begin: at the providers themselves, and on Azure in its older and its newer forms.
_JUDGED: Mapping[str, Mapping[str, Api]] = {
    "/v1": {**_OPENAI, **_ANTHROPIC},
    "/openai/v1": _OPENAI,
    "/openai": _OF_RESPONSES,
    _DEPLOYMENT: {"chat/completions": CHAT, "completions": COMPLETIONS},
    "/anthropic/v1": _ANTHROPIC,
}
_STORED_RESPONSES = (
    ("GET", "responses/{id}"),
    ("DELETE", "responses/{id}"),
    ("GET", "responses/{id}/input_items"),
    ("POST", "responses/{id}/cancel"),
)
_STORED_BATCHES = (
    ("GET", "messages/batches"),
    ("GET", "messages/batches/{id}"),
    ("DELETE", "messages/batches/{id}"),
    ("GET", "messages/batches/{id}/results"),
    ("POST", "messages/batches/{id}/cancel"),
)
_STORED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "/v1": (*_STORED_RESPONSES, *_STORED_BATCHES),
    "/openai/v1": _STORED_RESPONSES,
    "/openai": _STORED_RESPONSES,
    "/anthropic/v1": _STORED_BATCHES,
}


def _pattern(label: str) -> re.Pattern[str]:
    # Without regard to case: IIS, which Azure's gateways are made of, has none. "/v1" may be left out.
    written = re.escape(label).replace(r"\{name\}", "([^/]+)").replace(r"\{id\}", "([^/]+)")
    return re.compile(re.sub("^/v1/", "(?:/v1)?/", written), re.IGNORECASE)


def listed() -> Iterator[tuple[str, str, Handling, Api | None]]:
    """Yield method, label, handling and API of every path that is judged, or whose answers the LLM API kept."""
    for prefix, apis in _JUDGED.items():
        yield from (("POST", f"{prefix}/{name}", Handling.JUDGED, api) for name, api in apis.items())
    for prefix, kept in _STORED.items():
        yield from ((method, f"{prefix}/{name}", Handling.STORED, None) for method, name in kept)


_LISTED = [(method, _pattern(label), label, handling, api) for method, label, handling, api in listed()]
_FREQUENT = {
    (method, label): Target(handling, label, label, api)
    for method, label, handling, api in listed()
    if "{" not in label
} | {("GET", MODELS): Target(Handling.FORWARD, MODELS, MODELS)}
# Upstreams differ in how they read these: path parameters, Windows separators, what was encoded twice, controls.
_AMBIGUOUS = re.compile(r"[;%\\\x00-\x1f\x7f]")
_OWN = re.compile(r"/(?:guard|beta|healthz|readyz|metrics)(?:/|$)", re.IGNORECASE)
_MODEL = re.compile(r"/v1/models/.+")
# Last words, in lower case, of the paths under which LLM APIs take prompts. Upstreams differ in what stands before them
# (`/engines/{m}/chat/completions`), so that is not looked at; a word too many costs a 404, one too few a way around.
_TAKES_PROMPTS = frozenset({
    "completions", "completion", "responses", "messages", "batches", "runs", "submit_tool_outputs", "sessions",
    "calls", "chat", "complete", "edits", "edit", "generations", "variations", "videos", "remix", "speech",
    "transcriptions", "translations", "generate", "generate_stream", "infill", "invocations", "invoke",
    "invoke-with-response-stream", "invoke-async", "converse", "converse-stream", "predict", "rawpredict",
    "streamrawpredict", "serverstreamingpredict", "generatecontent", "streamgeneratecontent", "batchgeneratecontent",
    "generatemessage", "generatetext", "generateanswer", "count_tokens", "input_tokens", "compact", "threads",
    "conversations", "items", "assistants", "agents", "client_secrets", "events", "run", "predictions", "interactions",
    "infer", "dreams",
    "",  # of "/", under which text-generation-inference answers
})  # fmt: skip
# Words, in lower case, of other paths under which LLM APIs show what a model said earlier: stored completions,
# threads, results of batches as files. A word too many costs a 404 where answers are judged.
_SHOWS_ANSWERS = frozenset({
    "completions", "responses", "messages", "conversations", "items", "threads", "runs", "steps", "batches", "results",
    "content", "output", "outputs", "output_items", "predictions", "interactions", "generations", "sessions",
})  # fmt: skip
_WITHOUT_PROMPT = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_UNQUOTED = "/:@!$&'()*+,=~"


def resolve(method: str, path: str) -> Target:
    """Return the target of a request; `path` is percent-decoded once, as ASGI gives it."""
    frequent = _FREQUENT.get((method, path))
    if frequent is not None:
        return frequent
    normal = normalise(path)
    if normal is None or _OWN.match(normal):
        return Target(Handling.NOWHERE, OTHER, "/")
    for listed, pattern, label, handling, api in _LISTED:
        match = pattern.fullmatch(normal) if method == listed else None
        if match is not None:
            return _target(label, handling, api, match.groups())
    encoded = quote(normal, safe=_UNQUOTED)
    if method == "GET" and normal == MODELS:
        return Target(Handling.FORWARD, MODELS, MODELS)
    if method == "GET" and _MODEL.fullmatch(normal):
        return Target(Handling.FORWARD, MODEL, encoded)
    words = re.split("[/:]", normal.lower())
    if method not in _WITHOUT_PROMPT and words[-1] in _TAKES_PROMPTS:
        return Target(Handling.UNJUDGED, OTHER, encoded)
    return Target(Handling.UNKNOWN if _SHOWS_ANSWERS.isdisjoint(words) else Handling.KEPT, OTHER, encoded)


def _target(label: str, handling: Handling, api: Api | None, names: tuple[str, ...]) -> Target:
    fixed = re.split(r"\{\w+\}", label)
    path = "".join(text + quote(name, safe=_UNQUOTED) for text, name in zip(fixed, (*names, ""), strict=True))
    return Target(handling, label, path, api, model=names[0] if _DEPLOYMENT in label else "")


def normalise(path: str) -> str | None:
    """Return the path without empty and dot segments and a final slash; None where it could be read in two ways.

    "/v1//x/../chat/" becomes "/v1/chat".
    """
    if not path.startswith("/") or _AMBIGUOUS.search(path):
        return None
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if not segments:
                return None
            segments.pop()
        elif segment not in ("", "."):
            segments.append(segment)
    return "/" + "/".join(segments)
