"""The vision tower's parts that need no training: preparation, crops, ranks, the choice of the gate."""

from pathlib import Path

import numpy as np
import pytest
import torch

from guard.core.image import frame_tensor
from guard.train.images import SIZE, SPEC, Picture
from guard.train.vision import ranks, zero_shot_classes
from guard.train.vision_figures import MOST_FIRED, MOST_MISSED, writing_gate
from guard.train.vision_tower import VisionTower, augmented, crop_side, look, pixel_tensor
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


def test_crops_grow_to_the_size_of_serving() -> None:
    sides = [crop_side(progress) for progress in np.linspace(0, 1, 21)]

    assert sides == sorted(sides)
    assert sides[-1] == SIZE


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
    written, plain = random.uniform(0, 1, 400).astype(np.float32), random.uniform(0, 0.9, 400).astype(np.float32)
    groups = [str(i) for i in range(400)]

    found = writing_gate(written, (written, groups), (plain, groups))

    assert found["photos_fired"]["share"][0] == pytest.approx(MOST_FIRED, abs=0.01)
