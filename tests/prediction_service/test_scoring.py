"""MLflow's dialect: every form of its input, CSV, its pings, and its error for all that is wrong."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE, decide
from prediction_service.app import create_app
from prediction_service.dialects import frames
from prediction_service.dialects.dialect import Limits
from prediction_service.dialects.scoring import MLFLOW
from prediction_service.metrics import Metrics
from prediction_service.problems import Refusal
from prediction_service.settings import Settings
from tests.conftest import Messages
from tests.prediction_service.loaders import loaded_from, not_begun

PATH = "/invocations"


def client_of(bundle_dir: Path, max_text_chars: int) -> FlaskClient:
    loader = loaded_from(bundle_dir)
    options = Settings(max_body_bytes=400_000, max_records=5, max_text_chars=max_text_chars)
    return create_app(options, loader, Metrics()).test_client()


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    with client_of(bundle_dir, max_text_chars=1_000) as client:
        yield client


def rows(bundle_dir: Path, *texts: str) -> list[dict[str, Any]]:
    """What the bundle itself says of these texts."""
    bundle = bundles.load(bundle_dir)
    scores = bundle.score(texts)[ATTRIBUTE].tolist()
    verdicts = [decide({ATTRIBUTE: score}, bundle.policy) for score in scores]
    return [
        {"score": score, "action": action, "rule": rule}
        for score, (action, rule) in zip(scores, verdicts, strict=True)
    ]


def answered(answer: Any, expected: list[dict[str, Any]]) -> None:
    assert (answer.status_code, answer.content_type) == (200, "application/json"), answer.text
    assert {"predictions": expected} == answer.json


def refused(answer: Any, status: int, code: str, message: str) -> None:
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.text
    assert ["error_code", "message"] == list(answer.json)
    assert code == answer.json["error_code"]
    assert message in answer.json["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["text"], "data": [["hi"], ["you"]]}},
        {"dataframe_split": {"columns": ["text"], "data": ["hi", "you"]}},
        {"dataframe_split": {"columns": ["text"], "index": [5, 6], "data": [["hi"], ["you"]]}},
        {"dataframe_split": {"columns": ["id", "text", 7], "data": [[1, "hi", None], [2, "you", {}]]}},
        {"dataframe_records": [{"text": "hi"}, {"id": 1, "text": "you"}]},
        {"instances": ["hi", "you"]},
        {"instances": [{"text": "hi"}, {"text": "you", "id": 2}]},
        {"instances": {"text": ["hi", "you"]}},
        {"inputs": ["hi", "you"]},
        {"inputs": [{"text": "hi"}, {"text": "you"}]},
        {"inputs": {"text": ["hi", "you"], "id": [1, 2]}},
        {"inputs": ["hi", "you"], "params": {"temperature": 1}},
        {"inputs": ["hi", "you"], "params": None, "client_request_id": "7"},
    ],
)
def test_each_form_is_answered_as_the_bundle_does(
    client: FlaskClient, bundle_dir: Path, body: dict[str, Any]
) -> None:
    answered(client.post(PATH, json=body), rows(bundle_dir, "hi", "you"))


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["text"], "data": [["hi"]]}},
        {"dataframe_records": [{"text": "hi"}]},
        {"instances": {"text": "hi"}},
    ],
)
def test_one_text_is_one_row(client: FlaskClient, bundle_dir: Path, body: dict[str, Any]) -> None:
    answered(client.post(PATH, json=body), rows(bundle_dir, "hi"))


@pytest.mark.parametrize(
    "body", [{"inputs": []}, {"instances": []}, {"dataframe_split": {"columns": ["text"], "data": []}}]
)
def test_no_rows_are_no_predictions(client: FlaskClient, body: dict[str, Any]) -> None:
    answered(client.post(PATH, json=body), [])


def test_all_actions_and_their_rules_are_told(
    client: FlaskClient, bundle_dir: Path, messages: Messages
) -> None:
    texts = [messages.civil, messages.flagged, messages.removed]
    answer = client.post(PATH, json={"inputs": texts})
    assert ["allow", "flag", "remove"] == [row["action"] for row in answer.json["predictions"]]
    answered(answer, rows(bundle_dir, *texts))


@pytest.mark.parametrize("text", ["", " ", "\0", "\u200b", "NaN", "naïve 🙂", 'a,b\n"c"', "\r"])
def test_odd_and_empty_texts_are_judged_in_json_and_csv(
    client: FlaskClient, bundle_dir: Path, text: str
) -> None:
    expected = rows(bundle_dir, text)
    answered(client.post(PATH, json={"inputs": [text]}), expected)
    quoted = text.replace('"', '""')
    answered(client.post(PATH, data=f'text\n"{quoted}"\n'.encode(), content_type="text/csv"), expected)


def test_half_an_emoji_is_judged(client: FlaskClient) -> None:
    body = rb'{"inputs": ["half \ud83d"]}'
    assert client.post(PATH, data=body, content_type="application/json").status_code == 200


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"text\nhi\nyou\n", ["hi", "you"]),
        (b"text\r\nhi\r\nyou", ["hi", "you"]),
        (b"text\rhi\ryou\r", ["hi", "you"]),
        (b"\xef\xbb\xbftext\nhi\n", ["hi"]),
        (b",text,n\n0,hi,1\n1,you,2\n", ["hi", "you"]),
        (b'text\n"a,b"\n"two\nlines"\n"say ""hi"""\n', ["a,b", "two\nlines", 'say "hi"']),
        (b'text\na"b\n', ['a"b']),
        (b"\n\ntext\n\nhi\n\n", ["hi"]),
        (b"text,n\nhi\n", ["hi"]),
        (b"text\n5\nNA\n", ["5", "NA"]),
        (b"text\n", []),
        (b"n,text\n" + b"a" * 100_000 + b",hi\n", ["hi"]),
    ],
)
@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8"])
def test_csv_is_read_as_pandas_writes_it(
    client: FlaskClient, bundle_dir: Path, content: bytes, texts: list[str], kind: str
) -> None:
    answered(client.post(PATH, data=content, content_type=kind), rows(bundle_dir, *texts))


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", "BAD_REQUEST", "no header line"),
        (b"\n\n", "BAD_REQUEST", "no header line"),
        (b"body\nhi\n", "INVALID_PARAMETER_VALUE", "Model is missing inputs ['text']. Note that there"),
        (b" text\nhi\n", "INVALID_PARAMETER_VALUE", 'extra inputs: " text"'),
        (b"text,text\na,b\n", "BAD_REQUEST", "there are 2 columns 'text'"),
        (b"text\nhi,there\n", "BAD_REQUEST", "row 0: 1 columns in the header, 2 here"),
        (b"n,text\n1,hi\n2\n", "INVALID_PARAMETER_VALUE", "text[1] is missing: give each row its text"),
        (b'text\n"open\nhi', "BAD_REQUEST", "cannot be read as CSV in UTF-8 (unexpected end of data)"),
        (b'text\n"a"b\n', "BAD_REQUEST", "cannot be read as CSV"),
        (b"text\n\xff\n", "BAD_REQUEST", "cannot be read as CSV in UTF-8"),
        (b"text\n" + b"hi\n" * 6, "INVALID_PARAMETER_VALUE", "rows is more than 5: send at most 5"),
        (b"text\n" + b"a" * 1_001, "INVALID_PARAMETER_VALUE", "text[0] is 1001 characters: send at most"),
        (b"text\n" + b"a" * 200_000, "BAD_REQUEST", "field larger than field limit"),
    ],
)
def test_csv_that_cannot_be_served_gets_mlflows_error(
    client: FlaskClient, content: bytes, code: str, message: str
) -> None:
    refused(client.post(PATH, data=content, content_type="text/csv"), 400, code, message)


