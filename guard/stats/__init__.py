"""Statistics, pure: calibrators, certified thresholds, group bootstrap, measures."""
