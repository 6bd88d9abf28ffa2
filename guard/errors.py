"""Every error that Guard raises, in one tree.

GuardError
├── UsageError               bad input on the command line
│   ├── ConfigInvalid        a configuration file or value cannot be used
│   ├── SuiteInvalid         labelled data cannot be read as a suite
│   ├── CalibrationInvalid   labelled data cannot support a calibration
│   └── KeyInvalid           a key to sign or to check signatures with cannot be used
├── BundleInvalid            a bundle is damaged, foreign or inconsistent
│   ├── BundleUntrusted      ... not signed by a configured key
│   ├── BundleMismatch       ... its thresholds were chosen for other graphs, tokens or pictures
│   ├── GateNotPassed        ... its release gate is not what `require_gate` asks for
│   └── SwapRefused          ... not fit to take the place of the one that judges
├── RequestInvalid           a request cannot be parsed into something that Guard can judge
│   ├── UnknownPart          a content part of a type that Guard does not know
│   ├── BodyTooLarge         more bytes than allowed
│   ├── BodyTimeout          the body did not arrive in time
│   ├── EncodingUnsupported  a body compressed in a way that Guard does not inflate
│   ├── Unauthorized         no key, or one that Guard does not know
│   ├── Forbidden            a change that a page of another site may have sent
│   ├── RateLimited          more requests than this tenant may send
│   ├── UnknownModel         no upstream serves the model that the request names, or not in this API
│   └── UnknownRoute         a path that Guard does not forward in this mode
├── ContentUnjudged          a part of the content could not be judged
│   ├── ImageRejected        the picture cannot be decoded within the limits
│   ├── ImageUnreachable     the picture's URL cannot or may not be fetched
│   ├── OcrFailed            writing in the picture could not be read
│   ├── TextUnreadable       text in characters that nothing explains
│   ├── TextTooLong          more text than the windows cover
│   └── AnswerUnreadable     an answer of the LLM that is not what its API promises
├── ScorerFailed             the scorer did not answer
│   └── ScorerTimeout        ... in time
├── JudgeFailed              the judge did not answer, and there is no second opinion
│   ├── JudgeTimeout         ... in time
│   ├── JudgeUndecided       ... with a verdict, or cannot be shown the content
│   ├── JudgeOverBudget      ... because it was not asked: calls or dollars are used up
│   └── JudgePaused          ... because it was not asked: it failed too often
├── PreparationTimeout       a picture was not decoded or read in time
├── Overloaded               no permit before the deadline
├── SupervisorLost           a worker cannot reach the process that supervises it
├── StoreFailed              the store did not do what it was asked for
│   ├── StoreInvalid         ... its address says nothing usable, or what is there is no store of Guard's
│   ├── StoreNewer           ... a newer Guard wrote it
│   ├── StoreUnavailable     ... it is gone, cannot be reached, or may not be written
│   ├── StoreLocked          ... somebody else holds it for too long
│   └── StoreFull            ... there is no room left
├── AuditUnavailable         a decision cannot be kept, and `store.audit: required` lets nothing pass without
├── DecisionUnknown          the store has no decision of that id, or has it no more
├── ContentNotKept           a decision is known, and what was judged was not kept
├── ProposalRefused          a candidate bundle cannot be written: no room, or too many there already
├── NotAllowable             a decision that no allow entry can undo: not a block by score
├── ContentLocked            kept content cannot be opened with the keys that are configured
└── UpstreamFailed           the LLM API did not answer
    ├── UpstreamUnreachable  ... no connection
    ├── UpstreamTimeout      ... in time
    └── UpstreamBroken       ... to the end

A block is a `Decision`, never an exception. The HTTP status of each code lives in `guard/server/wire.py`. Messages give
the value, the limit and the place, and never user content.
"""


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


class RequestInvalid(GuardError):
    """A request cannot be parsed into a conversation: not JSON, duplicate keys, wrong shapes."""

    code = "request_invalid"


class UnknownPart(RequestInvalid):
    """A content part has a type that Guard does not know; it is never skipped silently."""

    code = "unknown_part"


class BodyTooLarge(RequestInvalid):
    """A body holds more bytes than allowed, before or after inflating."""

    code = "body_too_large"


