"""Statistics, pure: calibrators, certified thresholds, bands, group bootstrap, measures, paired comparisons."""
