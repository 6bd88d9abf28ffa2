"""What tests of upstreams share: houses, to put a Guard in front of them."""

from tests.server.conftest import build

__all__ = ["build"]
