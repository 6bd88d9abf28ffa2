"""What an LLM API answers: its texts found, held back until they are judged, and its streams ended in its own form."""
