"""Tuning an MLLM on traces: what bears loss, stopping and going on, the adapter in use, and what it is worth."""

import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from guard import cli
from guard.errors import UsageError
from guard.mllm.loading import Parts, open_local, open_parts
from guard.mllm.local import LocalMllm
from guard.mllm.preparing import prepare, read_pictures
from guard.mllm.questions import Question
from guard.train.loop import Budget
from guard.train.traces import Trace
from guard.train.vrtuning import Tuning, _with_lora, lora_targets, tune
from guard.train.vrtuning_examples import IGNORED, Example, Lesson, loss_of, make_example, placed, together
from tests.mllm.tiny_folders import MAKERS, make_folder
from tests.pictures import solid
from tests.train.tiny_world import all_pairs, make_tiny_llava, write_world
from tests.train.vrtuning_trial import LESSONS, held_out_accuracy

# transformers' and peft's own: they are not Guard's to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

SHORT = Tuning(epochs=2, rate=5e-3, rank=4, batch=8, dropout=0.1)


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llava(tmp_path_factory.mktemp("models") / "llava")


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world") / "taught", all_pairs(held_out=False), each=1, seed=1)


@pytest.fixture(scope="module")
def tuned(llava: Path, traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tuned"
    assert tune(str(llava), traces, out, SHORT, Budget(quiet=True))
    return out


def _traces(folder: Path) -> list[Trace]:
    rows = []
    for number, (colour, reasoning) in enumerate((("red", "It is red."), ("blue", "It is blue, and safe to taste."))):
        path = folder / f"{colour}.png"
        path.write_bytes(solid(colour))
        rows.append(Trace(f"line {number}", path, "taste it " * (number + 1), reasoning, "No"))
    return rows


def _example(parts: Parts, trace: Trace, lesson: Lesson | None = None) -> Example:
    """Return an example as training takes it: in the model's own type."""
    made = make_example(parts.processor, trace, Lesson() if lesson is None else lesson, longest=None)
    return placed(made, "cpu", torch.float32)


@pytest.mark.parametrize("architecture", sorted(MAKERS))
def test_loss_lies_on_reasoning_and_answer_alone(architecture: str, tmp_path: Path) -> None:
    parts = open_parts(str(make_folder(architecture, tmp_path / "model")))
    trace = _traces(tmp_path)[0]
    example = _example(parts, trace)
    asked = prepare(parts.processor, Question(trace.prompt), read_pictures([trace.picture.read_bytes()]))
    length = asked["input_ids"].shape[1]
    seen: list[torch.Tensor] = []

    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        output.logits.retain_grad()
        seen.append(output.logits)

    with_hook = parts.model.register_forward_hook(keep)
    loss, count = loss_of(parts.model, example)
    with_hook.remove()
    loss.backward()

    assert torch.equal(example.inputs["input_ids"][:, :length], asked["input_ids"])  # as it is asked in use
    assert (example.labels[:, :length] == IGNORED).all()
    assert torch.equal(example.labels[:, length:], example.inputs["input_ids"][:, length:])
    assert parts.processor.tokenizer.decode(example.labels[0, length:-1]) == "<think>It is red.</think>\nNo"
    assert example.labels[0, -1] == parts.processor.tokenizer.eos_token_id
    bears = seen[0].grad[0].abs().sum(dim=-1) > 0  # of each place, what is said next
    assert bears.nonzero().flatten().tolist() == list(range(length - 1, example.labels.shape[1] - 1))
    assert count == example.labels.shape[1] - length


@pytest.mark.parametrize("architecture", sorted(MAKERS))
def test_rows_of_a_batch_lose_what_each_loses_alone(architecture: str, tmp_path: Path) -> None:
    parts = open_parts(str(make_folder(architecture, tmp_path / "model")))
    rows = [_example(parts, trace) for trace in _traces(tmp_path)]

    def total(batches: list[Example]) -> float:
        with torch.no_grad():
            return sum(float(loss_of(parts.model.eval(), batch)[0]) for batch in batches)

    assert total(together(rows, padding=3)) == pytest.approx(total(rows), abs=1e-3)


def test_rows_of_one_shape_go_together(llava: Path, tmp_path: Path) -> None:
    parts = open_parts(str(llava))
    rows = [_example(parts, trace) for trace in _traces(tmp_path)]
    blind = [_example(parts, trace, Lesson(pictures=False)) for trace in _traces(tmp_path)]

    assert [len(batch.labels) for batch in together(rows, padding=3)] == [2]
    assert [len(batch.labels) for batch in together([*rows, *blind], padding=3)] == [2, 2]
    assert "pixel_values" not in blind[0].inputs


def test_a_trace_longer_than_the_model_reads_is_named(llava: Path, tmp_path: Path) -> None:
    parts = open_parts(str(llava))
    with pytest.raises(UsageError, match=r"line 1: .* tokens, this model reads 20"):
        make_example(parts.processor, _traces(tmp_path)[1], Lesson(), longest=20)


@pytest.mark.parametrize("architecture", sorted(MAKERS))
def test_lora_leaves_the_eye_and_the_last_layer_alone(architecture: str, tmp_path: Path) -> None:
    model = open_parts(str(make_folder(architecture, tmp_path / "model"))).model
    targets = lora_targets(model)
    assert any(name.endswith("q_proj") and "vision" not in name for name in targets)
    assert not any("visual." in name or "vision_tower" in name or name.endswith("lm_head") for name in targets)
    assert not any(name.endswith("router") for name in targets)


@pytest.mark.parametrize("architecture", sorted(MAKERS))
def test_what_saves_memory_on_a_gpu_changes_no_gradient(architecture: str, tmp_path: Path) -> None:
    folder = str(make_folder(architecture, tmp_path / "model"))
    trace = _traces(tmp_path)[0]
    found = []
    for device in ("cpu", "cuda"):  # only what is said of the device: both compute here
        parts = open_parts(folder)
        model = _with_lora(parts, replace(SHORT, dropout=0.0), device).train()
        loss_of(model, _example(parts, trace))[0].backward()
        found.append({name: part.grad for name, part in model.named_parameters() if part.requires_grad})
    assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in found[0].values())
    torch.testing.assert_close(found[1], found[0])


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(
    llava: Path, traces: Path, tuned: Path, tmp_path: Path
) -> None:
    out = tmp_path / "stopped"
    assert not tune(str(llava), traces, out, SHORT, Budget(deadline=time.monotonic(), quiet=True))
    assert not (out / "adapter_config.json").exists()
    with pytest.raises(UsageError, match=r"no config\.json"):
        open_local(str(out))

    assert tune(str(llava), traces, out, SHORT, Budget(quiet=True))

    whole, parted = (load_file(folder / "adapter_model.safetensors") for folder in (tuned, out))
    assert whole.keys() == parted.keys()
    assert all(torch.equal(whole[name], parted[name]) for name in whole)
    assert any(value.abs().sum() > 0 for name, value in whole.items() if "lora_B" in name)
    assert (tuned / "card.json").read_text() == (out / "card.json").read_text()
    before = (out / "adapter_model.safetensors").read_bytes()
    assert tune(str(llava), traces, out, SHORT, Budget(quiet=True))  # finished: nothing more to do
    assert (out / "adapter_model.safetensors").read_bytes() == before


