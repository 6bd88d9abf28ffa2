"""What `/guard/openapi.json` says of the pages that programs ask. Those of the console itself are for people."""

from collections.abc import Mapping
from typing import Any

from guard.server.console import decisions, feedback, reviews
from guard.store.values import LabelKind

Operation = dict[str, Any]

_ID = {"type": "string", "minLength": 1, "maxLength": 100, "pattern": r"^[\x21-\x7e]+$"}
_LABELS = [kind.value for kind in LabelKind]
_DOCUMENT = {"description": "as README.md of guard/server/console has it", "content": {"application/json": {}}}


def operations(
    errors: Mapping[str, Any], refused: Mapping[str, Any], keys: list[dict[str, list[str]]]
) -> list[tuple[str, str, Operation]]:
    """Return path, method and operation of each.

    Args:
        errors: what any door may answer.
        refused: what a change without the right to it is answered.
        keys: what tenants show.
    """
    closed: Operation = {"security": [{"admin": []}]}
    answers = {"responses": {"200": _DOCUMENT, **errors, **refused}}
    labelling = {
        "id": _ID,
        "label": {"enum": [*_LABELS, None]},
        "note": {"type": "string", "maxLength": 2000},
        "author": {"type": ["string", "null"], "minLength": 1, "maxLength": 100},
    }
    telling = {"id": _ID, "label": {"enum": ["safe", "unsafe"]}}
    return [
        (reviews.ROUTE, "GET", closed | answers | {"summary": "What waits for review, oldest first"}),
        (
            reviews.ROUTE,
            "POST",
            closed | answers | {"summary": "A reviewer's label, or null to take it back"} | _body(labelling),
        ),
        (decisions.ROUTE, "GET", closed | answers | {"summary": "One decision by its id, or the latest that fit"}),
        (
            feedback.ROUTE,
            "POST",
            answers | {"summary": "A user says that a decision was wrong", "security": keys} | _body(telling),
        ),
    ]


def _body(properties: Mapping[str, Any]) -> Operation:
    schema = {
        "type": "object",
        "properties": dict(properties),
        "required": ["id", "label"],
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
