"""The finished parts of a run, as they are exported."""

from dataclasses import dataclass
from pathlib import Path

from guard.manifest import ImageSpec
from guard.train.backbone import Backbone
from guard.train.dual import load_eyes
from guard.train.graphs import VisionGraph
from guard.train.labels import load_labels
from guard.train.text_tower import Judge, load_text


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """The parts, in evaluation mode on the CPU, and the bare name of each output of naming."""

    judge: Judge
    vision: VisionGraph
    names: tuple[str, ...]
    spec: ImageSpec
    label: str  # of the bundle


def load_finished(checkpoint: Path, backbone: Backbone) -> Finished:
    """Return the parts of a run. Raises UsageError where one is not finished."""
    naming = load_labels(checkpoint / "vision")
    eyes = load_eyes(checkpoint / "vision", backbone)
    vision = VisionGraph(eyes.tower, naming.labels.anchors, naming.sharpness)
    judge = load_text(backbone, checkpoint / "text")
    return Finished(judge.eval(), vision.eval(), naming.labels.names, eyes.spec, eyes.label)
