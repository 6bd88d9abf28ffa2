"""A GPU run as a sheet."""

from benchmark.sheets import Sheet
from benchmark.speed.gpu.plan import COMPILED, CUDA, EAGER, TENSORRT
from benchmark.speed.gpu.run import GpuReport

_AIM_MS = 5.0


def make_sheet(report: GpuReport) -> Sheet:
    """Return the contenders by batch size, what they were measured against, and who was left out."""
    words = _words(report)
    rows = tuple(
        (
            words[name] if number == 0 else "",
            str(of.batch),
            f"{of.p50_ms:.2f}",
            f"{of.p99_ms:.2f}",
            f"{of.pairs_s:,.0f}",
            f"{of.matrix_share:.1%}",
            "" if of.times_compiled is None else f"{of.times_compiled:.2f}",
        )
        for name, contender in report.contenders.items()
        for number, of in enumerate(contender.batches)
    )
    return Sheet(
        f"{report.encoder}, {report.precision}, on {report.device_name}",
        ("by", "batch", "p50 ms", "p99 ms", "pairs/s", "of matrix", "x compile"),
        rows,
        (
            *_aims(report),
            f"A pair: one picture and one text, {report.operations_per_pair / 1e9:,.2f} GFLOP; random weights, inputs "
            f"on the device. p50 and p99: {report.runs} runs, each waited for; pairs/s: as many back to back.",
            f"of matrix: share of {report.matrix_tflops:,.1f} TFLOP/s, measured here on large square matrices of the "
            "same precision. x compile: pairs/s over those of torch.compile.",
            *(
                f"{words[name]}: {contender.how}; scores within {contender.largest_difference:.1g} of eager's."
                for name, contender in report.contenders.items()
            ),
            *(f"Left out: {words[name]}: {why}." for name, why in report.left_out.items()),
            f"PyTorch {report.torch}. The whole run took {report.took_s:.0f} s.",
        ),
    )


def _words(report: GpuReport) -> dict[str, str]:
    runtime = "ONNX Runtime CUDA" if report.device == "cuda" else "ONNX Runtime CPU"
    return {EAGER: "eager PyTorch", COMPILED: "torch.compile", CUDA: runtime, TENSORRT: "TensorRT"}


def _aims(report: GpuReport) -> list[str]:
    if report.device != "cuda":
        return ["CUDA not run: this tries the command out on a CPU, and measures nothing that is aimed at."]
    served = [report.contenders[name] for name in (CUDA, TENSORRT) if name in report.contenders]
    singles = [of.p50_ms for one in served for of in one.batches if of.batch == 1]
    largest = [one.batches[-1].times_compiled for one in served]
    over = [times for times in largest if times is not None]
    lines = []
    if singles:
        lines.append(f"Aim at batch 1: {_AIM_MS:g} ms; ONNX Runtime's best: {min(singles):.2f} ms.")
    if over:
        lines.append(f"Aim at the largest batch: 1.00 × torch.compile; ONNX Runtime's best: {max(over):.2f}.")
    return lines
