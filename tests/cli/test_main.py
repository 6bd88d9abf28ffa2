import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from guard import cli
from guard.bundle import Bundle
from guard.errors import BundleInvalid

_WITHOUT_EXTRAS = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
sys.argv = ["guard", *{arguments!r}]
from guard.cli import main
main()
"""
_HEAVY = ("torch", "transformers", "onnxruntime", "rapidocr", "sklearn", "openai", "litellm", "aiohttp", "scipy")


def _guard(*arguments: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    program = _WITHOUT_EXTRAS.format(names=set(without) or {"nothing"}, arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)


def test_help_names_the_commands_without_any_heavy_package() -> None:
    result = _guard("--help", without=_HEAVY)

    assert result.returncode == 0, result.stderr
    assert {"serve", "demo", "config"} <= set(result.stdout.split())


def test_help_loads_little_and_so_answers_in_a_fraction_of_a_second() -> None:
    program = (
        "import atexit, sys; atexit.register(lambda: print('loaded', len(sys.modules)))\n"
        "sys.argv = ['guard', '--help']; from guard.cli import main; main()"
    )

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)

    # Counted, not timed: how long it takes hangs on what else the machine does. Python alone has some 70 of them.
    assert int(result.stdout.split()[-1]) < 400


def test_missing_package_is_one_line_that_names_its_extra() -> None:
    result = _guard("demo", without=("openai",))

    assert result.returncode == 2
    assert result.stderr.strip() == "error: missing_dependency: openai is not installed: pip install 'mllm-guard[demo]'"


def test_unknown_option_exits_with_2() -> None:
    result = _guard("serve", "--no-such-option")

    assert result.returncode == 2
    assert "--no-such-option" in result.stderr
    assert "Traceback" not in result.stderr


def test_errors_of_guard_are_one_line_and_exit_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise BundleInvalid("/models/x: digest differs\nin text.onnx")

    monkeypatch.setattr(cli, "app", broken)

    with pytest.raises(SystemExit) as exit_:
        cli.main()

    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: bundle_invalid: /models/x: digest differs in text.onnx\n"


def test_version_names_the_distribution_and_the_embedded_bundle() -> None:
    result = _guard("--version", without=_HEAVY)

    assert result.returncode == 0, result.stderr
    assert result.stdout == f"guard {version('mllm-guard')}, embedded bundle {Bundle.load('embedded').label}\n"


def test_output_on_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "guard", "--version"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300, check=False)

    assert (result.returncode, result.stderr) == (2, "error: usage: No space left on device\n")


def test_file_that_cannot_be_reached_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "app", lambda: Path("x" * 300).stat())

    with pytest.raises(SystemExit) as exit_:
        cli.main()

    assert exit_.value.code == 2
    assert capsys.readouterr().err == f"error: usage: {'x' * 300}: File name too long\n"


def test_words_of_help_are_not_types_of_python() -> None:
    shown = [_guard(command, "--help").stdout for command in ("classify", "calibrate")]

    assert all("<list" not in page for page in shown)


@pytest.mark.parametrize("command", ["train", "export"])
def test_every_help_text_is_a_sentence(command: str) -> None:
    parameters = typer.main.get_command(cli.app).commands[command].params  # type: ignore[attr-defined]
    texts = [parameter.help for parameter in parameters if parameter.name != "help"]

    assert [text for text in texts if text[0].islower() or not text.endswith(".")] == []
