"""What is measured on a GPU: by whom, on which encoder, in which batches."""

from dataclasses import dataclass, replace
from typing import Literal

from guard.errors import UsageError

EAGER, COMPILED, CUDA, TENSORRT = "eager", "compiled", "cuda", "tensorrt"
CONTENDERS = (EAGER, COMPILED, CUDA, TENSORRT)

Device = Literal["cuda", "cpu"]


@dataclass(frozen=True, slots=True)
class Encoder:
    """The size of a SigLIP2 model of fixed resolution; weights are random, as speed does not depend on them."""

    name: str
    width: int
    layers: int
    heads: int
    inner: int
    image_size: int
    patch: int
    tokens: int
    vocabulary: int


BASE = Encoder("SigLIP2 base, 224 pixels", 768, 12, 12, 3072, 224, 16, 64, 256_000)
TINY = Encoder("a tiny encoder", 32, 1, 2, 64, 32, 16, 8, 128)


@dataclass(frozen=True, slots=True)
class GpuPlan:
    """How much is measured; `runs` of each batch size one by one, then as many back to back.

    `device` "cpu" computes in float32 and on one thread: it tries the command out where there is no GPU.
    """

    device: Device = "cuda"
    encoder: Encoder = BASE
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    runs: int = 300
    warm_runs: int = 30
    matrix_side: int = 8192
    contenders: tuple[str, ...] = CONTENDERS
    timeout_s: float = 1200.0  # of each contender: seven graphs are compiled, seven engines are built


def choose_plan(device: str, *, is_tiny: bool, is_quick: bool) -> GpuPlan:
    """Return what to measure; a tiny or quick run tries the command out. Raises UsageError for an unknown device."""
    if device not in ("cuda", "cpu"):
        raise UsageError(f"--device {device}: cuda or cpu")
    plan = GpuPlan(device="cuda" if device == "cuda" else "cpu")
    if is_tiny:
        plan = replace(plan, encoder=TINY, batches=(1, 2), runs=5, warm_runs=2, matrix_side=256)
    if is_quick:
        plan = replace(plan, batches=(plan.batches[0], plan.batches[-1]), runs=min(plan.runs, 30))
    return plan
