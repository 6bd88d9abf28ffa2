"""Local MLLMs that are asked whether a pair is safe: questions, answers, scores, decoding. Imported where one is asked."""
