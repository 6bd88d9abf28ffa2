"""What tests of trust share: a tiny bundle."""

from pathlib import Path

import pytest

from guard.bundle import Bundle
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_tiny_bundle(tmp_path / "tiny")
