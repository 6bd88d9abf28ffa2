"""The panels of the dashboard, by row: what each asks of Prometheus, and how it says it.

`$policy` and `$window` are variables of the dashboard; `$__rate_interval` is Grafana's own.
"""

from dataclasses import dataclass, field

_OF_POLICY = 'policy="$policy"'
_OF_WINDOW = f'{_OF_POLICY}, window="$window"'
# Red is kept for limits and for what is wrong; an estimate and its interval share a colour.
_INK, _RED, _GREY = "#3b6ea5", "#c4473a", "#8a8f98"


@dataclass(frozen=True)
class Series:
    """One query of a panel, and how its lines are called."""

    query: str
    name: str = ""
    color: str | None = None
    is_dashed: bool = False
    fills_to: str | None = None  # name of the series that bounds the filled band


@dataclass(frozen=True)
class Panel:
    """A figure: its question as the title, what it says, its series, its unit and shape."""

    title: str
    says: str
    series: tuple[Series, ...]
    unit: str = "percentunit"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    is_stacked: bool = False
    may_be_negative: bool = False
    steps: tuple[tuple[float | None, str], ...] = field(default=((None, "text"),))


def interval(metric: str) -> tuple[Series, ...]:
    """Return the series of a rate with its interval as a band."""
    return (
        Series(f'max({metric}{{{_OF_WINDOW}, kind="high"}})', "high", _INK, fills_to="low"),
        Series(f'min({metric}{{{_OF_WINDOW}, kind="low"}})', "low", _INK),
        Series(f'avg({metric}{{{_OF_WINDOW}, kind="estimate"}})', "estimate", _INK),
    )


def share(of: str, all_: str) -> str:
    """Return the query of a share, 0 where its counter has not begun."""
    return f"({of} or 0 * {all_}) / {all_}"


_DECIDED = f'sum(rate(guard_decisions_total{{direction="input", {_OF_POLICY}}}[$__rate_interval]))'
_BLOCKED = f'sum(rate(guard_decisions_total{{direction="input", intended="block", {_OF_POLICY}}}[$__rate_interval]))'
_PICTURES = "sum(rate(guard_images_total[$__rate_interval]))"
_UNJUDGED = 'sum(rate(guard_images_total{result="unjudged"}[$__rate_interval]))'

