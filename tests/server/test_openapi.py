"""The OpenAPI document that Guard serves about itself: complete, valid, and true of what it answers."""

import re
from importlib.metadata import version
from typing import Any

import jsonschema
import pytest
from starlette.routing import Route

from guard.server import admin
from guard.server.console import decisions, feedback, reviews
from guard.server.console.pages import PAGE as FOR_PEOPLE
from guard.server.doors import OWN
from guard.server.openapi import ROUTE, document
from guard.server.openapi_schemas import SAME_BODY, SCHEMAS
from guard.server.routes import Handling, listed, resolve
from guard.server.wire import STATUS
from tests.fakes import FixedScorer
from tests.server.house import SAFE, UNSAFE, Builder

DOCUMENT = document("1")
# Codes of the start and the command line are never answered.
_NEVER_ANSWERED = {"usage", "config_invalid", "suite_invalid", "calibration_invalid", "key_invalid"}


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_of_the_server_is_described(build: Builder) -> None:
    served = {
        route.path for route in build().app.routes if isinstance(route, Route) and not route.path.startswith(FOR_PEOPLE)
    }
    described = {(path, method) for path, method, _ in _operations()}

    assert {path for path, _ in described} >= served | set(OWN)
    assert described >= {(path, method.lower()) for method, path, _, _ in listed()}


def test_every_described_path_of_an_llm_api_is_one_that_guard_knows() -> None:
    asked = {reviews.ROUTE, decisions.ROUTE, feedback.ROUTE}
    own = {*OWN, *asked, ROUTE, admin.ROUTE, "/healthz", "/readyz", "/metrics"}
    for path, method, operation in _operations():
        if path in own:
            continue
        target = resolve(method.upper(), re.sub(r"\{\w+\}", "x", path))
        assert target.label == path
        assert target.handling in {Handling.JUDGED, Handling.FORWARD, Handling.STORED}
        assert ("requestBody" in operation) == (target.api is not None)


def test_every_status_that_guard_answers_in_its_own_name_is_described() -> None:
    described = {status for _, _, operation in _operations() for status in operation["responses"]}

    assert described >= {str(status) for code, status in STATUS.items() if code not in _NEVER_ANSWERED}


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    used = set(re.findall(r"#/components/schemas/(\w+)", str(DOCUMENT)))

    assert used == set(SCHEMAS)
    assert set(SAME_BODY.values()) <= set(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


def test_every_parameter_of_a_path_is_declared() -> None:
    for path, _, operation in _operations():
        declared = [parameter["name"] for parameter in operation.get("parameters", [])]
        assert declared == re.findall(r"\{(\w+)\}", path)


def _validate(value: object, schema: str) -> None:
    jsonschema.validate(value, {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]})


async def test_document_is_served_without_a_key(build: Builder) -> None:
    house = build(tenants={"shop": {"keys": ["sha256:" + "0" * 64]}}, unknown_tenants="refuse")

    async with house.client() as client:
        answer = await client.get(ROUTE)

    assert answer.status_code == 200
    assert answer.json() == document(version("mllm-guard"))


async def test_answers_are_as_the_document_says(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        one = await client.post("/guard/classify", json={"text": UNSAFE})
        several = await client.post("/guard/classify", json=[{"text": SAFE}, {"text": UNSAFE}])
        refused = await client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": UNSAFE}]})
        anthropic = await client.post("/v1/messages", json={"messages": []})
        ready = await client.get("/readyz")
        alive = await client.get("/healthz")

    _validate(one.json(), "ClassifyAnswer")
    _validate(several.json(), "ClassifyAnswer")
    _validate(refused.json(), "Error")
    _validate(anthropic.json(), "AnthropicError")
    _validate(ready.json(), "Ready")
    _validate(alive.json(), "Alive")


async def test_verdict_of_what_could_not_be_judged_is_as_the_document_says(build: Builder) -> None:
    house = build(scorer=FixedScorer(failure=RuntimeError("broken")))

    async with house.client() as client:
        answer = await client.post("/guard/classify", json={"images": ["data:image/png;base64,AAAA"]})

    _validate(answer.json(), "Verdict")
