"""What can be wrong with a bundle, and with its right to judge."""

from guard.errors.base import GuardError


class BundleInvalid(GuardError):
    """A bundle is damaged (a digest differs), foreign (unknown format) or inconsistent with itself."""

    code = "bundle_invalid"


class BundleUntrusted(BundleInvalid):
    """A bundle or a record of its release gate bears no signature that one of the configured keys verifies."""

    code = "bundle_untrusted"


class BundleMismatch(BundleInvalid):
    """Thresholds of a bundle were chosen for another graph, tokenizer or preparation than the bundle now holds."""

    code = "bundle_mismatch"


class GateNotPassed(BundleInvalid):
    """A bundle's release gate failed, or did not pass where `require_gate` wants that; only shadow mode serves it."""

    code = "gate_not_passed"


class SwapRefused(BundleInvalid):
    """A bundle may not take the place of the one that judges, which stays; the message lists every reason."""

    code = "swap_refused"
