"""The figures of several workers as those of one."""

from guard.ports import ScorerInfo
from guard.server.figures import Snapshot, add_up, lasting, page_of, snapshot_of
from guard.telemetry import Telemetry

INFO = ScorerInfo("b-1", "a" * 64, "onnxruntime", "CPUExecutionProvider", "int8")


def _telemetry(requests: int, *, inflight: int = 0) -> Telemetry:
    telemetry = Telemetry()
    telemetry.served.bundle(INFO)
    for _ in range(requests):
        telemetry.request(route="/x", policy="balanced", mode="enforce", action="allow")
        telemetry.stage("score", 0.003)
    for _ in range(inflight):
        telemetry.began()
    return telemetry


def _snapshot(telemetry: Telemetry) -> Snapshot:
    return snapshot_of(telemetry.collect())


def _page(snapshot: Snapshot) -> str:
    return page_of(snapshot, "")[0].decode()


def test_page_of_one_worker_is_that_of_its_telemetry() -> None:
    telemetry = _telemetry(3, inflight=1)

    def guards(page: str) -> list[str]:
        return [line for line in page.splitlines() if "process_" not in line]  # memory grows in between

    assert guards(_page(add_up([_snapshot(telemetry)]))) == guards(telemetry.expose()[0].decode())


def test_counters_histograms_and_things_under_way_add_up() -> None:
    page = _page(add_up([_snapshot(_telemetry(3, inflight=1)), _snapshot(_telemetry(4, inflight=2))]))

    assert 'guard_requests_total{action="allow",mode="enforce",policy="balanced",route="/x"} 7.0' in page
    assert 'guard_stage_seconds_bucket{le="0.004",stage="score"} 7.0' in page
    assert 'guard_stage_seconds_count{stage="score"} 7.0' in page
    assert "guard_inflight_requests 3.0" in page


def test_bundle_that_all_serve_is_one() -> None:
    page = _page(add_up([_snapshot(_telemetry(0)), _snapshot(_telemetry(0))]))

    (line,) = [line for line in page.splitlines() if line.startswith("guard_bundle_info{")]
    assert line.endswith(" 1.0")


def test_process_began_when_the_first_worker_did() -> None:
    name, text, kind = "process_start_time_seconds", "start", "gauge"
    summed = add_up([[[name, text, kind, [[name, {}, 20.0]]]], [[name, text, kind, [[name, {}, 10.0]]]]])

    assert summed == [[name, text, kind, [[name, {}, 10.0]]]]


def test_worker_that_died_leaves_what_only_grows() -> None:
    left = lasting(_snapshot(_telemetry(3, inflight=5)))
    page = _page(add_up([left, _snapshot(_telemetry(1))]))

    assert 'guard_requests_total{action="allow",mode="enforce",policy="balanced",route="/x"} 4.0' in page
    assert "guard_inflight_requests 0.0" in page


def test_openmetrics_is_spoken_where_it_is_asked_for() -> None:
    page, content_type = page_of(_snapshot(_telemetry(1)), "application/openmetrics-text; version=1.0.0")

    assert content_type.startswith("application/openmetrics-text")
    assert page.endswith(b"# EOF\n")
