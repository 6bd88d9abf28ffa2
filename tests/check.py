"""Run every check of the project: `python -m tests.check [--fast | --all] [--jobs N]`; CI runs the long tests too.

What `make clients`, `make fuzz` and `make soak` run is left out here: they are commands of their own.

The order is from quick to slow, and the first failure does not hide the others: each step is run, and the exit code is
1 when any of them failed.

The tests of one file stay in one process and in their order, as fixtures of modules have it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
# More would help little, since some files take minutes, and each process that loads torch takes 2 GB.
_JOBS = min(2, os.cpu_count() or 1)


def main() -> int:
    """Run the steps and return the exit code."""
    parser = argparse.ArgumentParser(description="Run every check of the project.")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--fast", action="store_true", help="leave out what is slow, and the fresh install")
    extent.add_argument("--all", action="store_true", help="run the long simulations and trainings too")
    parser.add_argument("--jobs", type=int, default=_JOBS, help=f"how many processes run the tests (default: {_JOBS})")
    chosen = parser.parse_args()
    left_out = ["clients", "corpus"]
    left_out += [] if chosen.all else ["simulation", "training"]
    left_out += ["slow"] if chosen.fast else []
    steps: list[tuple[str, Callable[[], int]]] = [
        ("format", lambda: _run("ruff", "format", "--check", ".")),
        ("lint", lambda: _run("ruff", "check", ".")),
        ("types", lambda: _run("mypy")),
    ]
    if not chosen.fast:
        steps.append(("install", _fresh_install))
    markers = " and ".join(f"not {marker}" for marker in left_out)
    steps.append(("tests", lambda: _run_tests(markers, chosen.jobs)))
    failed = [name for name, step in steps if not _passes(name, step)]
    if failed:
        print(f"check: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _passes(name: str, step: Callable[[], int]) -> bool:
    print(f"== {name}", flush=True)
    started = time.monotonic()
    passed = step() == 0
    print(f"== {name}: {'ok' if passed else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return passed


def _run(module: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False).returncode


def _run_tests(markers: str, jobs: int) -> int:
    arguments = ["--durations=30", "-m", markers]
    if jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # else each process would take every core
        arguments += ["-n", str(jobs), "--dist", "loadfile"]
    return _run("pytest", *arguments)


def _fresh_install() -> int:
    """Install the wheel without extras elsewhere: the command starts, and the runtime that is missing is named."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        if subprocess.run([*pip, "wheel", "--no-deps", "-w", home / "dist", "."], cwd=ROOT, check=False).returncode:
            return 1
        (wheel,) = (home / "dist").glob("*.whl")
        venv.create(home / "venv", with_pip=True)
        python = str(home / "venv" / "bin" / "python")
        constraints = ["-c", str(ROOT / "constraints.txt")]
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *constraints, str(wheel)]
        if subprocess.run(install, check=False).returncode:
            return 1
        return _wheel_is_usable(home / "venv")


def _wheel_is_usable(environment: Path) -> int:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def ask(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [environment / "bin" / command[0], *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=environment,
            env=clean,
        )

    helped = ask("guard", "--help")
    bare = ask("guard", "classify", "--text", "hello")
    listing = ask("python", "-c", "import importlib.metadata as m; print(*m.files('mllm-guard'), sep='\\n')")
    tops = {line.split("/")[0] for line in listing.stdout.splitlines() if "/" in line}
    problems = [
        message
        for message, wrong in (
            (f"guard --help exits with {helped.returncode}: {helped.stderr}", helped.returncode != 0),
            (f"without a runtime guard exits with {bare.returncode}, not 2", bare.returncode != 2),
            (f"without a runtime guard does not name the extras: {bare.stderr}", "mllm-guard[cpu]" not in bare.stderr),
            ("the wheel lacks the embedded bundle", "guard/bundles/embedded/manifest.json" not in listing.stdout),
            (
                f"the wheel installs {sorted(tops)} at top level",
                not {"guard", "benchmark"} <= tops or bool(tops & {"tests", "examples", "integrations"}),
            ),
        )
        if wrong
    ]
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