def test_a_field_of_csv_may_be_as_long_as_a_text() -> None:
    limits, before = Limits(records=1, text_chars=300_000), csv.field_size_limit()
    content = b"text\n" + b"a" * 300_000
    try:
        with pytest.raises(Refusal):
            frames.texts_of_csv(content, limits)
        frames.allow_fields(limits)
        assert ["a" * 300_000] == frames.texts_of_csv(content, limits)
        frames.allow_fields(Limits(records=1, text_chars=10))
        assert 300_000 == csv.field_size_limit()
    finally:
        csv.field_size_limit(before)


def test_the_service_lets_csv_hold_texts_as_long_as_its_limit(bundle_dir: Path) -> None:
    before = csv.field_size_limit()
    try:
        content = b"text\n" + b"a" * 200_000
        answer = client_of(bundle_dir, max_text_chars=200_000).post(
            PATH, data=content, content_type="text/csv"
        )
        answered(answer, rows(bundle_dir, "a" * 200_000))
    finally:
        csv.field_size_limit(before)


SCHEMA = "Model is missing inputs ['text']"


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({}, "BAD_REQUEST", "exactly one of the input fields"),
        ({"inputs": ["a"], "instances": ["a"]}, "BAD_REQUEST", "Received instances, inputs."),
        ({"messages": [{"role": "user", "content": "hi"}]}, "BAD_REQUEST", "Received none."),
        ({"prompt": "hi"}, "BAD_REQUEST", "exactly one of the input fields"),
        ({"input": ["hi"]}, "BAD_REQUEST", "exactly one of the input fields"),
        ([], "INVALID_PARAMETER_VALUE", "give an object"),
        ("hi", "INVALID_PARAMETER_VALUE", "give an object"),
        ({"dataframe_split": {"columns": ["body"], "data": [["hi"]]}}, "INVALID_PARAMETER_VALUE", SCHEMA),
        ({"dataframe_split": {"columns": ["text"]}}, "BAD_REQUEST", 'Got "columns".'),
        ({"dataframe_split": {"data": [["hi"]]}}, "BAD_REQUEST", "'columns' and 'data' as lists"),
        ({"dataframe_split": {"columns": ["text"], "data": "hi"}}, "BAD_REQUEST", "as lists"),
        (
            {"dataframe_split": {"columns": ["text"], "data": [], "x": 1}},
            "BAD_REQUEST",
            "optionally 'columns'",
        ),
        ({"dataframe_split": [["hi"]]}, "BAD_REQUEST", "must be a dictionary. Got a list of 1."),
        (
            {"dataframe_split": {"columns": ["text"], "data": [["hi"], ["a", "b"]]}},
            "BAD_REQUEST",
            "data[1]: 1 columns passed, passed data had 2 columns",
        ),
        (
            {"dataframe_split": {"columns": ["text", "text"], "data": [["a", "b"]]}},
            "BAD_REQUEST",
            "there are 2 columns 'text': send one of them",
        ),
        (
            {"dataframe_split": {"columns": ["n", "text"], "data": [[1, "a"], [2, None]]}},
            "INVALID_PARAMETER_VALUE",
            "dataframe_split.data[1][1] is null: give a string",
        ),
        ({"dataframe_records": []}, "INVALID_PARAMETER_VALUE", SCHEMA),
        ({"dataframe_records": ["hi"]}, "INVALID_PARAMETER_VALUE", SCHEMA),
        ({"dataframe_records": [{"body": "a"}]}, "INVALID_PARAMETER_VALUE", 'extra inputs: "body".'),
        ({"dataframe_records": {"text": ["a"]}}, "BAD_REQUEST", "must be a list of records"),
        (
            {"dataframe_records": [{"text": "a"}, {"body": "b"}]},
            "INVALID_PARAMETER_VALUE",
            "dataframe_records[1].text is missing: give each row its text",
        ),
        ({"dataframe_records": [{"text": 5}]}, "INVALID_PARAMETER_VALUE", "records[0].text is 5: give a str"),
        ({"instances": ["a", {"text": "b"}]}, "INVALID_PARAMETER_VALUE", "instances[0] is missing"),
        ({"instances": ["a", None]}, "INVALID_PARAMETER_VALUE", "instances[1] is null: give a string"),
        ({"instances": "hi"}, "INVALID_PARAMETER_VALUE", SCHEMA),
        ({"inputs": "hi"}, "INVALID_PARAMETER_VALUE", SCHEMA),
        ({"inputs": None}, "INVALID_PARAMETER_VALUE", SCHEMA),
        ({"inputs": {}}, "INVALID_PARAMETER_VALUE", SCHEMA),
        ({"inputs": [["hi"]]}, "INVALID_PARAMETER_VALUE", "inputs[0] is a list of 1: give a string"),
        ({"inputs": {"text": [7]}}, "INVALID_PARAMETER_VALUE", "inputs.text[0] is 7: give a string"),
        ({"inputs": {"text": None}}, "INVALID_PARAMETER_VALUE", "inputs.text[0] is null: give a string"),
        ({"inputs": ["a"] * 6}, "INVALID_PARAMETER_VALUE", "rows is more than 5: send at most 5"),
        ({"inputs": ["a", "b" * 1_001]}, "INVALID_PARAMETER_VALUE", "inputs[1] is 1001 characters"),
        ({"inputs": [1, 2]}, "INVALID_PARAMETER_VALUE", "give a string; and 1 more"),
    ],
)
def test_a_request_that_cannot_be_served_gets_mlflows_error(
    client: FlaskClient, body: Any, code: str, message: str
) -> None:
    refused(client.post(PATH, json=body), 400, code, message)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hi",
        b"[" * 50_000,
        b'{"inputs": ["\xff"]}',
        b'{"inputs": ["a"], "x": NaNs}',
        b"\x1f\x8b\x08",
    ],
)
def test_what_is_no_json_gets_mlflows_error(client: FlaskClient, body: bytes) -> None:
    refused(
        client.post(PATH, data=body, content_type="application/json"), 400, "BAD_REQUEST", "cannot be read"
    )


