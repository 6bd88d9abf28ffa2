"""The guard: a pair goes in, a decision comes out."""

from guard.pipeline.guard import Guard

__all__ = ["Guard"]
