"""What can go wrong with the store, and with what is asked of it."""

from guard.errors.base import GuardError


class StoreFailed(GuardError):
    """The store did not do what it was asked for, for a reason that has no code of its own."""

    code = "store_failed"


class StoreInvalid(StoreFailed):
    """The address of the store says nothing usable, or what is there is no store of Guard's."""

    code = "store_invalid"


class StoreNewer(StoreFailed):
    """The store was written by a newer Guard; this one cannot know what it would break."""

    code = "store_newer"


class StoreUnavailable(StoreFailed):
    """The store is gone, cannot be reached, or may not be written."""

    code = "store_unavailable"


class StoreLocked(StoreFailed):
    """Somebody else held the store for longer than Guard waits."""

    code = "store_locked"


class StoreFull(StoreFailed):
    """There is no room left where the store is."""

    code = "store_full"


class AuditUnavailable(GuardError):
    """A decision cannot be kept, and `store.audit: required` lets nothing pass that is not."""

    code = "audit_unavailable"


class DecisionUnknown(GuardError):
    """The store has no decision of that id: it never had, or it was purged."""

    code = "decision_unknown"


class ContentNotKept(GuardError):
    """A decision is known, and its text and pictures were not kept, or not as long."""

    code = "content_not_kept"


class ProposalRefused(GuardError):
    """A candidate bundle cannot be written: there is no room for it, or too many are there already."""

    code = "proposal_refused"


class NotAllowable(GuardError):
    """No allow entry can undo this decision: it was not a block by score, or its content has no digest."""

    code = "not_allowable"


class ContentLocked(GuardError):
    """Kept content cannot be opened: its key is not among those that are configured, or it was tampered with."""

    code = "content_locked"
