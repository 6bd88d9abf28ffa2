"""Labelled pairs: loaders, groups, controls. Used by calibration, release gate and benchmark."""
