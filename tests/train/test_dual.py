"""A dual encoder in the place of the vision tower: seen as by its own processor, the same in ONNX, fitted and kept."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, CLIPImageProcessorPil, SiglipImageProcessorPil

from guard.core.image import frame_tensor
from guard.errors import UsageError
from guard.train.checkpoint import load_json, save_json
from guard.train.dual import Eyes, describe, draw_signs, fit_dual, image_spec, load_eyes
from guard.train.dual_tower import DualEncoder, load_dual
from guard.train.graphs import VisionGraph, store_half, write_vision
from guard.train.hub import Backbones, find_backbone, sort_backbones
from guard.train.images import SPEC, Gallery, read_pictures
from guard.train.labels import load_labels
from guard.train.loop import Budget
from guard.train.vision_tower import pixel_tensor
from guard.types import Frame
from tests.train.tiny_backbones import KINDS, PATCH, SIZE, Kind, make_dual, make_reader
from tests.train.tiny_data import SHAPES, write_tiny_data

PHRASES = ("a photo of a dog", "a photo of a pizza", "a photo of a handgun")


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


@pytest.fixture(scope="module")
def folder(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dual(tmp_path_factory.mktemp("dual") / kind, kind)


@pytest.fixture(scope="module")
def dual(folder: Path) -> DualEncoder:
    return load_dual(str(folder))


@pytest.fixture(scope="module")
def gallery(dual: DualEncoder, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    data = write_tiny_data(tmp_path_factory.mktemp("data") / "data")
    return Gallery(tuple(read_pictures(data)), dual.spec)


def _pictures(count: int, side: int = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3)).astype(np.uint8)


def test_a_picture_has_the_features_that_its_own_processor_and_model_give_it(dual: DualEncoder, folder: Path) -> None:
    pixels = _pictures(3)
    processor, model = AutoImageProcessor.from_pretrained(str(folder)), AutoModel.from_pretrained(str(folder)).eval()
    prepared = processor([Image.fromarray(picture) for picture in pixels], return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_image_features(**prepared).pooler_output
        embedding, _ = dual.tower(pixel_tensor(pixels, dual.spec))

    assert torch.abs(embedding - torch.nn.functional.normalize(expected, dim=1)).max() < 1e-5
    assert dual.sharpness == pytest.approx(float(model.logit_scale.detach().exp()))


def test_serving_prepares_pictures_as_the_features_were_computed(dual: DualEncoder) -> None:
    (pixels,) = _pictures(1)

    served = frame_tensor(Frame(pixels=pixels, digest="d"), dual.spec)

    assert np.abs(pixel_tensor(pixels[None], dual.spec)[0].numpy() - served).max() < 1e-5


def test_phrases_lie_where_the_text_tower_puts_them_whatever_their_neighbours(dual: DualEncoder) -> None:
    together, alone = dual.embed(PHRASES), dual.embed(PHRASES[1:2])

    assert np.abs(together[1] - alone[0]).max() < 1e-5
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.abs(together[0] - together[2]).max() > 1e-3


@pytest.fixture(scope="module")
def graph(dual: DualEncoder) -> VisionGraph:
    torch.manual_seed(1)
    torch.nn.init.normal_(dual.tower.writing.weight)
    graph = VisionGraph(dual.tower, dual.embed(PHRASES), dual.sharpness)
    graph.eval()
    return graph


@pytest.fixture(scope="module")
def written(graph: VisionGraph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "vision.onnx"
    write_vision(graph, SIZE, path)
    return path


def _seen(path: Path, pixels: Any) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run(None, {"pixels": pixels.contiguous().numpy()})
    return found


@pytest.mark.training
@pytest.mark.parametrize("count", [1, 5])
def test_the_graph_says_what_pytorch_says_and_half_precision_nearly_so(
    dual: DualEncoder, graph: VisionGraph, written: Path, tmp_path: Path, count: int
) -> None:
    pixels = pixel_tensor(_pictures(count), dual.spec)
    half = tmp_path / "half.onnx"
    shutil.copyfile(written, half)
    store_half(half)
    with torch.inference_mode():
        names, writing = (part.numpy() for part in graph(pixels))

    exact, rough = _seen(written, pixels), _seen(half, pixels)

    assert max(np.abs(exact[0] - names).max(), np.abs(exact[1] - writing).max()) < 1e-4
    assert max(np.abs(rough[0] - names).max(), np.abs(rough[1] - writing).max()) < 3e-2
    assert ((exact[1] > 0) == (writing > 0)).all()
    assert (exact[0].argmax(1) == names.argmax(1)).all()
    assert half.stat().st_size < 0.75 * written.stat().st_size


def test_fitting_stops_on_time_and_goes_on_with_the_features_that_are_kept(
    dual: DualEncoder, gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = draw_signs(gallery, ["a sign", "another"], ["held out"], count=30, seed=0)

    assert not fit_dual(dual, gallery, signs, tmp_path, budget=Budget.of_minutes(0, quiet=True))
    assert not (tmp_path / "vision.json").exists()
    assert fit_dual(dual, gallery, signs, tmp_path, budget=Budget(quiet=True))
    bias = dual.tower.writing.bias.clone()
    monkeypatch.setattr("guard.train.dual._Features._look", lambda *_: pytest.fail("looked at again"))
    assert fit_dual(dual, gallery, signs, tmp_path, budget=Budget(quiet=True))

    assert torch.equal(dual.tower.writing.bias, bias)
    assert image_spec(tmp_path) == dual.spec
    assert load_labels(tmp_path).sharpness == dual.sharpness
    assert set(load_labels(tmp_path).labels.labels) == {label for label, _ in SHAPES} | {"page"}
    assert {"naming", "hazards", "writing", "parameters"} == set(load_json(tmp_path / "figures.json"))


def test_the_writing_head_tells_the_pages_that_it_was_taught_with(
    dual: DualEncoder, gallery: Gallery, tmp_path: Path
) -> None:
    signs = draw_signs(gallery, ["a sign"], ["held out"], count=10, seed=0)
    fit_dual(dual, gallery, signs, tmp_path, budget=Budget(quiet=True))
    rows = [row for row, picture in enumerate(gallery.pictures) if not picture.is_held_out]
    eyes: Eyes = load_eyes(tmp_path, _no_backbone())

    with torch.inference_mode():
        _, writing = eyes.tower(pixel_tensor(gallery[rows], dual.spec))

    shown = np.array([bool(gallery.pictures[row].written) for row in rows])
    pages, photos = writing.numpy()[shown], writing.numpy()[~shown]
    assert np.mean(pages[:, None] > photos) > 0.9
    assert (eyes.label, eyes.spec) == (Path(dual.name).name, dual.spec)


def test_another_encoder_under_the_same_name_is_refused_at_export(tmp_path: Path) -> None:
    fitted = load_dual(str(make_dual(tmp_path / "dual", "clip")))
    save_json(tmp_path / "run" / "vision.json", describe(fitted))
    model = AutoModel.from_pretrained(fitted.name)
    torch.nn.init.constant_(model.logit_scale, 1)
    model.save_pretrained(fitted.name)

    with pytest.raises(UsageError, match="are not those of the run"):
        load_eyes(tmp_path / "run", _no_backbone())


def _no_backbone() -> Any:
    return None


def test_a_backbone_does_what_it_is_fit_for(tmp_path: Path) -> None:
    reader, sees = str(make_reader(tmp_path / "reader")), str(make_dual(tmp_path / "dual", "clip"))

    assert sort_backbones([]) == Backbones("minilm", None)
    assert sort_backbones([sees]) == Backbones("minilm", sees)
    assert sort_backbones([sees, reader]) == Backbones(reader, sees)
    with pytest.raises(UsageError, match="all see pictures; one can"):
        sort_backbones([sees, sees])


def test_a_name_is_looked_for_on_hugging_face_and_its_absence_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(name: str, **_: object) -> str:
        if name == "owner/model":
            return str(tmp_path)
        raise ConnectionError("a long story")

    monkeypatch.setattr("guard.train.hub.snapshot_download", offline)

    assert find_backbone("owner/model") == tmp_path
    with pytest.raises(
        UsageError, match=r"^backbone 'owner/other': not fetched from Hugging Face \(ConnectionError\)$"
    ):
        find_backbone("owner/other")
    with pytest.raises(UsageError, match="no such folder"):
        find_backbone("./nowhere/at/all")


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        (SiglipImageProcessorPil(size={"height": 32, "width": 48}), "sides of 32, 48 pixels"),
        (SiglipImageProcessorPil(size={"height": 64, "width": 64}), "sides of 32, 64 pixels"),
        (SiglipImageProcessorPil(size={"height": 32, "width": 32}, resample=0), "resample 0"),
        (SiglipImageProcessorPil(size={"height": 32, "width": 32}, rescale_factor=1.0), r"not brought to \[0, 1\]"),
        (
            CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 36}),
            "sides of 32, 36 pixels",
        ),
    ],
)
def test_preparation_that_a_bundle_cannot_describe_is_refused_in_one_line(
    processor: Any, message: str, tmp_path: Path
) -> None:
    folder = make_dual(tmp_path, "siglip", processor=processor)

    with pytest.raises(UsageError, match=message):
        load_dual(str(folder))


def test_what_is_no_dual_encoder_or_lacks_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bert is none of siglip"):
        load_dual(str(make_reader(tmp_path / "reader")))
    folder = make_dual(tmp_path / "dual", "clip")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"needs tokenizer\.json"):
        load_dual(str(folder))


def test_the_own_tower_keeps_its_own_preparation(tmp_path: Path) -> None:
    (tmp_path / "vision.json").write_text('{"hazards": 3, "size": 112, "epochs": 1}')

    assert image_spec(tmp_path) == SPEC
    assert SIZE % PATCH == 0
