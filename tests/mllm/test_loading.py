"""Opening local models: which files they consist of, what is never run, and what cannot be opened."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch

from guard.errors import UsageError
from guard.mllm.loading import open_local
from tests.mllm.tiny_folders import make_folder

# transformers' own: it is not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder("llava", tmp_path_factory.mktemp("models") / "llava")


def test_folder_is_known_by_its_files(llava: Path, tmp_path: Path) -> None:
    _, first = open_local(str(llava))
    copy = tmp_path / "elsewhere"
    shutil.copytree(llava, copy)
    _, second = open_local(str(copy))
    assert second.revision == first.revision
    (copy / "chat_template.jinja").write_text("{{ messages[0].content[0].text }}")
    _, third = open_local(str(copy))
    assert third.revision != first.revision


def test_code_that_a_folder_brings_is_not_run(llava: Path, tmp_path: Path) -> None:
    foreign, trace = tmp_path / "foreign", tmp_path / "ran"
    shutil.copytree(llava, foreign)
    (foreign / "modeling_mine.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Mine: pass\n")
    config = json.loads((foreign / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModelForImageTextToText": "modeling_mine.Mine"}}
    (foreign / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="no model of type mine"):
        open_local(str(foreign))
    config["model_type"] = "llava"
    (foreign / "config.json").write_text(json.dumps(config))
    open_local(str(foreign))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("no/such-model", {}, "not in the local cache"),
        ("no such name", {}, "neither a folder nor a Hugging Face id"),
        ("EMPTY", {}, r"no config\.json"),
        ("LLAVA", {"revision": "main"}, "a folder: it has no revisions"),
        ("LLAVA", {"device": "cuda:99"}, "no CUDA device"),
        ("LLAVA", {"device": "gpu"}, "torch knows no such device"),
    ],
)
def test_model_that_cannot_be_opened_is_one_clear_error(
    name: str, options: dict[str, str], why: str, llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if options.get("device") == "cuda:99" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    place = {"EMPTY": str(tmp_path), "LLAVA": str(llava)}.get(name, name)
    with pytest.raises(UsageError, match=why) as caught:
        open_local(place, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["{", "[]", '{"model_type": "llava", "text_config": 3}'])
def test_damaged_folder_is_one_clear_error(damage: str, llava: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(llava, broken)
    (broken / "config.json").write_text(damage)
    with pytest.raises(UsageError, match="broken: "):
        open_local(str(broken))


def test_model_in_the_cache_is_used_at_its_commit_without_a_network(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    place = tmp_path / "models--own--tiny"
    shutil.copytree(llava, place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    for revision in (None, commit):
        _, pinned = open_local("own/tiny", revision=revision)
        assert (pinned.name, pinned.revision) == ("own/tiny", commit)
    with pytest.raises(UsageError, match="not in the local cache"):
        open_local("own/tiny", revision="f" * 40)


def test_weights_of_a_repository_are_fetched_last(llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = tmp_path / "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(llava, hub)
    config = json.loads((hub / "config.json").read_text())
    (hub / "config.json").write_text(json.dumps(config | {"model_type": "nothing_that_is_known"}))
    asked: list[tuple[str | None, list[str]]] = []

    def fetch(_name: str, *, revision: str | None, allow_patterns: list[str], **_more: object) -> str:
        asked.append((revision, allow_patterns))
        return str(hub)

    monkeypatch.setattr("guard.mllm.pinning.snapshot_download", fetch)
    with pytest.raises(UsageError, match="no model of type"):
        open_local("own/tiny", revision="main")
    assert [("*.safetensors" in files) for _, files in asked] == [False]
    (hub / "config.json").write_text(json.dumps(config))
    asked.clear()
    open_local("own/tiny", revision="main")
    assert asked[-1] == (hub.name, ["*.safetensors"])
