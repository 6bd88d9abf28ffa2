"""LoRA adapters of a model, as `guard train vrtuning` and peft write them: small weights over a base that they name."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guard.errors import UsageError
from guard.mllm.pinning import Pinned, fetch_weights, pin

CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "card.json"


@dataclass(frozen=True, slots=True)
class Adapter:
    """The files of an adapter, and those of the model that it was trained over."""

    folder: Path
    base: Pinned


def find_adapter(pinned: Pinned) -> Adapter | None:
    """Return the adapter that a folder holds; None where it holds a whole model.

    Raises:
        UsageError: it is no LoRA adapter in safetensors, or its base is not there or is not what it was.
    """
    path = pinned.folder / CONFIG
    if (pinned.folder / "config.json").is_file() or not path.is_file():
        return None
    fetch_weights(pinned)
    settings = json.loads(path.read_text(encoding="utf-8"))
    name, revision = settings.get("base_model_name_or_path"), settings.get("revision")
    if settings.get("peft_type") != "LORA" or not name or not (pinned.folder / WEIGHTS).is_file():
        raise UsageError(f"{pinned.name}: neither a whole model nor a LoRA adapter in safetensors")
    try:
        base = pin(name, None if Path(name).is_dir() else revision)
    except UsageError as error:
        raise UsageError(f"{pinned.name}: the model that it adapts cannot be had: {error}") from error
    _require_same(pinned, base)
    return Adapter(pinned.folder, base)


def with_adapter(model: Any, adapter: Adapter) -> Any:
    """Return a model with an adapter merged into its weights: what it costs to ask is what the base costs.

    Raises:
        UsageError: peft is not installed.
    """
    try:
        from peft import PeftModel
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed: pip install 'mllm-guard[vlm]'") from error
    return PeftModel.from_pretrained(model, adapter.folder).merge_and_unload(safe_merge=True)


def _require_same(pinned: Pinned, base: Pinned) -> None:
    """Raise UsageError where a card names other files of the base: over these, the adapter means nothing."""
    card = pinned.folder / CARD
    if not card.is_file():
        return
    trained_over = json.loads(card.read_text(encoding="utf-8"))["run"]["base_revision"]
    if trained_over != base.revision:
        raise UsageError(
            f"{pinned.name}: made over {trained_over[:12]} of {base.name}, which is now {base.revision[:12]}"
        )
