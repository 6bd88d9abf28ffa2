"""Adapters of the port `Scorer`."""
