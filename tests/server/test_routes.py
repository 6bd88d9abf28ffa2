import pytest

from guard.server.apis.chat import CHAT as CHAT_API
from guard.server.routes import MODEL, MODELS, Handling, normalise, resolve

CHAT = "/v1/chat/completions"
AZURE = "/openai/deployments/{name}"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "//v1//chat/completions",
        "/v1/./chat/completions",
        "/v1/models/../chat/completions",
        "/V1/Chat/Completions",
        "/chat/completions",
        "//Chat/completions/",
    ],
)
def test_every_spelling_of_the_chat_path_is_judged_and_sent_as_one(path: str) -> None:
    target = resolve("POST", path)

    assert (target.handling, target.label, target.path) == (Handling.JUDGED, CHAT, CHAT)


@pytest.mark.parametrize(
    ("path", "label", "sent", "api"),
    [
        ("/v1/responses", "/v1/responses", "/v1/responses", "responses"),
        ("/RESPONSES/", "/v1/responses", "/v1/responses", "responses"),
        ("/v1/responses/input_tokens", "/v1/responses/input_tokens", "/v1/responses/input_tokens", "responses_beside"),
        ("/v1/responses/compact", "/v1/responses/compact", "/v1/responses/compact", "responses_beside"),
        ("/v1/completions", "/v1/completions", "/v1/completions", "completions"),
        ("/completions", "/v1/completions", "/v1/completions", "completions"),
        ("/v1/messages", "/v1/messages", "/v1/messages", "messages"),
        ("/V1//Messages/", "/v1/messages", "/v1/messages", "messages"),
        ("/v1/messages/count_tokens", "/v1/messages/count_tokens", "/v1/messages/count_tokens", "messages_tokens"),
        ("/v1/messages/batches", "/v1/messages/batches", "/v1/messages/batches", "messages_batch"),
        (f"{AZURE.format(name='my gpt')}/chat/completions", f"{AZURE}/chat/completions", None, "chat"),
        (f"{AZURE.format(name='my gpt')}/completions", f"{AZURE}/completions", None, "completions"),
        ("/OpenAI/v1/chat/completions", "/openai/v1/chat/completions", "/openai/v1/chat/completions", "chat"),
        ("/openai/v1/responses", "/openai/v1/responses", "/openai/v1/responses", "responses"),
        ("/openai/responses", "/openai/responses", "/openai/responses", "responses"),
        ("/anthropic/v1/messages", "/anthropic/v1/messages", "/anthropic/v1/messages", "messages"),
    ],
)
def test_every_api_is_judged_by_its_own_reading(path: str, label: str, sent: str | None, api: str) -> None:
    target = resolve("POST", path)

    assert target.api is not None
    assert (target.handling, target.label, target.api.name) == (Handling.JUDGED, label, api)
    assert target.path == (label.replace("{name}", "my%20gpt") if sent is None else sent)


def test_azure_deployment_names_the_model() -> None:
    target = resolve("POST", "/openai/deployments/my gpt/chat/completions")

    assert (target.model, target.api) == ("my gpt", CHAT_API)
    assert resolve("POST", CHAT).model == ""


@pytest.mark.parametrize(
    ("method", "path", "label"),
    [
        ("GET", "/v1/responses/resp_1", "/v1/responses/{id}"),
        ("DELETE", "/v1/responses/resp_1", "/v1/responses/{id}"),
        ("GET", "/v1/responses/resp_1/input_items", "/v1/responses/{id}/input_items"),
        ("POST", "/v1/responses/resp_1/cancel", "/v1/responses/{id}/cancel"),
        ("GET", "/openai/v1/responses/resp_1", "/openai/v1/responses/{id}"),
        ("GET", "/v1/messages/batches", "/v1/messages/batches"),
        ("GET", "/v1/messages/batches/b_1", "/v1/messages/batches/{id}"),
        ("GET", "/v1/messages/batches/b_1/results", "/v1/messages/batches/{id}/results"),
        ("POST", "/v1/messages/batches/b_1/cancel", "/v1/messages/batches/{id}/cancel"),
    ],
)
def test_answers_that_an_api_kept_are_listed_requests_without_a_body(method: str, path: str, label: str) -> None:
    target = resolve(method, path)

    assert (target.handling, target.label, target.path) == (Handling.STORED, label, path)


