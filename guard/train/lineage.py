"""What a run goes on from: its bundle, the run that made that, and the one before. `run.json` has each under "from"."""

import json
from collections.abc import Mapping
from typing import Any

from guard.bundle import Bundle
from guard.errors import UsageError
from guard.train.backbone import Backbone
from guard.train.images import SPEC
from guard.train.packs import Profile

_READ = ("backbone", "backbone_sha256", "profile", "seed", "scale", "sources", "pictures", "own_sha256")
_READ_OF_SCALE = ("text_rounds", "judges", "vision_rounds")
# Calibration puts its own report in the place of the model's.
_REPORTS = ("model-report.json", "report.json")


def read_report(bundle: Bundle) -> Mapping[str, Any]:
    """Return the report of the training that a bundle came out of.

    Raises:
        UsageError: it has none, or one of an older recipe.
        BundleInvalid: the file is not what the manifest names.
    """
    for name in _REPORTS:
        if name in bundle.manifest.files:
            report = json.loads(bundle.read(name))
            run = report.get("run") if isinstance(report, dict) else None
            if run is None:
                continue
            if all(key in run for key in _READ) and all(key in run["scale"] for key in _READ_OF_SCALE):
                return dict(report)
            raise UsageError(f"{bundle.path}: a guard of an older recipe: nothing to go on from")
    raise UsageError(f"{bundle.path}: no report of a training: nothing to go on from")


def require_start(bundle: Bundle, backbone: Backbone, profile: Profile) -> dict[str, Any]:
    """Return what a run says of the bundle that it goes on from: which one it is, and how it was trained.

    Raises:
        UsageError: it has no report of its training, was adapted since, sees otherwise than by a vision tower of this
            recipe, reads by another encoder, or has seen packs that weights of this profile may not see.
        BundleInvalid: its report is not what the manifest names.
    """
    run, label = read_report(bundle)["run"], bundle.label
    if bundle.manifest.adapted is not None:
        raise UsageError(f"{label} was adapted, which would be lost: go on from the bundle that was, and adapt again")
    if "vision_backbone" in run:
        raise UsageError(f"{label} sees by {run['vision_backbone'].get('backbone')}, not by a tower to go on with")
    if bundle.manifest.image != SPEC:
        raise UsageError(f"{label} takes pictures in another way than this recipe: nothing to go on from")
    if run["backbone_sha256"] != backbone.digest:
        if run["backbone"] != backbone.name:
            raise UsageError(f"{label} reads by another encoder: --backbone {run['backbone']}")
        raise UsageError(f"{label} was trained on other weights of {backbone.name}")
    if profile == "permissive" and run["profile"] != "permissive":
        raise UsageError(f"{label} has seen packs that are not permissive: --profile {run['profile']}")
    return {"name": label, "digest": bundle.digest, **run}


def runs_of(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a run and those that it goes on from, the first one first."""
    return [*(runs_of(run["from"]) if "from" in run else ()), run]


def next_draw(run: Mapping[str, Any]) -> int:
    """Return the first seed of draws that neither a run nor one before it has used."""
    free = 0
    for one in runs_of(run):
        free = max(free, int(one["seed"])) + len(one["scale"]["text_rounds"]) * int(one["scale"]["judges"])
    return free