class BodyTimeout(RequestInvalid):
    """A body did not arrive in time; slow senders hold nothing for long."""

    code = "body_timeout"


class EncodingUnsupported(RequestInvalid):
    """A body is compressed in a way that Guard does not inflate, or twice."""

    code = "unsupported_encoding"


class Unauthorized(RequestInvalid):
    """A request shows no key, one that Guard does not know where that is refused, or keys of several tenants."""

    code = "unauthorized"


class Forbidden(RequestInvalid):
    """A change in a session lacks its token, or comes from a page that is not Guard's own."""

    code = "forbidden"


class RateLimited(RequestInvalid):
    """A tenant sends more requests than its `requests_per_minute`, or has more under way than its `max_inflight`."""

    code = "rate_limited"


class UnknownModel(RequestInvalid):
    """A request names a model that no upstream serves, or whose upstream does not speak the request's API."""

    code = "unknown_model"


class UnknownRoute(RequestInvalid):
    """A path that Guard does not forward in this mode."""

    code = "unknown_route"


class ContentUnjudged(GuardError):
    """A part of the content could not be judged; the policy's `on_unjudged` decides what happens to it."""

    code = "content_unjudged"


class ImageRejected(ContentUnjudged):
    """A picture could not be used: not an image, too many pixels, bytes or frames, or cut short."""

    code = "image_rejected"


class ImageUnreachable(ContentUnjudged):
    """A picture's URL could not or may not be fetched. One code for all network failures: no port-scan oracle."""

    code = "image_unreachable"


class OcrFailed(ContentUnjudged):
    """A picture seems to hold writing, and the writing could not be read."""

    code = "ocr_failed"


class TextUnreadable(ContentUnjudged):
    """A text, or a word in it, is made of characters that nobody sees or that no table of Unicode explains."""

    code = "text_unreadable"


class TextTooLong(ContentUnjudged):
    """A text, alone or beside its pictures, needs more token windows than the scorer judges."""

    code = "text_too_long"


class AnswerUnreadable(ContentUnjudged):
    """An answer of the LLM, or an event of it, is not what its API promises: no JSON, too large, compressed."""

    code = "answer_unreadable"


class ScorerFailed(GuardError):
    """The scorer raised, or returned something that is not a score; the policy's `on_error` decides."""

    code = "scorer_failed"


class ScorerTimeout(ScorerFailed):
    """The scorer did not answer before the deadline."""

    code = "scorer_timeout"


class JudgeFailed(GuardError):
    """The judge did not answer, and there is no second opinion: `judge.on_unavailable` says what happens."""

    code = "judge_failed"


class JudgeTimeout(JudgeFailed):
    """The judge did not answer in time."""

    code = "judge_timeout"


class JudgeUndecided(JudgeFailed):
    """The judge gave no verdict that can be read, or cannot be shown the content."""

    code = "judge_undecided"


class JudgeOverBudget(JudgeFailed):
    """The judge was not asked: the calls of the minute, or the dollars of the day, are used up."""

    code = "judge_over_budget"


class JudgePaused(JudgeFailed):
    """The judge was not asked: it failed several times in a row."""

    code = "judge_paused"


class PreparationTimeout(GuardError):
    """A picture was not decoded or read before the deadline, which includes the wait in Guard's own queue.

    Guard's fault, whatever the picture: the policy's `on_error` decides.
    """

    code = "preparation_timeout"


class Overloaded(GuardError):
    """No permit was free before the deadline; nothing was parsed, judged or sent."""

    code = "overloaded"


class SupervisorLost(GuardError):
    """A worker cannot reach the process that supervises it, so that it knows nothing of the others."""

    code = "supervisor_lost"


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


class UpstreamFailed(GuardError):
    """The LLM API behind Guard did not answer."""

    code = "upstream_failed"


class UpstreamUnreachable(UpstreamFailed):
    """No connection to the LLM API."""

    code = "upstream_unreachable"


class UpstreamTimeout(UpstreamFailed):
    """The LLM API did not connect, send a first byte, or finish in time."""

    code = "upstream_timeout"


class UpstreamBroken(UpstreamFailed):
    """The LLM API broke off in the middle of its answer."""

    code = "upstream_broken"
