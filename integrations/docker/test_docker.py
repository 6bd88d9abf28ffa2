"""The container files name things that exist. Building the image needs a Docker engine and is left to it."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from guard.store.opening import address_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_every_copied_path_exists_and_is_not_ignored() -> None:
    dockerfile = (HERE / "Dockerfile").read_text(encoding="utf-8")
    let_in = (HERE / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in let_in, f"{source} does not reach the build"


def test_container_runs_as_an_unprivileged_user_with_a_health_check() -> None:
    final_stage = (HERE / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")[-1]
    assert re.search(r"^USER [1-9]\d*$", final_stage, re.MULTILINE)
    assert "HEALTHCHECK" in final_stage


def test_container_says_nothing_to_the_makers_of_its_runtime() -> None:
    final_stage = (HERE / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")[-1]
    assert re.search(r"^ENV .*\bORT_DISABLE_TELEMETRY=1$", final_stage, re.MULTILINE)


def test_compose_starts_guard_with_flags_that_exist() -> None:
    compose = yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))
    command, *arguments = compose["services"]["guard"]["command"]
    shown = subprocess.run(
        [sys.executable, "-m", "guard", command, "--help"], capture_output=True, text=True, check=True
    ).stdout
    flags = [argument for argument in arguments if argument.startswith("--")]
    assert flags
    for flag in flags:
        assert flag in shown


def test_compose_mounts_a_prometheus_configuration_that_scrapes_guard() -> None:
    compose = yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))
    source = compose["services"]["prometheus"]["volumes"][0].split(":")[0]
    config = yaml.safe_load((HERE / source).resolve().read_text(encoding="utf-8"))
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target.split(":")[0] in compose["services"]


def test_decisions_are_kept_on_a_volume_that_the_user_may_write() -> None:
    final_stage = (HERE / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")[-1]
    uid = re.search(r"^USER ([1-9]\d*)$", final_stage, re.MULTILINE)
    home = re.search(r"^ENV XDG_STATE_HOME=(\S+)$", final_stage, re.MULTILINE)
    assert uid
    assert home
    kept_in = str(Path(address_of("default", {"XDG_STATE_HOME": home[1]}).removeprefix("sqlite:///")).parent)
    assert f"VOLUME {kept_in}" in final_stage
    assert f"install -d -o {uid[1]} -m 700 {kept_in}" in final_stage
    guard = yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))["services"]["guard"]
    assert f"decisions:{kept_in}" in guard["volumes"]
