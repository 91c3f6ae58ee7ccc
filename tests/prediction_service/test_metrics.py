"""Figures of one process; that they add up across workers is shown by test_server.py."""

import pickle
import sys

from prediction_service.metrics import Metrics


def lines(metrics: Metrics) -> list[str]:
    return metrics.page().decode().splitlines()


def test_a_model_is_told_by_version_digest_and_kind() -> None:
    metrics = Metrics()
    metrics.serves("7", "ab", "hashed-linear")
    assert 'model_info{digest="ab",kind="hashed-linear",version="7"} 1.0' in lines(metrics)


def test_messages_are_counted_by_action() -> None:
    metrics = Metrics()
    metrics.decided(["allow", "flag", "allow"])
    metrics.decided(["remove"])
    metrics.decided([])
    found = lines(metrics)
    for action, count in (("allow", 2.0), ("flag", 1.0), ("remove", 1.0)):
        assert f'messages_processed_total{{action="{action}"}} {count}' in found


def test_a_scoring_call_is_one_observation() -> None:
    metrics = Metrics()
    metrics.inferred(0.02)
    found = lines(metrics)
    assert "inference_duration_seconds_count 1.0" in found
    assert 'inference_duration_seconds_bucket{le="0.01"} 0.0' in found
    assert 'inference_duration_seconds_bucket{le="0.025"} 1.0' in found


def test_an_invented_method_makes_no_new_series() -> None:
    metrics = Metrics()
    for method in ("BREW", "WHEN"):
        metrics.answered(method, "unmatched", 405, 0.001)
    assert 'http_requests_total{endpoint="unmatched",method="OTHER",status="405"} 2.0' in lines(metrics)


def test_two_applications_in_one_process_do_not_mix() -> None:
    Metrics().decided(["allow"])
    assert 'messages_processed_total{action="allow"} 1.0' not in lines(Metrics())


def test_series_that_are_expected_read_0_before_the_first_answer() -> None:
    metrics = Metrics()
    metrics.expect([("POST", "/predict"), ("GET", "/readyz")], "unmatched")
    duration = 'http_request_duration_seconds_count{endpoint="/predict",method="POST"}'
    for series in (
        duration,
        'http_requests_total{endpoint="/predict",method="POST",status="500"}',
        'http_requests_total{endpoint="/readyz",method="GET",status="503"}',
        'http_requests_total{endpoint="unmatched",method="OTHER",status="405"}',
    ):
        assert f"{series} 0.0" in lines(metrics)
    metrics.answered("POST", "/predict", 200, 0.001)
    assert f"{duration} 1.0" in lines(metrics)


def test_invented_methods_leave_nothing_behind() -> None:
    metrics = Metrics()
    metrics.answered("M", "unmatched", 405, 0.001)
    before = sys.getsizeof(pickle.dumps(list(metrics._answers)))
    for number in range(100):
        metrics.answered(f"M{number}", "unmatched", 405, 0.001)
    assert before == sys.getsizeof(pickle.dumps(list(metrics._answers)))
