"""Lines of our own log and of gunicorn's: the same shape, the request's facts in each, and none lost."""

import json
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from prediction_service import logs

PREPARED = "import logging, structlog; from prediction_service import logs; logs.configure('info')\n"


def written(code: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", PREPARED + code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "" == done.stdout
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_holds_its_event_level_time_and_the_facts_of_the_request() -> None:
    [line] = written(
        "logs.begin('mine'); logs.bind(messages=3); structlog.get_logger().info('request', status=200)"
    )
    moment = datetime.fromisoformat(line.pop("timestamp"))
    assert 0 == moment.utcoffset().total_seconds()  # type: ignore[union-attr]
    assert {
        "event": "request",
        "level": "info",
        "messages": 3,
        "request_id": "mine",
        "status": 200,
    } == line


def test_after_a_request_its_facts_are_forgotten() -> None:
    [line] = written(
        "logs.begin('mine'); logs.end(); logs.bind(messages=3); structlog.get_logger().info('a')"
    )
    assert {"event", "level", "timestamp"} == set(line)


def test_what_is_below_the_level_is_not_written() -> None:
    assert [] == written("structlog.get_logger().debug('a')")


def test_an_exception_is_told_whole() -> None:
    [line] = written("try: 1 / 0\nexcept Exception: structlog.get_logger().exception('broken')")
    assert ("broken", "error") == (line["event"], line["level"])
    assert line["exception"].endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("value", ["'\\ud83d'", "2**70", "object()", "{1: 2}"])
def test_no_line_is_lost_over_a_value_that_orjson_refuses(value: str) -> None:
    [line] = written(f"structlog.get_logger().info('odd', value={value})")
    assert "odd" == line["event"]
    assert "value" in line


def test_gunicorns_lines_are_of_the_same_shape_and_name_their_logger() -> None:
    code = (
        "import logging.config; logging.config.dictConfig(logs.for_gunicorn('info')); logs.begin('mine')\n"
        "logging.getLogger('gunicorn.error').warning('bad %s', 'luck')"
    )
    [line] = written(code)
    line.pop("timestamp")
    assert {
        "event": "bad luck",
        "level": "warning",
        "logger": "gunicorn.error",
        "request_id": "mine",
    } == line


def test_outside_a_request_there_is_no_id() -> None:
    assert "" == logs.request_id()
