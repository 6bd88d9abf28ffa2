"""Panels that say what Guard does all day: what it judges, refuses and asks, and how long that takes."""

from integrations.grafana.panel import INK, OF_POLICY, RED, Panel, Series, share

_PICTURES = "sum(rate(guard_images_total[$__rate_interval]))"
_UNJUDGED = 'sum(rate(guard_images_total{result="unjudged"}[$__rate_interval]))'

ROWS: dict[str, tuple[Panel, ...]] = {
    "Is everything judged?": (
        Panel(
            "Pictures not judged",
            "Share of pictures that could not be judged; policy decides what happens to them.",
            (Series(share(_UNJUDGED, _PICTURES), "not judged", INK),),
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
                Series("sum(rate(guard_audit_dropped_total[$__rate_interval]))", "not stored", RED),
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
                    f"sum by (result) (rate(guard_judge_opinions_total{{{OF_POLICY}}}[$__rate_interval]))",
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
                Series("sum(increase(guard_judge_dollars_total[1d]))", "dollars in 24 hours", INK),
                Series("max(guard_judge_paused_workers)", "workers without a judge", RED),
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