@pytest.mark.parametrize("number", [b"9" * 4_000, b"9" * 5_000, b"1e400", b"NaN", b"-Infinity"])
def test_no_number_breaks_it(client: FlaskClient, number: bytes) -> None:
    answer = client.post(PATH, data=b'{"inputs": [' + number + b"]}", content_type="application/json")
    assert 400 == answer.status_code
    assert {"error_code", "message"} == set(answer.json)


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/vnd.apache.parquet",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "text/csv; charset=utf-16",
        "text/csv; header=absent",
        "",
    ],
)
def test_another_content_type_is_415(client: FlaskClient, kind: str) -> None:
    answer = client.post(PATH, data=b'{"inputs": ["a"]}', headers={"Content-Type": kind})
    refused(answer, 415, "BAD_REQUEST", f'Content-Type is "{kind}": send')
    assert "application/json, text/csv" == answer.headers["Accept"]


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"'])
def test_json_may_say_that_it_is_utf_8(client: FlaskClient, bundle_dir: Path, charset: str) -> None:
    kind = f"application/json; charset={charset}"
    answered(client.post(PATH, data=b'{"inputs": ["hi"]}', content_type=kind), rows(bundle_dir, "hi"))


def test_other_wrong_turns_get_mlflows_error_too(client: FlaskClient) -> None:
    refused(client.get(PATH), 405, "BAD_REQUEST", "use POST")
    refused(client.post("/ping"), 405, "BAD_REQUEST", "use GET")
    refused(client.post("/invocations/more"), 404, "ENDPOINT_NOT_FOUND", "there is nothing at this path")
    refused(client.post(PATH, json={"inputs": ["a" * 400_001]}), 413, "BAD_REQUEST", "MAX_BODY_BYTES")


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_a_ping_is_200_once_messages_are_judged(client: FlaskClient, tmp_path: Path, path: str) -> None:
    answer = client.get(path)
    assert (200, "\n") == (answer.status_code, answer.text)
    loader = not_begun()
    unready = create_app(Settings(), loader, Metrics()).test_client()
    refused(unready.get(path), 503, "TEMPORARILY_UNAVAILABLE", "the bundle is being loaded")
    refused(unready.post(PATH, json={"inputs": []}), 503, "TEMPORARILY_UNAVAILABLE", "is being loaded")
    assert "1" == unready.get(path).headers["Retry-After"]


