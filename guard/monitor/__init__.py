"""Watching a guard that serves: sampling for review, live rates, drift, canaries."""