ROWS: dict[str, tuple[Panel, ...]] = {
    "Is harmless traffic refused?": (
        Panel(
            "False refusal rate",
            "Wrongly refused ÷ all harmless traffic, from reviews. No value: not enough reviews.",
            (Series(f'max(guard_false_refusal_ratio{{{_OF_WINDOW}, kind="estimate"}})', "estimate"),),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "at least",
            "The lower end of the interval. Above the certified limit, the promise is broken.",
            (Series(f'min(guard_false_refusal_ratio{{{_OF_WINDOW}, kind="low"}})', "low"),),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "at most",
            "The upper end of the interval.",
            (Series(f'max(guard_false_refusal_ratio{{{_OF_WINDOW}, kind="high"}})', "high"),),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "Certified limit",
            "What the bundle promises about data like its calibration data.",
            (Series(f'max(guard_certified_false_refusal_ratio{{{_OF_POLICY}, kind="limit"}})', "limit"),),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "Reviewed",
            "Decisions that these rates rest on.",
            (Series(f"max(guard_reviewed_decisions{{{_OF_WINDOW}}})", "reviewed"),),
            unit="none",
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "Answered",
            "Of what was drawn for review, the share that was reviewed. Below 95 % the interval allows for the worst.",
            (Series(f"min(guard_review_response_ratio{{{_OF_WINDOW}}})", "answered"),),
            kind="stat",
            width=4,
            height=4,
            steps=((None, "orange"), (0.95, "text")),
        ),
        Panel(
            "False refusals, with their interval",
            "Wrongly refused ÷ all harmless traffic; the band is the 95 % interval.",
            (
                *interval("guard_false_refusal_ratio"),
                Series(
                    f'max(guard_certified_false_refusal_ratio{{{_OF_POLICY}, kind="limit"}})',
                    "certified limit",
                    _RED,
                    is_dashed=True,
                ),
            ),
            width=12,
            height=9,
        ),
        Panel(
            "Refused",
            "Share of decisions that policy would block, rightly or wrongly; usual is the week before the last day.",
            (
                Series(share(_BLOCKED, _DECIDED), "refused", _INK),
                Series(f"avg(policy:guard_refused:ratio_usual{{{_OF_POLICY}}})", "usual", _GREY, is_dashed=True),
            ),
            width=6,
            height=9,
        ),
        Panel(
            "Burn of the refusal budget",
            "Refusals beyond the usual ones ÷ certified limit. 1 uses it up exactly; 14.4 for an hour wakes somebody.",
            (
                Series(f"max(policy:guard_refusal_budget_burn:ratio1h{{{_OF_POLICY}}})", "1 h"),
                Series(f"max(policy:guard_refusal_budget_burn:ratio1d{{{_OF_POLICY}}})", "1 d"),
            ),
            unit="none",
            width=6,
            height=9,
            may_be_negative=True,
        ),
    ),
    "And the other mistakes?": (
        Panel(
            "Block error rate",
            "Wrongly refused ÷ refused: how often a refusal is wrong.",
            interval("guard_block_error_ratio"),
        ),
        Panel("Miss rate", "Wrongly allowed ÷ all unsafe traffic.", interval("guard_miss_ratio")),
        Panel(
            "Reviews",
            "Open reviews, and what reviewers said.",
            (
                Series("max(guard_reviews_open)", "open", _RED),
                Series(f"max(guard_review_agreement_ratio{{{_OF_POLICY}}})", "agreement (kappa)", _INK),
                Series("max(guard_review_oldest_seconds) / 3600", "hours that the oldest waits", _GREY),
                Series(
                    'sum by (action, label) (increase(guard_reviews_total{source="reviewer"}[1h]))',
                    "{{action}}: {{label}}, last hour",
                ),
            ),
            unit="none",
        ),
    ),
    "Is the traffic still what was calibrated on?": (
        Panel(
            "Score drift (PSI)",
            "Distance of the spread of scores from calibration; above the dashed limit it is drift, not chance.",
            (
                Series(
                    f"max by (against, window) (guard_score_drift_psi{{{_OF_POLICY}}})",
                    "{{window}} against {{against}}",
                    _INK,
                ),
                Series(
                    f"max by (against, window) (guard_score_drift_limit_psi{{{_OF_POLICY}}})",
                    "limit, {{window}} against {{against}}",
                    _RED,
                    is_dashed=True,
                ),
            ),
            unit="none",
        ),
        Panel(
            "Probability of unsafe",
            "How the calibrated probabilities of prompts are spread.",
            (
                Series(
                    "sum by (le) (increase(guard_probability_bucket"
                    f'{{direction="input", {_OF_POLICY}}}[$__rate_interval]))',
                    "{{le}}",
                ),
            ),
            unit="none",
            kind="heatmap",
        ),
        Panel(
            "Canaries, and what lies near the threshold",
            "Probes through the live guard: harmless ones refused, unsafe ones missed. Share of scored decisions near "
            "their threshold.",
            (
                Series(f"max(guard_near_threshold_ratio{{{_OF_POLICY}}})", "near the threshold", _GREY),
                Series(f"max by (kind) (guard_canary_ratio{{{_OF_POLICY}}})", "{{kind}}"),
            ),
        ),
    ),
    "Is everything judged?": (
        Panel(
            "Pictures not judged",
            "Share of pictures that could not be judged; policy decides what happens to them.",
            (Series(share(_UNJUDGED, _PICTURES), "not judged", _INK),),
        ),
        Panel(
            "Why not",
            "Pictures and other parts that could not be judged, by reason.",
            (
                Series(
                    'sum by (reason) (rate(guard_images_total{result="unjudged"}[$__rate_interval]))',
                    "picture: {{reason}}",
                ),
                Series("sum by (code) (rate(guard_unjudged_parts_total[$__rate_interval]))", "part: {{code}}"),
            ),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            "Guard's own failures",
            "By stage, code and what was done; `allow` is fail-open.",
            (
                Series(
                    "sum by (stage, code, action) (rate(guard_errors_total[$__rate_interval]))",
                    "{{stage}} {{code}}: {{action}}",
                ),
                Series("sum(rate(guard_audit_dropped_total[$__rate_interval]))", "not stored", _RED),
            ),
            unit="reqps",
            is_stacked=True,
        ),
    ),
    "What is refused, and by which bundle?": (
        Panel(
            "Requests",
            "By what was done with them.",
            (Series("sum by (action) (rate(guard_requests_total[$__rate_interval]))", "{{action}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            "Categories",
            "Unsafe decisions by the category that was decisive.",
            (Series("sum by (category) (rate(guard_categories_total[$__rate_interval]))", "{{category}}"),),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            "Bundles",
            "What judges, and what its release gate said.",
            (Series("max by (instance, bundle, digest, provider, precision, gate) (guard_bundle_info)"),),
            unit="none",
            kind="table",
        ),
    ),
    "What does the judge say, where one is asked?": (
        Panel(
            "Second opinions",
            "Pairs that the guard was not sure of: the judge's verdict, or why there is none.",
            (
                Series(
                    f"sum by (result) (rate(guard_judge_opinions_total{{{_OF_POLICY}}}[$__rate_interval]))",
                    "{{result}}",
                ),
            ),
            unit="reqps",
            is_stacked=True,
        ),
        Panel(
            "Cost of the judge",
            "Dollars of the last day, and workers that leave the judge alone after it failed in a row.",
            (
                Series("sum(increase(guard_judge_dollars_total[1d]))", "dollars in 24 hours", _INK),
                Series("max(guard_judge_paused_workers)", "workers without a judge", _RED),
            ),
            unit="none",
        ),
    ),
    "Is it fast?": (
        Panel(
            "What a request waits for Guard",
            "By route: median and 99th percentile.",
            (
                Series("max by (route) (route:guard_added_latency_seconds:p50_5m)", "{{route}} median"),
                Series("max by (route) (route:guard_added_latency_seconds:p99_5m)", "{{route}} 99 %"),
            ),
            unit="s",
        ),
        Panel(
            "Stages, 99th percentile",
            "Where the time goes.",
            (
                Series(
                    "histogram_quantile(0.99, sum by (stage, le) (rate(guard_stage_seconds_bucket[$__rate_interval])))",
                    "{{stage}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            "Load",
            "Requests under way, those turned away, calls to the LLM API that fail, and look-ups found in the cache.",
            (
                Series("sum(guard_inflight_requests)", "under way"),
                Series("sum(guard_queue_pairs)", "pairs that wait"),
                Series(
                    "sum(rate(guard_batch_pairs_sum[$__rate_interval]))"
                    " / sum(rate(guard_batch_pairs_count[$__rate_interval]))",
                    "readings at once",
                ),
                Series("sum by (reason) (rate(guard_rejected_total[$__rate_interval]))", "turned away: {{reason}}"),
                Series(
                    'sum by (code) (rate(guard_upstream_requests_total{code!~"2.."}[$__rate_interval]))',
                    "LLM API: {{code}}",
                ),
                Series('sum(rate(guard_cache_requests_total{result="hit"}[$__rate_interval]))', "cache hits"),
            ),
            unit="none",
        ),
    ),
}
