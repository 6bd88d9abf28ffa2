"""The adapted bundle: new text graphs, thresholds that follow the scores, and a manifest that says what taught it."""

import datetime as dt
from pathlib import Path

from guard.binding import bind
from guard.bundle import Bundle, copy_bundle, write_manifest
from guard.calibration.adaptation.graph import add_head
from guard.calibration.adaptation.head import Head
from guard.calibration.adaptation.outcome import Adaptation
from guard.errors import BundleInvalid
from guard.manifest import AdaptedOn, Manifest, OperatingPoint
from guard.stats.calibrators import to_probability

_TEXT_GRAPHS = ("text.onnx", "text_gpu.onnx")


def write_adapted(
    bundle: Bundle, folder: Path, adaptation: Adaptation, head: Head, *, today: dt.date
) -> tuple[Bundle, tuple[str, ...]]:
    """Write the bundle with another last layer into a new or empty folder; return it, and the graphs it lost.

    Raises:
        BundleInvalid: text.onnx has no layer that can be changed.
        ConfigInvalid: `onnx` is not installed.
    """
    copy_bundle(bundle, folder, manifest=bundle.manifest)
    dropped: list[str] = []
    for name in _TEXT_GRAPHS:
        if name not in bundle.manifest.files:
            continue
        try:
            add_head(folder / name, folder / name, head.weights, head.bias)
        except BundleInvalid:
            if name == "text.onnx":
                raise
            (folder / name).unlink()
            dropped.append(name)
    with (folder / "card.md").open("a", encoding="utf-8") as card:
        card.write(_card(adaptation))
    written = write_manifest(folder, _manifest(bundle.manifest, adaptation, today)).manifest
    bound = bind(written)  # of the new graphs, which the digests are of by now
    points = {name: point.model_copy(update={"binding": bound}) for name, point in written.operating_points.items()}
    return write_manifest(folder, written.model_copy(update={"operating_points": points})), tuple(dropped)


def _manifest(manifest: Manifest, adaptation: Adaptation, today: dt.date) -> Manifest:
    kept = adaptation.remembered
    points = {
        name: OperatingPoint(
            threshold=float(to_probability(manifest.calibration, score)),
            chosen_on=(
                f"{kept.n_harmless} harmless prompts of this project, neither fitted to nor chosen by: refuses "
                f"{kept.points[name].harmless_refused} of them, before adaptation "
                f"{kept.points[name].harmless_refused_before}; an estimate"
            ),
        )
        for name, score in adaptation.scores.items()
    }
    return manifest.model_copy(
        update={
            "version": f"{manifest.version.partition('+')[0].removesuffix('-adapted')}-adapted",
            "created": today.isoformat(),
            "calibration": manifest.calibration.model_copy(update={"binding": None}),
            "operating_points": points,
            "adapted": AdaptedOn(
                data=adaptation.suite.name,
                data_sha256=adaptation.suite.digest,
                n_pairs=adaptation.n_pairs,
                n_groups=adaptation.n_groups,
                strength=adaptation.strength,
                penalty=adaptation.penalty,
                from_sha256=adaptation.bundle_sha256,
                created=today.isoformat(),
            ),
        }
    )


def _card(adaptation: Adaptation) -> str:
    sentences = "\n".join(f"- {sentence}" for sentence in adaptation.sentences())
    return (
        f"\n## Adapted to {adaptation.suite.name}\n\nWhat stands above describes {adaptation.bundle} "
        f"(`{adaptation.bundle_sha256[:16]}…`), from which this bundle was made. Its figures do not hold here.\n\n"
        f"{sentences}\n"
    )
