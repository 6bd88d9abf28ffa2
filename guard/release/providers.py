"""The candidate on every execution provider that is there, and its graphs for GPUs on the CPU where there is none."""

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from guard.bundle import Bundle, write_manifest
from guard.errors import BundleInvalid, ConfigInvalid
from guard.manifest import GPU_GRAPH
from guard.release.check import Check
from guard.release.contender import Contender, Floats
from guard.release.margins import Margins
from guard.release.opening import open_measured
from guard.release.parity import flips_check
from guard.release.scoring import Progress, judge
from guard.runtime import import_onnxruntime
from guard.scorers.providers import CHAINS
from guard.stats.paired import Verdict
from guard.suites import LabelledPair


def nearest(pairs: Sequence[LabelledPair], scores: Floats, candidate: Contender, limit: int) -> list[int]:
    """Return the places of the pairs whose raw scores lie nearest to the threshold: where a decision flips first."""
    judged = np.flatnonzero(np.isfinite(scores))
    if len(judged) == 0:
        return []
    ordered = np.sort(scores[judged])
    edge = int(np.searchsorted(candidate.refuses(ordered), True))  # calibrations increase: False, then True
    at = ordered[min(edge, len(ordered) - 1)]
    return sorted(judged[np.argsort(np.abs(scores[judged] - at), kind="stable")][:limit].tolist())


async def check_providers(
    pairs: Sequence[LabelledPair], scores: Floats, candidate: Contender, margins: Margins, on_progress: Progress
) -> AsyncIterator[Check]:
    """Yield the decisions flipped between the CPU and each other provider; what is not there is said to be not run.

    Args:
        pairs: of the suites, those nearest to the threshold.
        scores: their raw scores on the CPU, shape (pairs,).
        candidate: the new guard.
        margins: how many flips are allowed.
        on_progress: told after each pair.
    """
    built_in = import_onnxruntime().get_available_providers()
    ran = False
    for provider in [name for name in CHAINS if name != "cpu"]:
        if CHAINS[provider][0] not in built_in:
            yield Check("parity", provider, None, f"not run: this onnxruntime has no {CHAINS[provider][0]}")
            continue
        try:
            found = await _score(candidate.bundle, pairs, provider, on_progress)
        except ConfigInvalid as error:  # the provider; what is wrong with a graph is BundleInvalid
            yield Check("parity", provider, None, f"not run: {error}")
            continue
        except BundleInvalid as error:
            ran = True
            yield Check(
                "parity", provider, "fails", f"{CHAINS[provider][0]} loads, and the candidate does not: {error}"
            )
            continue
        ran = True
        yield flips_check(provider, found, scores, candidate, margins, about=f"{CHAINS[provider][0]} against the CPU")
    if not ran and candidate.bundle.manifest.has_gpu_graphs:
        yield await _check_gpu_graphs_on_cpu(pairs, scores, candidate, margins, on_progress)


async def _check_gpu_graphs_on_cpu(
    pairs: Sequence[LabelledPair], scores: Floats, candidate: Contender, margins: Margins, on_progress: Progress
) -> Check:
    place, bundle = "graphs for GPUs", candidate.bundle
    with TemporaryDirectory() as made:
        folder = Path(made)
        graphs = {f"{name}.onnx": bundle.manifest.graph_file(name, "gpu") for name in ("text", "vision")}
        for name in bundle.manifest.files:
            if not name.endswith(GPU_GRAPH):
                (folder / name).write_bytes(bundle.read(graphs.get(name, name)))
        try:
            found = await _score(write_manifest(folder, bundle.manifest), pairs, "cpu", on_progress)
        except BundleInvalid as error:
            verdict, said = _without_a_gpu(error)
            return Check("parity", place, verdict, f"{said}: {error}".replace(f"{folder}{os.sep}", ""))
    return flips_check(place, found, scores, candidate, margins, about="run on the CPU; CUDA not run")


def _without_a_gpu(error: BundleInvalid) -> tuple[Verdict | None, str]:
    """Return what it says about graphs for GPUs that the CPU does not run them, and why in words."""
    kinds = import_onnxruntime().capi.onnxruntime_pybind11_state
    if isinstance(error.__cause__, kinds.NotImplemented):
        return None, "not run: no GPU is there, and the CPU has no kernel for them"
    if isinstance(error.__cause__, (kinds.RuntimeException, kinds.EPFail)):  # of the machine, perhaps
        return "cannot_tell", "no GPU is there, and the CPU does not run them"
    return "fails", "the graphs are broken, whatever runs them"


async def _score(bundle: Bundle, pairs: Sequence[LabelledPair], provider: str, on_progress: Progress) -> Floats:
    guard = await open_measured(bundle, provider=provider)
    found: list[float] = []
    try:
        for done, pair in enumerate(pairs):
            on_progress(f"candidate on {provider}", done, len(pairs))
            outcome, _ = await judge(guard, pair)
            found.append(np.nan if isinstance(outcome, str) else outcome)
    finally:
        await guard.aclose()
    on_progress(f"candidate on {provider}", len(pairs), len(pairs))
    return np.array(found, dtype=np.float64)
