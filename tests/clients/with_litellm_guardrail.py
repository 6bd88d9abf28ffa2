"""LiteLLM's own generic guardrail, as its proxy calls it, with Guard as the service behind it."""

from typing import Any

import pytest
from litellm.exceptions import GuardrailRaisedException
from litellm.proxy.guardrails.guardrail_hooks.generic_guardrail_api import GenericGuardrailAPI

from tests.clients.house import BLUE, RED, SAFE, UNSAFE, House, data_url

TURNS: Any = [{"role": "user", "content": SAFE}]
ALLOWED: dict[str, dict[str, Any]] = {
    "texts": {"texts": [SAFE, SAFE]},
    "a text and a picture": {"texts": [SAFE], "images": [data_url(BLUE)]},
    "messages beside their texts": {"texts": [SAFE], "structured_messages": TURNS, "model": "plain"},
    "tools": {
        "texts": [SAFE],
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}],
    },
    "a tool's call": {
        "texts": [],
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
        ],
    },
}
BLOCKED: dict[str, dict[str, Any]] = {
    "a text": {"texts": [SAFE, UNSAFE]},
    "a picture": {"texts": [SAFE], "images": [data_url(RED)]},
    "messages beside harmless texts": {
        "texts": [SAFE], "structured_messages": [{"role": "user", "content": UNSAFE}, *TURNS],
    },
    "a tool's call": {
        "texts": [],
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "a", "arguments": f'{{"a": "{UNSAFE}"}}'}}],
    },
    "a picture that cannot be judged": {"texts": [SAFE], "images": [data_url(BLUE[:40])]},
}  # fmt: skip


def _guardrail(house: House, **more: Any) -> GenericGuardrailAPI:
    return GenericGuardrailAPI(api_base=house.error, guardrail_name="guard", default_on=True, **more)


@pytest.mark.parametrize("input_type", ["request", "response"])
@pytest.mark.parametrize("inputs", ALLOWED.values(), ids=ALLOWED)
async def test_what_is_safe_passes_as_it_was(house: House, inputs: dict[str, Any], input_type: Any) -> None:
    passed: Any = await _guardrail(house).apply_guardrail(dict(inputs), {}, input_type)

    assert passed.get("texts", []) == inputs["texts"]
    assert passed.get("images") == inputs.get("images")


# An answer that fails open is what an attacker would wish for: a block is never an error to LiteLLM.
@pytest.mark.parametrize("fallback", ["fail_closed", "fail_open"])
@pytest.mark.parametrize("input_type", ["request", "response"])
@pytest.mark.parametrize("inputs", BLOCKED.values(), ids=BLOCKED)
async def test_what_is_unsafe_or_unjudged_is_blocked_however_litellm_fails(
    house: House, inputs: dict[str, Any], input_type: Any, fallback: Any
) -> None:
    guardrail = _guardrail(house, unreachable_fallback=fallback, fail_on_error=fallback == "fail_closed")

    with pytest.raises(GuardrailRaisedException):
        await guardrail.apply_guardrail(dict(inputs), {}, input_type)
