import pytest

from guard.server.routes import AZURE_CHAT, CHAT, MODEL, MODELS, Handling, normalise, resolve


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


def test_azure_deployment_is_judged_like_its_twin() -> None:
    target = resolve("POST", "/openai/deployments/my gpt/chat/completions")

    assert (target.handling, target.label) == (Handling.JUDGED, AZURE_CHAT)
    assert target.path == "/openai/deployments/my%20gpt/chat/completions"


@pytest.mark.parametrize(
    ("path", "label"), [("/v1/models", MODELS), ("/v1/models/gpt-x", MODEL), ("/v1/models/org/name", MODEL)]
)
def test_models_are_listed_requests_without_a_body(path: str, label: str) -> None:
    target = resolve("GET", path)

    assert (target.handling, target.label, target.path) == (Handling.FORWARD, label, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/chat/completionsx"),
        ("GET", "/v1/responses"),
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/chat/completions"),
    ],
)
def test_everything_else_is_unknown(method: str, path: str) -> None:
    assert resolve(method, path).handling is Handling.UNKNOWN


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "path",
    [
        "/x/v1/chat/completions",
        "/engines/m/chat/completions",
        "/openai/deployments/a/b/chat/completions",
        "/v1/completions",
        "/v1/Responses/",
        "/v1/messages",
        "/v1/messages/batches",
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
