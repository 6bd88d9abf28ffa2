"""The encoder as an ONNX file, with the weights beside it.

Run as `python -m benchmark.speed.gpu.export PLAN FOLDER OPSET`; prints one JSON object.
"""

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.speed.extras import load
from benchmark.speed.gpu.child import serve
from benchmark.speed.gpu.encoder import INPUTS, OUTPUT, make_encoder, make_inputs
from benchmark.speed.gpu.plan import GpuPlan
from benchmark.speed.gpu.prepare import open_device

ROWS = "n"  # the one dimension that is free; sessions fix it


@dataclass(frozen=True, slots=True)
class Exported:
    """Where the graph lies, and how many nodes it has."""

    file: str
    nodes: int


def graph_path(folder: Path, opset: int) -> Path:
    """Return where the graph of an opset lies."""
    return folder / f"opset{opset}.onnx"


def export(plan: GpuPlan, folder: Path, opset: int) -> Exported:
    """Write the graph. From opset 23 on attention is one node; before, it is written out in products and a softmax."""
    torch = open_device(plan.device)
    load("onnxscript")  # the exporter's own error does not name the package
    model: Any = make_encoder(plan.encoder, plan.device)
    example = {
        name: torch.from_numpy(array).to(plan.device)
        for name, array in make_inputs(plan.encoder, 2, plan.device).items()
    }
    rows = torch.export.Dim(ROWS)
    with warnings.catch_warnings(action="ignore"):
        program = torch.onnx.export(
            model,
            kwargs=example,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_shapes={name: {0: rows} for name in INPUTS},
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
        program.optimize()
    path = graph_path(folder, opset)
    program.save(str(path), external_data=True)
    return Exported(path.name, len(program.model.graph))


if __name__ == "__main__":
    serve(lambda plan, folder, more: export(plan, folder, int(more[0])), sys.argv[1:])
