"""Guard's own OpenAPI document, taken at its word: requests made from it, and answers held against it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from guard.config import Settings
from guard.demo.servers import ServerThread
from guard.server.app import create_app
from guard.server.openapi import ROUTE, document
from tests.clients.api.app import LlmApi
from tests.tiny_bundle import make_tiny_bundle

DOCUMENT = document("0")
_FOUND: Any = schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
OPERATIONS: dict[str, Any] = {operation.label: operation for operation in (found.ok() for found in _FOUND)}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bundle = make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny").path
    with ServerThread(LlmApi().app) as api:
        written = {"bundle": str(bundle), "upstream": {"url": api.url}, "threads": 1, "ocr": {"mode": "off"}}
        with ServerThread(create_app(Settings.model_validate(written))) as guard:
            yield guard.url


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def test_served_document_is_the_one_that_is_tried(url: str) -> None:
    served = requests.get(f"{url}{ROUTE}", timeout=10).json()

    assert served["paths"] == DOCUMENT["paths"]


@pytest.mark.corpus
@pytest.mark.parametrize("label", OPERATIONS)
def test_operation_that_is_asked_as_the_document_says_answers_so(
    url: str, session: requests.Session, label: str
) -> None:
    _try(url, session, label, GenerationMode.POSITIVE)


@pytest.mark.corpus
@pytest.mark.parametrize("label", [label for label, operation in OPERATIONS.items() if operation.body])
def test_operation_that_is_asked_otherwise_answers_as_the_document_says(
    url: str, session: requests.Session, label: str
) -> None:
    _try(url, session, label, GenerationMode.NEGATIVE)


def _try(url: str, session: requests.Session, label: str, mode: GenerationMode) -> None:
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def holds(case: Case[Any]) -> None:
        case.validate_response(case.call(base_url=url, session=session, timeout=10), checks=CHECKS)

    holds()
