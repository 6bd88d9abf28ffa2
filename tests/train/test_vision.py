"""The vision tower: preparation, crops, rounds, ranks, the choice of the gate."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from guard.core.image import frame_tensor
from guard.train.backbone import Backbone
from guard.train.checkpoint import read_weights
from guard.train.images import SIZE, SPEC, Picture
from guard.train.labels import Labels
from guard.train.loop import Budget
from guard.train.rounds import ROUNDS, Round
from guard.train.rows import share
from guard.train.vision import _turned, ranks, train_vision, vision_data, zero_shot_classes
from guard.train.vision_figures import MOST_FIRED, MOST_MISSED, best_sharpness, hazard_recall, writing_gate
from guard.train.vision_tower import VisionTower, augmented, look, mixed, pixel_tensor
from guard.types import Frame


def test_training_prepares_pixels_exactly_as_serving_does() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)

    served = frame_tensor(Frame(pixels=pixels, digest="d"), SPEC)

    assert np.abs(pixel_tensor(pixels[None])[0].numpy() - served).max() < 1e-5


def test_embeddings_have_length_one_and_do_not_depend_on_their_batch() -> None:
    tower = VisionTower(32).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3)).astype(np.uint8)

    together, alone = look(tower, pixels), look(tower, pixels[2:3])

    assert np.allclose(np.linalg.norm(together.embedding, axis=1), 1, atol=1e-5)
    assert np.abs(together.embedding[2] - alone.embedding[0]).max() < 1e-5
    assert ((together.writing > 0) & (together.writing < 1)).all()


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        look(VisionTower(8), np.zeros((1, 64, 64, 3), np.uint8))


def test_a_crop_of_everything_keeps_the_picture_as_it_is_up_to_mirror_and_light() -> None:
    torch.manual_seed(0)
    pixels = np.zeros((40, SIZE, SIZE, 3), np.uint8)
    pixels[:, : SIZE // 2] = 255

    crops = augmented(pixels, np.ones(40, np.float32), 64)

    assert crops.shape == (40, 3, 64, 64)
    assert (crops[:, :, :20].mean((1, 2, 3)) > crops[:, :, -20:].mean((1, 2, 3)) + 1).all()


@pytest.mark.parametrize("round_", ROUNDS)
def test_crops_grow_to_the_size_of_serving(round_: Round) -> None:
    sides = [round_.side(progress) for progress in np.linspace(0, 1, 21)]

    assert sides == sorted(sides)
    assert sides[-1] == SIZE


def test_a_rectangle_of_another_picture_takes_the_share_that_is_said() -> None:
    torch.manual_seed(0)
    crops = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 3, 64, 64).contiguous()

    found = [mixed(crops) for _ in range(40)]

    assert 8 <= sum(mix.share == 1 for _, mix in found) <= 32
    for pasted, mix in found:
        for row, other in enumerate(mix.other.tolist()):
            kept = (pasted[row] == row).float().mean().item()
            assert kept == pytest.approx(1.0 if other == row else mix.share, abs=1e-6)
        assert sum(share for share, _ in mix.parts) == pytest.approx(1)
    assert (crops[:, 0, 0, 0] == torch.arange(6.0)).all()


def test_nothing_is_mixed_where_no_share_of_the_time_is_given_to_it() -> None:
    crops = torch.zeros(4, 3, 64, 64)

    assert all(mixed(crops, 0.0)[1].share == 1 for _ in range(50))


def test_only_pictures_that_may_turn_turn_and_only_by_a_quarter() -> None:
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3)).astype(np.uint8)
    before, may_turn = pixels.copy(), np.arange(60) < 40

    turned = _turned(pixels, may_turn)

    changed = (turned != pixels).any((1, 2, 3))
    assert (pixels == before).all()
    assert 4 <= changed[:40].sum() <= 24
    assert not changed[40:].any()
    assert (turned[changed] == np.rot90(pixels[changed], axes=(1, 2))).all()


def _things(count: int) -> tuple[list[Picture], Labels]:
    """Return held-out photographs of four things, two of them weapons, and the labels along four axes."""
    hazards = {"knife": "weapon", "sword": "weapon", "apple": "food", "bread": "food"}
    pictures = [
        Picture(Path("p"), f"a {name}", name, "s", hazards[name], f"{name}{i}", "photo")
        for i in range(count)
        for name in hazards
    ]
    names = sorted(hazards)
    texts = tuple(f"a {name}" for name in names)
    return [picture for picture in pictures if picture.is_held_out], Labels(
        texts, tuple(names), np.eye(4, dtype=np.float32)
    )


def test_names_are_sharp_where_the_tower_is_right_and_blunt_where_it_guesses() -> None:
    pictures, labels = _things(400)
    right = labels.anchors[[labels.labels.index(picture.label) for picture in pictures]]
    guessed = np.random.default_rng(0).permutation(right)

    assert best_sharpness(pictures, right, labels) > best_sharpness(pictures, guessed, labels) == 10
    assert best_sharpness([], right[:0], labels) == 10


def test_a_hazard_is_recalled_by_anything_of_its_kind() -> None:
    pictures, labels = _things(200)
    place = {name: index for index, name in enumerate(labels.labels)}
    taken_for = {"knife": "sword", "sword": "knife", "apple": "apple", "bread": "knife"}
    embedding = labels.anchors[[place[taken_for[picture.label]] for picture in pictures]]

    found = hazard_recall(pictures, embedding, labels, 30.0)

    # The half of the groups that did not choose the sharpness.
    food = [p.label for p in pictures if p.hazard == "food" and share("sharp", p.group) >= 0.5]
    assert 0 < len(food) < sum(picture.hazard == "food" for picture in pictures)
    assert found["weapon"]["recall"][0] == 1
    assert found["food"]["recall"][0] == pytest.approx(food.count("apple") / len(food))
    assert found["food"]["n"] == len(food)
    drawn = [replace(picture, kind="icon") for picture in pictures]
    assert hazard_recall(drawn, embedding, labels, 30.0) == {}


def test_rank_counts_the_classes_that_are_nearer() -> None:
    anchors = np.eye(3, dtype=np.float32)
    embedding = np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]], np.float32)

    assert ranks(embedding, anchors, np.array([0, 2])).tolist() == [0, 2]


def test_zero_shot_classes_are_the_commonest_of_photographs() -> None:
    def pictures(text: str, kind: str, count: int) -> list[Picture]:
        return [Picture(Path("p"), text, text, "s", "other", "g", kind)] * count

    shown = [*pictures("cat", "photo", 3), *pictures("dog", "photo_lowres", 2), *pictures("icon", "icon", 9)]

    assert zero_shot_classes([*shown, *pictures("ant", "photo", 2)], 2) == ("cat", "ant")


def test_the_gate_misses_little_where_writing_is_told_well() -> None:
    written, plain = np.linspace(0.6, 1, 200, dtype=np.float32), np.linspace(0, 0.4, 200, dtype=np.float32)
    groups = [str(i) for i in range(200)]

    found = writing_gate(written, (written, groups), (plain, groups))

    assert found["drawn_missed"]["share"][0] <= MOST_MISSED
    assert found["photos_fired"]["share"][0] == 0


def test_the_gate_bounds_how_many_photographs_fire_where_it_is_told_badly() -> None:
    random = np.random.default_rng(0)
    written, plain = random.uniform(0, 1, 20_000).astype(np.float32), random.uniform(0, 0.9, 20_000).astype(np.float32)
    groups = [str(i) for i in range(20_000)]

    found = writing_gate(written, (written, groups), (plain, groups))

    assert found["photos_fired"]["share"][0] == pytest.approx(MOST_FIRED, abs=0.01)


def test_the_rates_of_the_gate_are_those_of_groups_that_did_not_choose_it() -> None:
    groups = [str(i) for i in range(400)]
    chose = np.array([share("gate", group) < 0.5 for group in groups])
    # Clear where the gate is chosen, lost where it is told: in-sample rates would look perfect.
    written, plain = np.where(chose, 0.9, 0.1).astype(np.float32), np.where(chose, 0.0, 0.95).astype(np.float32)

    found = writing_gate(written, (written, groups), (plain, groups))

    assert found["gate"] == pytest.approx(0.9, abs=1e-4)
    assert [found[name]["share"][0] for name in ("drawn_missed", "typographic_missed", "photos_fired")] == [1, 1, 1]
    assert found["drawn_missed"]["n"] == np.count_nonzero(~chose)


def test_a_round_begins_with_the_weights_that_the_one_before_ended_with(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    nothing = np.zeros((0, SIZE, SIZE, 3), np.uint8)
    pictures = [Picture(tmp_path, name, name, "s", "animal", name, "photo", False) for name in ("cat", "dog")]
    data = vision_data(pictures, random.integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.uint8), nothing, nothing)
    labels = Labels(data.texts, data.texts, np.eye(2, 8, dtype=np.float32))
    backbone = Backbone("none", "digest", None, cast(Tokenizer, None), 8)
    rounds = {"first": Round(2, sides=((1.0, 32),)), "second": Round(1, rate=0.0, sides=((1.0, 32),))}

    def train(name: str, start: Path | None = None) -> dict[str, torch.Tensor]:
        folder, budget = tmp_path / name / str(start is None), Budget(quiet=True)
        train_vision(backbone, labels, data, folder, budget=budget, seed=0, round_=rounds[name], start=start)
        weights = read_weights(folder / "vision.safetensors")
        return {name: value for name, value in weights.items() if name.endswith("weight")}

    first = train("first")
    second = train("second", tmp_path / "first" / "True")
    anew = train("second")

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], anew[name]) for name in first)
