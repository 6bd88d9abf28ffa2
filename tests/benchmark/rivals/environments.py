"""Environments with packages of the rivals' interface that judge by a word, and print what they should not."""

import sysconfig
import venv
from pathlib import Path

_SCANNERS = """
import os
class _Scanner:
    def __init__(self, *, model=None):
        if model is not None:
            import transformers
            found = transformers.AutoModelForSequenceClassification.from_pretrained(model.path)
            transformers.AutoTokenizer.from_pretrained(model.path)
            assert type(found).__name__.startswith(self.kind)
            assert set(found.config.id2label.values()) == self.labels
        elif os.environ.get("HF_HUB_OFFLINE"):
            raise OSError("We couldn't connect to huggingface.co: secret-of-the-message")
    def scan(self, prompt):
        print("scanned:", prompt)
        if "crash" in prompt:
            raise RuntimeError(prompt)
        if "die" in prompt:
            os._exit(3)
        return prompt, "bomb" not in prompt, -1.0
class PromptInjection(_Scanner):
    kind = "DebertaV2"
    labels = {"SAFE", "INJECTION"}
class Toxicity(_Scanner):
    kind = "Roberta"
    labels = {"toxicity", "insult"}
"""
_MODEL = "from types import SimpleNamespace as Model\n"
_SCAN = """
print("hello from the package")
from llm_guard import input_scanners
def scan_prompt(scanners, prompt):
    found = {type(scanner).__name__: scanner.scan(prompt) for scanner in scanners}
    return prompt, {name: valid for name, (_, valid, _) in found.items()}, {}
"""
_RAILS = """
import json, os, urllib.request
from types import SimpleNamespace
from nemoguardrails.rails.llm.options import RailStatus
class RailsConfig:
    @classmethod
    def from_content(cls, *, config):
        return config
class LLMRails:
    def __init__(self, config):
        assert os.environ["NEMO_GUARDRAILS_NO_USAGE_STATS"] == "1"
        self.model, = config["models"]
        assert config["rails"]["input"]["flows"] == ["content safety check input $model=" + self.model["type"]]
    async def check_async(self, messages, rail_types):
        assert rail_types == ["input"]
        parameters = self.model["parameters"]
        body = json.dumps({"model": self.model["model"], "messages": messages}).encode()
        head = {"content-type": "application/json", "authorization": "Bearer " + parameters["api_key"]}
        request = urllib.request.Request(parameters["base_url"] + "/chat/completions", body, head)
        said = json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"]
        return SimpleNamespace(status=RailStatus.BLOCKED if said == "Yes" else RailStatus.PASSED)
"""
_OPTIONS = """
from enum import StrEnum
class RailStatus(StrEnum):
    PASSED = "passed"
    BLOCKED = "blocked"
class RailType(StrEnum):
    INPUT = "input"
"""


def make_environment(folder: Path, *, llm_guard: bool = False, nemo: bool = False, torch: bool = False) -> Path:
    """Make an environment with the packages that are asked for, and return its Python. Torch is this environment's."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    if torch:
        (site / "torch.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    if llm_guard:
        _write(site, "llm_guard", "llm_guard-9.9", {"__init__": _SCAN, "input_scanners": _SCANNERS, "model": _MODEL})
    if nemo:
        parts = {"__init__": _RAILS, "rails/__init__": "", "rails/llm/__init__": "", "rails/llm/options": _OPTIONS}
        _write(site, "nemoguardrails", "nemoguardrails-9.9", parts)
    return folder / "bin" / "python"


def _write(site: Path, package: str, release: str, modules: dict[str, str]) -> None:
    for name, source in modules.items():
        file = site / package / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    info = site / f"{release}.dist-info"
    info.mkdir()
    name, _, number = release.rpartition("-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n", encoding="utf-8")
