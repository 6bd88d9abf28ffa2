"""Run a target over a suite and its controls: what is finished is skipped, what is new is written as it comes."""

import asyncio
import platform
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmark.answered import measure_answers
from benchmark.constant import ALWAYS
from benchmark.figures import REPORT, SuiteReport, read_report
from benchmark.judgement import UNREACHABLE, Judgement, Target
from benchmark.margin import picture_margin
from benchmark.measure import measure
from benchmark.rows import SUITE, Ledger, Row
from benchmark.sample import take_sample
from guard.errors import SuiteInvalid, UsageError
from guard.suites import CONTROLS, LabelledPair, Suite

_PACKAGES = ("mllm-guard", "onnxruntime", "numpy", "pillow", "rapidocr", "litellm", "torch", "transformers")
PICTURE_GONE = "picture_gone"  # the file was there when the suite was loaded
_GIVE_UP_AFTER = 25  # unanswered pairs in a row

Progress = Callable[[str, int, int], None]  # variant, pairs finished, pairs in all


@dataclass(frozen=True, slots=True)
class Variant:
    """A suite, or one of its controls, cut down to the sample."""

    name: str  # SUITE, or the control's
    pairs: tuple[LabelledPair, ...]


async def run_suite(
    suite: Suite,
    target: Target,
    folder: Path,
    *,
    limit: int | None = None,
    controls: bool = True,
    progress: Progress = lambda variant, done, total: None,
) -> SuiteReport:
    """Judge every pair that `folder` has no result of yet, write `report.json` there, and return it.

    Pairs on which the target failed before are tried again. The limit may differ from call to call: samples are nested.

    Args:
        suite: what to run; rows with missing pictures are named in the report and not run.
        target: what to measure.
        folder: the run: `run.json`, `rows.jsonl`, `report.json`.
        limit: at most so many pairs of the suite, spread over splits and groups.
        controls: whether to run the controls too.
        progress: told after each pair.

    Raises:
        UsageError: the folder holds another run, or the report of more than is asked for; or the target stopped
            answering.
    """
    splits = tuple(dict.fromkeys(pair.split for pair in suite.pairs))
    variants, left_out = _variants(suite, limit, controls=controls)
    _keep_larger_report(folder, n=len(variants[0].pairs), controls=controls)
    versions = _versions()
    header = {
        "format": 1,
        "suite": {"name": suite.name, "kind": suite.kind, "digest": suite.digest},
        "target": target.info.identity(),
        "target_spec": target.info.spec,
        "versions": versions,
    }
    with Ledger(folder, header) as ledger:
        for variant in variants:
            await _run_variant(variant, target, ledger, progress)
        results = {variant.name: [ledger.rows[variant.name, pair.id] for pair in variant.pairs] for variant in variants}
    main = results.pop(SUITE)
    margin = picture_margin(main, results)
    if controls:
        results |= {name: [_always(row, unsafe=unsafe) for row in main] for name, unsafe in ALWAYS.items()}
    report = SuiteReport(
        **measure(main, splits).model_dump(),
        suite=suite.name,
        suite_digest=suite.digest,
        target=target.info.spec,
        target_info=target.info.identity(),
        versions=versions,
        limit=limit,
        missing_pictures=len(suite.missing_pictures),
        missing_picture_ids=suite.missing_pictures,
        unequal_sampling=len({pair.sampling_probability for pair in suite.pairs}) > 1,
        controls={name: measure(rows, splits) for name, rows in results.items()},
        picture_margin=margin,
        controls_left_out=left_out,
        answers=measure_answers(main, splits),
    )
    report.write(folder)
    return report


def _keep_larger_report(folder: Path, *, n: int, controls: bool) -> None:
    """Raise UsageError where a report of more pairs, or with controls that are not asked for now, would be replaced."""
    if not (folder / REPORT).exists():
        return
    found = read_report(folder)
    pairs = found.n + found.errors + found.unjudged
    if pairs > n:
        raise UsageError(f"{folder} holds the report of {pairs} pairs, this run has {n}; choose another --out")
    if found.controls and not controls:
        raise UsageError(f"{folder} holds a report with controls, this run has none; choose another --out")


def _variants(suite: Suite, limit: int | None, *, controls: bool) -> tuple[list[Variant], dict[str, str]]:
    """Return what to run, and which controls cannot be run and why. Controls are made of the whole suite, then cut."""
    sample = take_sample(suite.pairs, limit)
    variants, left_out = [Variant(SUITE, sample)], {}
    chosen = {pair.id for pair in sample}
    has_pictures = any(pair.pictures for pair in suite.pairs)
    for name, control in CONTROLS.items() if controls else ():
        if not has_pictures:
            left_out[name] = "no pair has a picture"
            continue
        try:
            changed = control(suite)
        except SuiteInvalid as error:
            left_out[name] = str(error)
            continue
        variants.append(Variant(name, tuple(pair for pair in changed.pairs if pair.id in chosen)))
    return variants, left_out


async def _run_variant(variant: Variant, target: Target, ledger: Ledger, progress: Progress) -> None:
    def is_open(pair: LabelledPair) -> bool:
        row = ledger.rows.get((variant.name, pair.id))
        return row is None or row.failed

    waiting = [pair for pair in variant.pairs if is_open(pair)]
    done, total, unanswered = len(variant.pairs) - len(waiting), len(variant.pairs), 0
    progress(variant.name, done, total)
    queue = iter(waiting)

    async def work() -> None:
        nonlocal done, unanswered
        for pair in queue:
            row = await _judge(variant.name, pair, target)
            ledger.append(row)
            unanswered = unanswered + 1 if row.code == UNREACHABLE else 0
            if unanswered >= _GIVE_UP_AFTER:
                raise UsageError(f"{target.info.spec}: {unanswered} pairs in a row got no answer; call again to go on")
            done += 1
            progress(variant.name, done, total)

    await _together(work() for _ in range(target.concurrency))


async def _together(workers: Iterable[Coroutine[None, None, None]]) -> None:
    """Await all workers; the first failure cancels the rest and is raised as itself, not in a group."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _judge(variant: str, labelled: LabelledPair, target: Target) -> Row:
    try:
        pair = await asyncio.to_thread(labelled.to_pair)
    except OSError:
        return Row.of(variant, labelled, Judgement(None, code=PICTURE_GONE, failed=True), 0.0)
    started = time.perf_counter()
    judgement = await target.judge(pair)
    return Row.of(variant, labelled, judgement, (time.perf_counter() - started) * 1000)


def _always(row: Row, *, unsafe: bool) -> Row:
    return replace(row, unsafe=unsafe, probability=None, code=None, failed=False, cause=None, latency_ms=0.0)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
