"""Prompts and compositional acts written for this project: `prompts.jsonl` and `acts.jsonl`, one record per line."""
