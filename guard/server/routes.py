"""What happens to a request by its path, which is normalised once; the normalised path is what is judged and sent."""

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from guard.server.apis import Api
from guard.server.apis.chat import CHAT as CHAT_API

OTHER = "other"
CHAT = "/v1/chat/completions"
AZURE_CHAT = "/openai/deployments/{name}/chat/completions"
MODELS = "/v1/models"
MODEL = "/v1/models/{id}"


class Handling(Enum):
    """What is done with a request."""

    JUDGED = "judged"  # by an API's reading, then forwarded
    FORWARD = "forward"  # a listed request without a body
    UNJUDGED = "unjudged"  # takes prompts that Guard does not judge: never forwarded in mode enforce
    UNKNOWN = "unknown"  # the configuration decides
    NOWHERE = "nowhere"  # never forwarded: Guard's own paths, and paths with two readings


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: `path` is sent upstream, percent-encoded; `label` is the route's name in metrics.

    `api` is whose request it is, where it is judged.
    """

    handling: Handling
    label: str
    path: str
    api: Api | None = None


_FREQUENT = {
    ("POST", CHAT): Target(Handling.JUDGED, CHAT, CHAT, CHAT_API),
    ("GET", MODELS): Target(Handling.FORWARD, MODELS, MODELS),
}
# Upstreams differ in how they read these: path parameters, Windows separators, what was encoded twice, controls.
_AMBIGUOUS = re.compile(r"[;%\\\x00-\x1f\x7f]")
_OWN = re.compile(r"/(?:guard|beta|healthz|readyz|metrics)(?:/|$)", re.IGNORECASE)
# Without regard to case: IIS, which Azure's gateways are made of, has none.
_CHAT = re.compile(r"(?:/v1)?/chat/completions", re.IGNORECASE)
_AZURE_CHAT = re.compile(r"/openai/deployments/([^/]+)/chat/completions", re.IGNORECASE)
_MODEL = re.compile(r"/v1/models/.+")
# Last words, in lower case, of the paths under which LLM APIs take prompts. Upstreams differ in what stands before them
# (`/engines/{m}/chat/completions`), so that is not looked at; a word too many costs a 404, one too few a way around.
_TAKES_PROMPTS = frozenset({
    "completions", "completion", "responses", "messages", "batches", "runs", "submit_tool_outputs", "sessions",
    "calls", "chat", "complete", "edits", "edit", "generations", "variations", "videos", "remix", "speech",
    "transcriptions", "translations", "generate", "generate_stream", "infill", "invocations", "invoke",
    "invoke-with-response-stream", "invoke-async", "converse", "converse-stream", "predict", "rawpredict",
    "streamrawpredict", "serverstreamingpredict", "generatecontent", "streamgeneratecontent", "batchgeneratecontent",
    "generatemessage", "generatetext", "generateanswer"
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
    if method == "POST":
        if _CHAT.fullmatch(normal):
            return Target(Handling.JUDGED, CHAT, CHAT, CHAT_API)
        azure = _AZURE_CHAT.fullmatch(normal)
        if azure:
            sent = f"/openai/deployments/{quote(azure[1], safe=_UNQUOTED)}/chat/completions"
            return Target(Handling.JUDGED, AZURE_CHAT, sent, CHAT_API)
    encoded = quote(normal, safe=_UNQUOTED)
    if method == "GET" and normal == MODELS:
        return Target(Handling.FORWARD, MODELS, MODELS)
    if method == "GET" and _MODEL.fullmatch(normal):
        return Target(Handling.FORWARD, MODEL, encoded)
    if method not in _WITHOUT_PROMPT and re.split("[/:]", normal)[-1].lower() in _TAKES_PROMPTS:
        return Target(Handling.UNJUDGED, OTHER, encoded)
    return Target(Handling.UNKNOWN, OTHER, encoded)


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