@pytest.mark.parametrize(
    ("path", "label"), [("/v1/models", MODELS), ("/v1/models/gpt-x", MODEL), ("/v1/models/org/name", MODEL)]
)
def test_models_are_listed_requests_without_a_body(path: str, label: str) -> None:
    target = resolve("GET", path)

    assert (target.handling, target.label, target.path) == (Handling.FORWARD, label, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/chat/completionsx"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/file-1"),
        ("GET", "/v1/fine_tuning/jobs"),
    ],
)
def test_everything_else_is_unknown(method: str, path: str) -> None:
    assert resolve(method, path).handling is Handling.UNKNOWN


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("GET", "/v1/chat/completions/chatcmpl-1"),
        ("POST", "/v1/chat/completions/chatcmpl-1"),
        ("DELETE", "/v1/chat/completions"),
        ("GET", "/openai/v1/Chat/Completions/chatcmpl-1/messages"),
        ("GET", "/v1/files/file-1/content"),
        ("GET", "/v1/batches/b"),
        ("GET", "/v1/threads/t/messages"),
        ("GET", "/v1/threads/t/runs/r/steps"),
        ("GET", "/v1/conversations/c/items"),
        ("GET", "/v1/evals/e/runs/r/output_items"),
        ("GET", "/v1/responses"),
        ("GET", "/v1/responses/resp_1/x"),
        ("PATCH", "/v1/responses/resp_1"),
    ],
)
def test_paths_that_may_show_what_a_model_said_earlier_are_told_apart(method: str, path: str) -> None:
    target = resolve(method, path)

    assert (target.handling, target.label) == (Handling.KEPT, "other")


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "path",
    [
        "/x/v1/chat/completions",
        "/engines/m/chat/completions",
        "/openai/deployments/a/b/chat/completions",
        "/x/v1/completions",
        "/x/v1/Responses/",
        "/x/v1/messages",
        "/x/v1/messages/batches",
        "/x/v1/messages/count_tokens",
        "/openai/messages",
        "/anthropic/v1/chat/completions",
        "/v1/threads",
        "/v1/conversations/c/items",
        "/v1/threads/t/messages",
        "/v1/threads/t/runs",
        "/v1/threads/t/runs/r/submit_tool_outputs",
        "/v1/batches",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/audio/speech",
        "/v1beta/models/gemini:streamGenerateContent",
        "/model/anthropic.claude/converse-stream",
        "/api/generate",
        "/api/chat",
        "/invocations",
        "/v1/realtime/client_secrets",
        "/v1/sessions/s/events",
        "/v1/predictions",
        "/v2/models/m/infer",
        "/",
    ],
)
def test_doors_that_take_prompts_and_are_not_judged_are_told_apart(method: str, path: str) -> None:
    target = resolve(method, path)

    assert (target.handling, target.label) == (Handling.UNJUDGED, "other")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions;x=1",
        "/v1\\chat\\completions",
        "/v1/chat%2fcompletions",  # was %252f on the wire
        "/v1/chat/completions\n",
        "/v1/chat/\x00completions",
        "/../v1/chat/completions",
        "v1/chat/completions",
        "*",
        "",
    ],
)
def test_a_path_with_two_readings_goes_nowhere(path: str) -> None:
    assert resolve("POST", path).handling is Handling.NOWHERE


@pytest.mark.parametrize("path", ["/guard/classify", "/Guard/x", "/healthz/", "//metrics", "/readyz", "/beta/x"])
def test_paths_of_guard_itself_are_never_forwarded(path: str) -> None:
    assert resolve("GET", path).handling is Handling.NOWHERE


def test_label_of_an_unknown_path_is_not_the_path() -> None:
    assert resolve("GET", "/v1/files/secret-name").label == "other"


def test_path_sent_is_percent_encoded_again() -> None:
    assert resolve("GET", "/v1/models/ä b?c#d").path == "/v1/models/%C3%A4%20b%3Fc%23d"


@pytest.mark.parametrize(
    ("path", "normal"), [("/", "/"), ("/a//b/", "/a/b"), ("/a/./b/../c", "/a/c"), ("/a/..", "/"), ("/..", None)]
)
def test_normalising_removes_empty_and_dot_segments(path: str, normal: str | None) -> None:
    assert normalise(path) == normal
