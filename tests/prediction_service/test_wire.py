"""The wire's shapes: what they take, what they refuse, and that they need nothing but pydantic."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from prediction_service.wire import PredictRequest, Record


@pytest.mark.parametrize("message_id", ["a", "", 7, -3, 2**63 - 1])
def test_a_message_id_is_text_or_a_whole_number_and_stays_what_it_was(message_id: str | int) -> None:
    given = Record.model_validate({"body": "hi", "message_id": message_id}).message_id
    assert (given, type(given)) == (message_id, type(message_id))


@pytest.mark.parametrize("message_id", [True, 1.5, None, [], {}, 2**63, "x" * 513])
def test_another_message_id_is_refused(message_id: Any) -> None:
    with pytest.raises(ValidationError):
        Record.model_validate({"body": "hi", "message_id": message_id})


@pytest.mark.parametrize("body", [1, None, ["hi"], {"text": "hi"}, True])
def test_a_body_that_is_no_text_is_refused(body: Any) -> None:
    with pytest.raises(ValidationError):
        Record.model_validate({"body": body, "message_id": 1})


def test_unknown_fields_are_passed_over() -> None:
    request = {"Records": [{"body": "hi", "message_id": 1, "user": "x"}], "trace": True}
    assert PredictRequest.model_validate(request).Records == [Record(body="hi", message_id=1)]


def test_the_wire_imports_neither_flask_nor_a_model() -> None:
    code = (
        "import sys, prediction_service.wire;"
        "print(sorted({'flask', 'numpy', 'modeling', 'gunicorn', 'structlog'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
