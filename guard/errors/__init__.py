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

Each branch has a module of its own, and everybody imports from here. A block is a `Decision`, never an exception. The
HTTP status of each code lives in `guard/server/wire.py`. Messages give the value, the limit and the place, and never
user content.
"""

from guard.errors.base import CalibrationInvalid, ConfigInvalid, GuardError, KeyInvalid, SuiteInvalid, UsageError
from guard.errors.bundles import BundleInvalid, BundleMismatch, BundleUntrusted, GateNotPassed, SwapRefused
from guard.errors.content import (
    AnswerUnreadable,
    ContentUnjudged,
    ImageRejected,
    ImageUnreachable,
    OcrFailed,
    TextTooLong,
    TextUnreadable,
)
from guard.errors.judging import (
    JudgeFailed,
    JudgeOverBudget,
    JudgePaused,
    JudgeTimeout,
    JudgeUndecided,
    Overloaded,
    PreparationTimeout,
    ScorerFailed,
    ScorerTimeout,
    SupervisorLost,
)
from guard.errors.keeping import (
    AuditUnavailable,
    ContentLocked,
    ContentNotKept,
    DecisionUnknown,
    NotAllowable,
    ProposalRefused,
    StoreFailed,
    StoreFull,
    StoreInvalid,
    StoreLocked,
    StoreNewer,
    StoreUnavailable,
)
from guard.errors.requests import (
    BodyTimeout,
    BodyTooLarge,
    EncodingUnsupported,
    Forbidden,
    RateLimited,
    RequestInvalid,
    Unauthorized,
    UnknownModel,
    UnknownPart,
    UnknownRoute,
)
from guard.errors.upstream import UpstreamBroken, UpstreamFailed, UpstreamTimeout, UpstreamUnreachable

__all__ = [
    "AnswerUnreadable",
    "AuditUnavailable",
    "BodyTimeout",
    "BodyTooLarge",
    "BundleInvalid",
    "BundleMismatch",
    "BundleUntrusted",
    "CalibrationInvalid",
    "ConfigInvalid",
    "ContentLocked",
    "ContentNotKept",
    "ContentUnjudged",
    "DecisionUnknown",
    "EncodingUnsupported",
    "Forbidden",
    "GateNotPassed",
    "GuardError",
    "ImageRejected",
    "ImageUnreachable",
    "JudgeFailed",
    "JudgeOverBudget",
    "JudgePaused",
    "JudgeTimeout",
    "JudgeUndecided",
    "KeyInvalid",
    "NotAllowable",
    "OcrFailed",
    "Overloaded",
    "PreparationTimeout",
    "ProposalRefused",
    "RateLimited",
    "RequestInvalid",
    "ScorerFailed",
    "ScorerTimeout",
    "StoreFailed",
    "StoreFull",
    "StoreInvalid",
    "StoreLocked",
    "StoreNewer",
    "StoreUnavailable",
    "SuiteInvalid",
    "SupervisorLost",
    "SwapRefused",
    "TextTooLong",
    "TextUnreadable",
    "Unauthorized",
    "UnknownModel",
    "UnknownPart",
    "UnknownRoute",
    "UpstreamBroken",
    "UpstreamFailed",
    "UpstreamTimeout",
    "UpstreamUnreachable",
    "UsageError",
]
