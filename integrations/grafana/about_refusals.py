"""Panels that say how often Guard is wrong, and whether that can still be known."""

from integrations.grafana.panel import AMBER, GREY, INK, OF_POLICY, OF_WINDOW, RED, Panel, Series, interval, share

_DECIDED = f'sum(rate(guard_decisions_total{{direction="input", {OF_POLICY}}}[$__rate_interval]))'
_BLOCKED = f'sum(rate(guard_decisions_total{{direction="input", intended="block", {OF_POLICY}}}[$__rate_interval]))'
_CERTIFIED = f'max(guard_certified_false_refusal_ratio{{{OF_POLICY}, kind="limit"}})'
_DECLARED = f"max(guard_declared_false_refusal_limit_ratio{{{OF_POLICY}}})"

ROWS: dict[str, tuple[Panel, ...]] = {
    "Is harmless traffic refused?": (
        Panel(
            "False refusal rate",
            "Wrongly refused ÷ all harmless traffic, from reviews. No value: not enough reviews.",
            (Series(f'max(guard_false_refusal_ratio{{{OF_WINDOW}, kind="estimate"}})', "estimate"),),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "at least",
            "The lower end of the interval. Above a certified limit a promise is broken, above a declared one a wish.",
            (Series(f'min(guard_false_refusal_ratio{{{OF_WINDOW}, kind="low"}})', "low"),),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "at most",
            "The upper end of the interval.",
            (Series(f'max(guard_false_refusal_ratio{{{OF_WINDOW}, kind="high"}})', "high"),),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "Limit",
            "Certified: proven, for data like the bundle's calibration data. Declared: what the operator wants.",
            (
                Series(_CERTIFIED, "certified"),
                Series(_DECLARED, "declared"),
            ),
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "Reviewed",
            "Decisions that these rates rest on.",
            (Series(f"max(guard_reviewed_decisions{{{OF_WINDOW}}})", "reviewed"),),
            unit="none",
            kind="stat",
            width=4,
            height=4,
        ),
        Panel(
            "Answered",
            "Of what was drawn for review, the share that was reviewed. Below 95 % the interval allows for the worst.",
            (Series(f"min(guard_review_response_ratio{{{OF_WINDOW}}})", "answered"),),
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
                Series(_CERTIFIED, "certified limit", RED, is_dashed=True),
                Series(_DECLARED, "declared limit", AMBER, is_dashed=True),
            ),
            width=12,
            height=9,
        ),
        Panel(
            "Refused",
            "Share of decisions that policy would block, rightly or wrongly; usual is the week before the last day.",
            (
                Series(share(_BLOCKED, _DECIDED), "refused", INK),
                Series(f"avg(policy:guard_refused:ratio_usual{{{OF_POLICY}}})", "usual", GREY, is_dashed=True),
            ),
            width=6,
            height=9,
        ),
        Panel(
            "Burn of the refusal budget",
            "Refusals beyond the usual ones ÷ the stricter limit. 1 uses it up exactly; 14.4 for an hour wakes people.",
            (
                Series(f"max(policy:guard_refusal_budget_burn:ratio1h{{{OF_POLICY}}})", "1 h"),
                Series(f"max(policy:guard_refusal_budget_burn:ratio1d{{{OF_POLICY}}})", "1 d"),
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
                Series("max(guard_reviews_open)", "open", RED),
                Series(f"max(guard_review_agreement_ratio{{{OF_POLICY}}})", "agreement (kappa)", INK),
                Series("max(guard_review_oldest_seconds) / 3600", "hours that the oldest waits", GREY),
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
            "How far scores have moved from the first day or the calibration; above the dashed limit it is no chance.",
            (
                Series(
                    f"max by (against, window) (guard_score_drift_psi{{{OF_POLICY}}})",
                    "{{window}} against {{against}}",
                    INK,
                ),
                Series(
                    f"max by (against, window) (guard_score_drift_limit_psi{{{OF_POLICY}}})",
                    "limit, {{window}} against {{against}}",
                    RED,
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
                    f'{{direction="input", {OF_POLICY}}}[$__rate_interval]))',
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
                Series(f"max(guard_near_threshold_ratio{{{OF_POLICY}}})", "near the threshold", GREY),
                Series(f"max by (kind) (guard_canary_ratio{{{OF_POLICY}}})", "{{kind}}"),
            ),
        ),
    ),
}
