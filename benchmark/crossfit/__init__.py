"""Cross-fitted evaluation: limits promised on some groups of a suite, and what came out on the others."""
