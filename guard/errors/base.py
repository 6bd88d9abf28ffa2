"""The base of the tree, and wrong usage of a command or its files."""


class GuardError(Exception):
    """Base of all errors that Guard raises on purpose; `code` is stable and documented."""

    code = "guard_error"


class UsageError(GuardError):
    """The command line or its files ask for something impossible; commands print the message and exit with 2."""

    code = "usage"


class ConfigInvalid(UsageError):
    """A configuration cannot be read, has an unknown key, or contradicts itself."""

    code = "config_invalid"


class SuiteInvalid(UsageError):
    """A directory or file of labelled pairs cannot be read as a suite."""

    code = "suite_invalid"


class CalibrationInvalid(UsageError):
    """Labelled pairs cannot support a calibration: one label only, scores that are not finite, too few groups."""

    code = "calibration_invalid"


class KeyInvalid(UsageError):
    """A private or public key cannot be read or is none of ed25519, or the package that uses it is missing."""

    code = "key_invalid"
