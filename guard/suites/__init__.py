"""Labelled pairs: loaders, groups, controls. Used by calibration, release gate and benchmark."""

from guard.suites.controls import CONTROLS
from guard.suites.load import load_suite, with_traffic
from guard.suites.pictures import GreyPicture, Picture, StoredPicture, data_url
from guard.suites.suite import Label, LabelledPair, Suite, digest_pairs

__all__ = [
    "CONTROLS",
    "GreyPicture",
    "Label",
    "LabelledPair",
    "Picture",
    "StoredPicture",
    "Suite",
    "data_url",
    "digest_pairs",
    "load_suite",
    "with_traffic",
]
