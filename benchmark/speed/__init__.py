"""Load and latency, side by side in one run with what users would pick instead."""
