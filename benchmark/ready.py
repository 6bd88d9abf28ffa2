"""Models by name: the paper's nine, today's, and guards among models. What a provider has retired is said, not hidden.

Names are litellm's and Hugging Face's. Keys come from the environment; nothing here was run by this project.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

_PAPER, _TODAY, _GUARD = "paper", "today", "guard"


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A model, how to name it as a target, and what it needs."""

    name: str
    kind: str  # "paper", "today", "guard"
    target: str | None  # None: nobody offers it any more, and nothing comes near
    key: str | None = None  # variable of the environment; None for a local model
    note: str = ""

    def to_dict(self, environment: Mapping[str, str] = os.environ) -> dict[str, str | bool | None]:
        """Return it for JSON, with whether its key is there."""
        return {**asdict(self), "has_key": self.key is None or bool(environment.get(self.key))}


_OPENAI, _GOOGLE, _ANTHROPIC, _XAI, _MISTRAL = (
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "ANTHROPIC_API_KEY",
    "XAI_API_KEY",
    "MISTRAL_API_KEY",
)

_SUCCESSOR = "a successor; the paper's is gone"

READY = (
    ReadyModel("GPT-4V", _PAPER, "litellm:openai/gpt-4o-2024-08-06", _OPENAI, _SUCCESSOR),
    ReadyModel("GPT-4o", _PAPER, "litellm:openai/gpt-4o-2024-11-20", _OPENAI, "a later version than the paper's"),
    ReadyModel("Gemini 1.5", _PAPER, "litellm:gemini/gemini-2.5-flash", _GOOGLE, _SUCCESSOR),
    ReadyModel("Gemini 1.5 Pro", _PAPER, "litellm:gemini/gemini-2.5-pro", _GOOGLE, _SUCCESSOR),
    ReadyModel("Bard", _PAPER, None, None, "gone, and never had an API"),
    ReadyModel("Claude-3", _PAPER, "litellm:anthropic/claude-opus-4-5-20251101", _ANTHROPIC, _SUCCESSOR),
    ReadyModel("LLaVA-1.5-7B", _PAPER, "hf:llava-hf/llava-1.5-7b-hf"),
    ReadyModel("Qwen-VL-7B", _PAPER, "hf:Qwen/Qwen2-VL-7B-Instruct", None, "a successor; that one runs own code"),
    ReadyModel("InstructBLIP", _PAPER, "hf:Salesforce/instructblip-vicuna-7b"),
    ReadyModel("GPT-6.1", _TODAY, "litellm:openai/gpt-6.1-sol", _OPENAI),
    ReadyModel("GPT-5.5", _TODAY, "litellm:openai/gpt-5.5", _OPENAI),
    ReadyModel("GPT-4.1", _TODAY, "litellm:openai/gpt-4.1-2025-04-14", _OPENAI, "takes temperature 0 and logprobs"),
    ReadyModel("Claude Opus 5.5", _TODAY, "litellm:anthropic/claude-opus-5-5", _ANTHROPIC),
    ReadyModel("Claude Sonnet 5.5", _TODAY, "litellm:anthropic/claude-sonnet-5-5", _ANTHROPIC),
    ReadyModel("Claude Haiku 5.5", _TODAY, "litellm:anthropic/claude-haiku-5-5", _ANTHROPIC),
    ReadyModel("Gemini 3.8 Flash", _TODAY, "litellm:gemini/gemini-3.8-flash", _GOOGLE),
    ReadyModel("Gemini 3.1 Pro", _TODAY, "litellm:gemini/gemini-3.1-pro-preview", _GOOGLE),
    ReadyModel("Grok 4.7", _TODAY, "litellm:xai/grok-4.7", _XAI),
    ReadyModel("Mistral Large 4", _TODAY, "litellm:mistral/mistral-large-4", _MISTRAL),
    ReadyModel("Qwen2.5-VL 7B", _TODAY, "hf:Qwen/Qwen2.5-VL-7B-Instruct"),
    ReadyModel("Qwen3-VL 8B", _TODAY, "hf:Qwen/Qwen3-VL-8B-Instruct"),
    ReadyModel("SmolVLM 2.2B", _TODAY, "hf:HuggingFaceTB/SmolVLM-Instruct"),
    ReadyModel("OpenAI moderation", _GUARD, "moderation:omni-moderation-latest", _OPENAI),
    ReadyModel("Llama Guard 3 Vision", _GUARD, "hf:meta-llama/Llama-Guard-3-11B-Vision", None, "a licence to accept"),
    ReadyModel("Llama Guard 4", _GUARD, "hf:meta-llama/Llama-Guard-4-12B", None, "a licence to accept"),
    ReadyModel("ShieldGemma 2", _GUARD, "hf:google/shieldgemma-2-4b-it", None, "a licence; judges pictures alone"),
    ReadyModel("LLM Guard", _GUARD, "rival:llm-guard", None, "--rival-python; judges texts alone"),
    ReadyModel("NeMo Guardrails", _GUARD, "rival:nemo-guardrails:gpt-4.1", _OPENAI, "--rival-python"),
)
