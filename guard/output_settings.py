"""How answers of the LLM are judged: settings, frozen pydantic models."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from guard.policy_settings import Probability, Section


class OutputSettings(Section):
    """Whether and how answers are judged before the client sees them. `judge_output: true` is short for enabled.

    A streamed answer is held back until it is judged, window by window. Each of its characters is shown after it was
    judged together with up to `context_chars` before it and `hold_back_chars` after it.
    """

    enabled: bool = False
    """judge texts, tool-call arguments, reasoning, refusals and pictures of every choice of an answer"""
    threshold: Probability | None = None
    """probability from which an answer is unsafe; none takes the policy's. Neither is certified: no bundle was
    calibrated on answers"""
    window_chars: PositiveInt = 200
    """new characters of a stream that are judged at once: fewer are shown sooner, and cost more"""
    context_chars: Annotated[int, Field(ge=0, le=4000)] = 200
    """characters before them that are judged with them once more; 400 characters in all are about what the embedded
    guard reads at once (128 tokens)"""
    hold_back_chars: NonNegativeInt = 60
    """judged characters that wait until those after them are judged too, so that no phrase is shown by half; at most
    three quarters of the context"""
    max_bytes: PositiveInt = 50_000_000
    """of an answer that is not streamed, which is read in full before it is judged; a larger one counts as unjudged"""

    @model_validator(mode="after")
    def _what_is_held_back_is_judged_again(self) -> Self:
        if 4 * self.hold_back_chars > 3 * self.context_chars:
            raise ValueError(
                f"judge_output.hold_back_chars ({self.hold_back_chars}) must not exceed three quarters of "
                f"judge_output.context_chars ({self.context_chars})"
            )
        return self


def _section(written: object) -> object:
    return {"enabled": written} if isinstance(written, bool) else written


# `judge_output: true` is short for the section.
BoolOrSection = BeforeValidator(_section, json_schema_input_type=bool | OutputSettings)
