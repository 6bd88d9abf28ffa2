"""The encoder in PyTorch, eager or compiled.

Run as `python -m benchmark.speed.gpu.by_torch PLAN FOLDER eager|compiled`; prints one JSON object.
"""

import sys
from functools import partial
from pathlib import Path

from benchmark.speed.gpu.child import serve
from benchmark.speed.gpu.clock import time_batch
from benchmark.speed.gpu.encoder import make_encoder
from benchmark.speed.gpu.measured import Measured, difference, read_inputs
from benchmark.speed.gpu.plan import COMPILED, GpuPlan
from benchmark.speed.gpu.prepare import open_device, waiter


def measure(plan: GpuPlan, folder: Path, contender: str) -> Measured:
    """Return the times of eager PyTorch or of torch.compile, which compiles for each batch size anew."""
    torch = open_device(plan.device)
    model = make_encoder(plan.encoder, plan.device)
    timings, differences = [], []
    with torch.inference_mode():
        for batch in plan.batches:
            inputs = {name: torch.from_numpy(of).to(plan.device) for name, of in read_inputs(folder, batch).items()}
            torch.compiler.reset()
            run = torch.compile(model, dynamic=False) if contender == COMPILED else model
            differences.append(difference(folder, run(**inputs).float().cpu().numpy(), plan.device))
            timings.append(
                time_batch(
                    batch,
                    partial(run, **inputs),
                    waiter(torch, plan.device),
                    runs=plan.runs,
                    warm_runs=plan.warm_runs,
                )
            )
    how = "default mode, static shapes" if contender == COMPILED else "scaled_dot_product_attention"
    return Measured(how, max(differences), tuple(timings))


if __name__ == "__main__":
    serve(lambda plan, folder, more: measure(plan, folder, more[0]), sys.argv[1:])
