"""Measures a guard, or an MLLM, on suites of labelled pairs."""