def test_state_holds_what_is_trained_and_not_the_model(llava: Path, tuned: Path) -> None:
    module = torch.load(tuned / "state.pt", weights_only=True)["module"]
    assert module
    assert all("lora_" in name for name in module)


def test_card_says_what_the_adapter_was_made_from(llava: Path, traces: Path, tuned: Path) -> None:
    card = json.loads((tuned / "card.json").read_text())
    assert card["run"]["base"] == str(llava.resolve())
    assert card["run"]["base_revision"] == open_parts(str(llava)).pinned.revision
    assert card["run"]["traces"] == len(traces.read_text().splitlines())
    assert (card["run"]["rank"], card["run"]["lesson"]) == (4, {"pictures": True, "reasoning": True})
    assert card["steps"] == 6 * 2
    assert card["versions"]["torch"] == torch.__version__


def test_an_opened_adapter_answers_as_peft_does(llava: Path, tuned: Path) -> None:
    from peft import PeftModel

    plain: Any = transformers.AutoModelForImageTextToText.from_pretrained(llava)
    adapted = PeftModel.from_pretrained(plain, tuned).eval()
    model, pinned = open_local(str(tuned))
    assert isinstance(model, LocalMllm)
    question, picture = Question("offer it round"), solid("red")
    inputs = prepare(model._processor, question, read_pictures([picture]))
    with torch.no_grad():
        by_peft, by_guard = (some(**inputs).logits for some in (adapted, model._model))
        bare = open_parts(str(llava)).model.eval()(**inputs).logits

    torch.testing.assert_close(by_guard, by_peft, rtol=0, atol=1e-4)
    assert not torch.allclose(by_guard, bare, atol=1e-2)
    assert pinned.name == "tuned"
    assert pinned.revision.endswith(open_parts(str(llava)).pinned.revision)
    assert model.answer(question, (picture,), max_tokens=4).tokens_out <= 4


