"""What tests of `guard bundle` share: the command, a tiny bundle, and parts to build one from."""

import shutil
import sys
from pathlib import Path

import pytest

from guard import cli
from guard.bundle import Bundle
from tests.cli.bundle.commands import Run, write_spec
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `guard bundle ...`: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["guard", "bundle", *map(str, arguments)])
        capfd.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path / "tiny")


@pytest.fixture
def parts(bundle: Bundle, tmp_path: Path) -> Path:
    """A folder to build from: the tiny bundle's files, and a spec in place of its manifest."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in bundle.manifest.files:
        shutil.copyfile(bundle.path / name, folder / name)
    write_spec(folder, bundle)
    return folder
