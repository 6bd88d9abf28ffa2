"""What tests of the judge share: a tiny bundle."""

from pathlib import Path

import pytest

from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a bundle that knows a handful of words; nobody changes it."""
    return make_tiny_bundle(tmp_path_factory.mktemp("judged") / "tiny").path
