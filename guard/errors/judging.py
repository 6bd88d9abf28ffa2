"""Guard's own faults while it judges: the scorer, the judge, time, permits, and its supervisor."""

from guard.errors.base import GuardError


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