def _guard(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["guard", "train", "vrtuning", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--traces": "broken.jsonl"}, "broken.jsonl line 1: not JSON"),
        ({"--traces": "gone.jsonl"}, "gone.jsonl: not readable as JSONL"),
        ({"--model": "gone"}, "gone: not in the local cache"),
        ({"--model": "TUNED"}, "an adapter; name the model that it belongs to"),
        ({"--model": "gemma"}, "no model of type shieldgemma2 that makes text from pictures"),
        ({"--out": "TUNED"}, "is a run with other dropout, epochs, rank: give the same, or another --out"),
        ({"--out": "full"}, "full: neither empty nor a run of this command"),
        ({"--out": "/dev/null/run"}, "/dev/null/run: "),
        ({"--device": "cuda"}, "device cuda: this torch sees no GPU"),
        ({"--rate": "0"}, "--rate 0.0: must be above 0 and below 1"),
        ({"--revision": "main"}, "is a folder: it has no revisions"),
    ],
)
def test_bad_input_is_one_clear_line(
    changed: dict[str, str],
    message: str,
    llava: Path,
    traces: Path,
    tuned: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if changed.get("--device") == "cuda":
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.jsonl").write_text("{")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "gemma").mkdir()
    (tmp_path / "gemma" / "config.json").write_text('{"model_type": "shieldgemma2"}')
    places = {"TUNED": str(tuned)}
    options = {"--model": str(llava), "--traces": str(traces), "--out": "run", "--epochs": "3", "--rate": "0.005"}
    options |= {"--batch": "8"} | {key: places.get(value, value) for key, value in changed.items()}

    code = _guard(monkeypatch, *(word for pair in options.items() for word in pair), "--quiet")

    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.count("\n") == 1


def test_a_model_without_a_layer_for_lora_is_refused(
    llava: Path, traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.train.vrtuning._EYES", ("model",))
    with pytest.raises(UsageError, match="llava: no linear layer outside its vision tower"):
        tune(str(llava), traces, tmp_path / "run", SHORT, Budget(quiet=True))


def test_the_command_trains_and_stops_and_goes_on(
    llava: Path, traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--model", llava, "--traces", traces, "--out", tmp_path / "run", "--epochs", "1")
    assert _guard(monkeypatch, *options, "--time", "0", "--quiet") == 1
    assert "the same command goes on" in capsys.readouterr().err
    assert _guard(monkeypatch, *options) == 0
    assert f"guard benchmark run --target hf:{tmp_path / 'run'}" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["base changed", "base gone", "no LoRA", "no weights", "cut weights", "no JSON"])
def test_an_adapter_that_cannot_be_used_is_one_clear_error(
    damage: str, llava: Path, tuned: Path, tmp_path: Path
) -> None:
    base, out = tmp_path / "base", tmp_path / "adapter"
    shutil.copytree(llava, base)
    shutil.copytree(tuned, out)
    config = json.loads((out / "adapter_config.json").read_text()) | {"base_model_name_or_path": str(base)}
    messages = {
        "base changed": "adapter: made over .* of base, which is now",
        "base gone": "adapter: the model that it adapts cannot be had",
        "no LoRA": "adapter: neither a whole model nor a LoRA adapter in safetensors",
        "no weights": "adapter: neither a whole model nor a LoRA adapter in safetensors",
        "cut weights": "adapter: its files cannot be used",
        "no JSON": "adapter: its files cannot be used",
    }
    if damage == "base changed":
        (base / "chat_template.jinja").write_text("{{ messages[0].content[0].text }}")
    elif damage == "base gone":
        shutil.rmtree(base)
    elif damage == "no LoRA":
        config["peft_type"] = "IA3"
    elif damage == "no weights":
        (out / "adapter_model.safetensors").unlink()
    elif damage == "cut weights":
        (out / "adapter_model.safetensors").write_bytes(b"cut")
    (out / "adapter_config.json").write_text("{" if damage == "no JSON" else json.dumps(config))

    with pytest.raises(UsageError, match=messages[damage]) as caught:
        open_local(str(out))
    assert "\n" not in str(caught.value)


def test_a_loss_beyond_all_numbers_leaves_no_adapter(
    llava: Path, traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(model: Any, batch: Example) -> tuple[torch.Tensor, int]:
        loss, count = loss_of(model, batch)
        return loss * torch.nan, count

    monkeypatch.setattr("guard.train.vrtuning.loss_of", burst)
    with pytest.raises(UsageError, match="the loss is no number from step 1 on: a lower --rate"):
        tune(str(llava), traces, tmp_path / "run", SHORT, Budget(quiet=True))
    assert not (tmp_path / "run" / "adapter_config.json").exists()


def test_a_folder_of_a_model_may_move(llava: Path, traces: Path, tuned: Path, tmp_path: Path) -> None:
    base, out = tmp_path / "moved", tmp_path / "run"
    shutil.copytree(llava, base)
    shutil.copytree(tuned, out)
    assert tune(str(base), traces, out, SHORT, Budget(quiet=True))
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == str(base)


@pytest.mark.training
def test_tuned_on_traces_it_beats_itself_tuned_on_answers_without_pictures(tmp_path: Path) -> None:
    both, blind = "pictures and reasoning", "answers alone, no pictures"
    assert LESSONS[blind] == replace(LESSONS[both], pictures=False, reasoning=False)

    right = {name: held_out_accuracy(tmp_path, name) for name in (both, blind)}

    (seeing, count), (unseeing, _) = right[both], right[blind]
    assert unseeing <= count / 2  # by construction: each saying is as often unsafe as it is safe
    assert seeing >= 0.8 * count  # with four seeds 0.97 and more: rounding that differs between CPUs may cost some
