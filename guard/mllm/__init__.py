"""Local MLLMs that are asked whether a pair is safe: questions, answers, scores, decoding; loaded only where asked."""
