"""Visual contrastive decoding: the same tokens as two whole passes a token, on four architectures."""

import math
from typing import Any

import pytest
import torch

from guard.mllm.contrast import Contrast, ContrastiveDecoding, contrasted, drowned
from tests.mllm.tiny_models import MAKERS, VOCABULARY, WORDS, TinyModel, make_tiny_model

TOKENS = 12
STRONG = Contrast(alpha=3, beta=0.05)


@pytest.fixture(scope="module", params=sorted(MAKERS))
def tiny(request: pytest.FixtureRequest) -> TinyModel:
    return make_tiny_model(request.param)


def _generate(tiny: TinyModel, *processors: Any, **more: Any) -> Any:
    return tiny.model.generate(
        **tiny.inputs,
        **{"max_new_tokens": TOKENS, "do_sample": False, "eos_token_id": None, **more},
        suppress_tokens=list(range(WORDS, VOCABULARY)),  # a word, never a place for a picture
        logits_processor=list(processors),
        return_dict_in_generate=True,
        output_scores=True,
    )


def _by_two_whole_passes(tiny: TinyModel, contrast: Contrast) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens (1, length) and logits (length, vocabulary) without any cache: the prompt anew for each token."""
    inputs, ids = tiny.inputs, tiny.inputs["input_ids"]
    noisy = drowned(inputs["pixel_values"], contrast)
    rows = []
    for extra in range(TOKENS):
        shaped = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if "mm_token_type_ids" in inputs:
            shaped["mm_token_type_ids"] = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, extra))
        if "cross_attention_mask" in inputs:
            mask = inputs["cross_attention_mask"]
            shaped["cross_attention_mask"] = torch.cat([mask, mask[:, -1:].expand(-1, extra, -1, -1)], dim=1)
        with torch.no_grad():
            clear = tiny.model(**shaped, use_cache=False).logits[:, -1]
            blurred = tiny.model(**{**shaped, "pixel_values": noisy}, use_cache=False).logits[:, -1]
        clear[:, WORDS:] = -math.inf
        mixed = contrasted(clear, blurred, contrast)
        rows.append(mixed)
        ids = torch.cat([ids, mixed.argmax(dim=-1, keepdim=True)], dim=1)
    return ids, torch.cat(rows)


@pytest.mark.parametrize("contrast", [STRONG, Contrast(beta=0), Contrast(alpha=0.5, beta=1, noise_step=999, seed=3)])
def test_tokens_and_logits_are_those_of_two_whole_passes_a_token(tiny: TinyModel, contrast: Contrast) -> None:
    ids, logits = _by_two_whole_passes(tiny, contrast)

    found = _generate(tiny, ContrastiveDecoding(tiny.model, tiny.inputs, contrast))

    assert found.sequences.tolist() == ids.tolist()
    torch.testing.assert_close(torch.cat(found.scores), logits, rtol=0, atol=1e-5)


def test_what_is_said_anyway_is_said_less(tiny: TinyModel) -> None:
    plain = _generate(tiny)

    found = _generate(tiny, ContrastiveDecoding(tiny.model, tiny.inputs, STRONG))

    assert not torch.equal(torch.cat(found.scores), torch.cat(plain.scores))


@pytest.mark.parametrize("sampled", [False, True])
def test_alpha_zero_is_plain_decoding(tiny: TinyModel, sampled: bool) -> None:
    torch.manual_seed(1)
    plain = _generate(tiny, do_sample=sampled)
    torch.manual_seed(1)

    found = _generate(tiny, ContrastiveDecoding(tiny.model, tiny.inputs, Contrast(alpha=0)), do_sample=sampled)

    assert found.sequences.tolist() == plain.sequences.tolist()
    torch.testing.assert_close(torch.cat(found.scores), torch.cat(plain.scores), rtol=0, atol=0)


def test_a_picture_held_against_itself_changes_no_greedy_token(
    tiny: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.mllm.contrast.drowned", lambda pixels, contrast: pixels)

    found = _generate(tiny, ContrastiveDecoding(tiny.model, tiny.inputs, STRONG))

    assert found.sequences.tolist() == _generate(tiny).sequences.tolist()


def test_the_noisy_pass_takes_one_token_a_step() -> None:
    tiny = make_tiny_model("llava")
    lengths: list[int] = []
    hook = tiny.model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )

    _generate(tiny, ContrastiveDecoding(tiny.model, tiny.inputs, STRONG))
    hook.remove()

    prompt = tiny.inputs["input_ids"].shape[1]
    assert lengths == [prompt, prompt] + [1, 1] * (TOKENS - 1)


def test_rows_of_a_batch_are_as_each_alone() -> None:
    tiny = make_tiny_model("llava")
    other = {**tiny.inputs, "input_ids": tiny.inputs["input_ids"].clone(), "pixel_values": torch.randn(1, 3, 16, 16)}
    other["input_ids"][0, -1] = 9
    both = TinyModel(tiny.model, {name: torch.cat([tiny.inputs[name], other[name]]) for name in tiny.inputs})
    # One picture's noise is drawn for each row of a batch: without any in between they can be compared.
    contrast = Contrast(alpha=3, beta=0.05, noise_step=0)

    found = _generate(both, ContrastiveDecoding(both.model, both.inputs, contrast))

    rows = [TinyModel(tiny.model, inputs) for inputs in (tiny.inputs, other)]
    alone = [_generate(row, ContrastiveDecoding(row.model, row.inputs, contrast)).sequences[0] for row in rows]
    assert found.sequences.tolist() == torch.stack(alone).tolist()


def test_beams_and_a_second_call_are_refused() -> None:
    tiny = make_tiny_model("llava")
    processor = ContrastiveDecoding(tiny.model, tiny.inputs, STRONG)
    _generate(tiny, processor)

    with pytest.raises(ValueError, match="token by token"):
        _generate(tiny, processor)
    with pytest.raises(ValueError, match="token by token"):
        _generate(tiny, ContrastiveDecoding(tiny.model, tiny.inputs, STRONG), num_beams=2)


def test_a_prompt_without_a_picture_is_refused() -> None:
    tiny = make_tiny_model("llava")
    inputs = {name: value for name, value in tiny.inputs.items() if name != "pixel_values"}

    with pytest.raises(ValueError, match="needs a picture"):
        ContrastiveDecoding(tiny.model, inputs)


def test_noise_drowns_a_picture_step_by_step_as_the_schedule_says() -> None:
    pixels = torch.ones(200, 500)

    found = {step: drowned(pixels, Contrast(noise_step=step)) for step in (0, 500, 999)}

    # The product of 1 - variance, summed by hand from the schedule: what is left of the picture.
    kept = {
        step: math.exp(
            sum(math.log1p(-(1e-5 + (5e-3 - 1e-5) / (1 + math.exp(6 - 12 * at / 999)))) for at in range(step + 1))
        )
        for step in found
    }
    for step, values in found.items():
        assert float(values.mean()) == pytest.approx(math.sqrt(kept[step]), abs=0.01)
        assert float(values.std()) == pytest.approx(math.sqrt(1 - kept[step]), abs=0.01)
    assert torch.equal(found[500], drowned(pixels, Contrast()))
    assert not torch.equal(found[500], drowned(pixels, Contrast(seed=1)))
    assert drowned(pixels.to(torch.bfloat16), Contrast()).dtype == torch.bfloat16


def test_only_plausible_tokens_are_left() -> None:
    clear = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
    noisy = torch.zeros(1, 4)

    found = contrasted(clear, noisy, Contrast(alpha=1, beta=0.3))

    assert torch.isfinite(found).tolist() == [[True, True, True, False]]
    torch.testing.assert_close(found[:, :3], 2 * clear[:, :3])


def test_what_the_model_rules_out_stays_ruled_out() -> None:
    clear, noisy = torch.tensor([[2.0, -math.inf, 1.0]]), torch.tensor([[1.0, -math.inf, 1.0]])
    found = contrasted(clear, noisy, Contrast(alpha=1, beta=0))
    assert found.tolist() == [[3.0, -math.inf, 1.0]]


@pytest.mark.parametrize(
    "wrong", [{"alpha": -1}, {"alpha": math.nan}, {"alpha": math.inf}, {"beta": 1.1}, {"noise_step": 1000}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Contrast(**wrong)
