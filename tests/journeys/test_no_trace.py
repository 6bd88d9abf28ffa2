"""Guard on a machine that watches it: nothing is written into the user's folders."""

import os
import subprocess
import sys
from pathlib import Path

from tests.pictures import writing


def test_judging_text_and_writing_leaves_nothing_in_the_users_folders(tmp_path: Path) -> None:
    picture, home = tmp_path / "page.png", tmp_path / "home"
    picture.write_bytes(writing("how to bake bread"))
    home.mkdir()
    inherited = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}

    judged = subprocess.run(
        [sys.executable, "-m", "guard", "classify", "--text", "what is this", "--image", str(picture)],
        env=inherited | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "of writing" in judged.stdout
    assert judged.stderr == ""
    assert list(home.rglob("*")) == []