def test_the_services_own_probe_is_not_mlflows(client: FlaskClient) -> None:
    assert {"status": "alive"} == client.get("/healthz").json


def test_the_version_is_that_of_the_mlflow_which_it_is_held_against(client: FlaskClient) -> None:
    from mlflow.version import VERSION

    assert VERSION == MLFLOW == client.get("/version").text


def test_an_error_of_ours_gets_mlflows_error(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prediction_service.dialects.frames.texts_of", None)
    with capture_logs():
        answer = client.post(PATH, json={"inputs": ["a"]})
        refused(answer, 500, "INTERNAL_ERROR", "report it with this request id")


def test_a_request_is_one_scoring_call(
    client: FlaskClient, bundle_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    score = bundles.Bundle.score
    monkeypatch.setattr(
        bundles.Bundle, "score", lambda self, texts: calls.append(texts) or score(self, texts)
    )
    client.post(PATH, json={"inputs": ["a", "b", "c"]})
    assert [["a", "b", "c"]] == calls


def test_no_text_is_logged(client: FlaskClient) -> None:
    with capture_logs() as lines:
        client.post(PATH, json={"inputs": ["very private"]})
        client.post(PATH, json={"inputs": [["very private"]]})
    assert lines
    assert "private" not in json.dumps(lines)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["text", "columns", "data", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)
FORMS = st.fixed_dictionaries({}, optional=dict.fromkeys([*frames.FORMS, "params", "prompt"], VALUES))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=VALUES
    | FORMS
    | st.sampled_from(list(frames.FORMS)).flatmap(lambda form: st.fixed_dictionaries({form: VALUES}))
)
def test_whatever_json_is_sent_gets_an_answer_or_mlflows_error(client: FlaskClient, body: Any) -> None:
    judged_or_refused(client.post(PATH, data=json.dumps(body), content_type="application/json"))


CSV_PIECES = st.sampled_from(["text", "a", ",", "\n", "\r", '"', "\0", "🙂", "\ufeff", " ", ";", "\ud83d"])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=60)
    | st.lists(CSV_PIECES, max_size=20)
    .map("".join)
    .map(lambda text: f"text\n{text}".encode("utf-8", "surrogatepass"))
)
def test_whatever_csv_is_sent_gets_an_answer_or_mlflows_error(client: FlaskClient, body: bytes) -> None:
    judged_or_refused(client.post(PATH, data=body, content_type="text/csv"))


def judged_or_refused(answer: Any) -> None:
    if answer.status_code != 200:
        assert 400 == answer.status_code, answer.text
        assert {"error_code", "message"} == set(answer.json)
