"""From the words of a command line to a target that is ready to judge."""

from dataclasses import fields, replace
from urllib.parse import urlsplit

from benchmark.constant import ALWAYS, ConstantTarget
from benchmark.judgement import Target
from benchmark.mllm.asking import Asker, Asking
from benchmark.targets import GuardTarget, HttpTarget
from guard.errors import UsageError
from guard.mllm.questions import Mitigation, Style

KINDS = "embedded, bundle:DIR, http:URL, litellm:MODEL, hf:MODEL, moderation:MODEL, rival:NAME, control:NAME"
ASKED = ("litellm", "hf", "moderation", "rival")  # models that are asked in words, or over somebody else's API


async def open_target(spec: str, *, policy: str | None = None, asking: Asking | None = None) -> Target:
    """Return the target that a command line names.

    Args:
        spec: "embedded"; "bundle:DIR"; "http:URL" of a running Guard; "litellm:MODEL" as litellm names it; "hf:MODEL",
            a Hugging Face id or a folder; "moderation:MODEL"; "rival:llm-guard"; "rival:nemo-guardrails:MODEL";
            "control:always_block|always_allow".
        policy: operating point of the bundle; None takes the default. A Guard over HTTP has its own.
        asking: how a model is asked; None takes the defaults.

    Raises:
        UsageError: unknown, nothing answers at the URL, a key or package is missing, or an option does not fit.
        BundleInvalid, ConfigInvalid: the bundle is damaged, or has no such operating point.
    """
    kind, _, rest = spec.partition(":")
    if kind not in {"embedded", "bundle"} and policy is not None:
        raise UsageError(f"target {spec}: a policy can only be chosen for a bundle")
    if kind in ASKED and rest:
        return await _open_model(spec, kind, rest, asking or Asking())
    if asking is not None and (named := _set_options(asking)):
        raise UsageError(f"target {spec}: {named} is for models that are asked ({', '.join(ASKED)})")
    match kind, rest:
        case ("embedded", "") | ("bundle", _) if kind == "embedded" or rest:
            return await GuardTarget.open(spec, policy)
        case "http", _ if rest.removeprefix("//"):
            return await _open_guard(spec if rest.startswith("//") else rest)
        case "https", _ if rest.removeprefix("//"):
            return await _open_guard(spec)
        case "control", name if name in ALWAYS:
            return ConstantTarget(name)
    raise UsageError(f"target {spec}: not one of {KINDS} (controls: {', '.join(ALWAYS)})")


async def _open_guard(address: str) -> Target:
    _require_no_secret("the target", address)
    return await HttpTarget.open(address)


def _set_options(asking: Asking) -> str:
    """Return the options that are not at their defaults, in words."""
    standard = Asking()
    names = [field.name for field in fields(Asking) if field.name != "cache"]
    return ", ".join(name for name in names if getattr(asking, name) != getattr(standard, name))


async def _open_model(spec: str, kind: str, model: str, asking: Asking) -> Target:
    if kind in {"moderation", "rival"} and asking.mitigation is not Mitigation.NONE:
        raise UsageError(f"target {spec}: it is not asked in words; no mitigation applies")
    if kind != "rival" and asking.python is not None:
        raise UsageError(f"target {spec}: another environment's Python is for rivals (rival:NAME)")
    if kind != "hf" and asking.mitigation is Mitigation.VCD:
        raise UsageError(f"target {spec}: visual contrastive decoding needs the model's own logits (hf:MODEL)")
    if asking.api_base is not None:
        _require_no_secret("--api-base", asking.api_base)
    # Imported where it is asked for: litellm and transformers take seconds to load, and may not be installed.
    from benchmark.mllm.target import MllmTarget

    asker: Asker
    try:
        match kind:
            case "litellm":
                from benchmark.mllm.through_litellm import LitellmAsker

                asker = LitellmAsker(model, asking)
            case "hf":
                from benchmark.mllm.through_transformers import LocalAsker

                # A thread cannot be called back: asked again, the model would answer two questions at once.
                asking = replace(asking, timeout_s=None, attempts=1)
                asker = LocalAsker(model, asking)
            case "rival":
                from benchmark.rivals.asker import RivalAsker

                asker = await RivalAsker.open(model, asking)
            case _:
                from benchmark.mllm.moderation import ModerationAsker

                asker = ModerationAsker(model, asking)
    except ModuleNotFoundError as error:
        extra = "vlm" if kind == "hf" else "litellm"
        raise UsageError(
            f"target {spec}: {error.name} is not installed; install the extra: pip install 'mllm-guard[{extra}]'"
        ) from error
    if asker.style is Style.GUARD and asking.mitigation is not Mitigation.NONE:
        await asker.close()
        raise UsageError(f"target {spec}: it brings its own question and gets the pair alone; no mitigation applies")
    return MllmTarget(spec, asker, asking)


def _require_no_secret(what: str, address: str) -> None:
    """Raise UsageError where an address holds what must not stand in reports: it is part of a run's header."""
    parts = urlsplit(address)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(f"{what} is an address alone: no login, query or fragment, which would stand in reports")
