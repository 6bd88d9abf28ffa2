"""Adapters of the port `Upstream`."""
