"""Perspective's dialect: the shapes that its clients know, its options, and Google's errors."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE
from prediction_service.app import create_app
from prediction_service.dialects import discovery, google
from prediction_service.loader import Loaded, Loader, from_disk
from prediction_service.metrics import Metrics
from prediction_service.settings import Settings
from tests.prediction_service.loaders import loaded_from, not_begun, settled

PATH = "/v1alpha1/comments:analyze"
TEXT = "What kind of idiot name is foo? Sorry, I like your name."
MAPPING = {"TOXICITY": ATTRIBUTE, "INSULT": ATTRIBUTE}
ERROR = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
# WIRE.md's example, which is the providers' own
EXAMPLE = {
    "comment": {"text": TEXT, "type": "PLAIN_TEXT"},
    "context": {"entries": [{"text": "\u2026", "type": "PLAIN_TEXT"}]},
    "requestedAttributes": {"TOXICITY": {"scoreType": "PROBABILITY", "scoreThreshold": 0.0}, "INSULT": {}},
    "spanAnnotations": True,
    "languages": ["en"],
    "doNotStore": True,
    "clientToken": "abc",
    "sessionId": "s1",
    "communityId": "/forum/x",
    "dropUnsupportedAttributes": True,
}


def client_of(bundle_dir: Path, **mapping: str) -> FlaskClient:
    loader = loaded_from(bundle_dir, attributes=mapping)
    options = Settings(attributes=mapping, max_body_bytes=200_000)
    return create_app(options, loader, Metrics()).test_client()


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    with client_of(bundle_dir, **MAPPING) as client:
        yield client


def ask(client: FlaskClient, text: object = TEXT, **fields: Any) -> Any:
    return client.post(
        PATH, json={"comment": {"text": text}, "requestedAttributes": {ATTRIBUTE: {}}} | fields
    )


def refused(answer: Any, status: int, message: str, kind: str = "INVALID_REQUEST") -> dict[str, Any]:
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.text
    error: dict[str, Any] = answer.json["error"]
    assert {"error"} == set(answer.json)
    assert {"code", "message", "status", "details"} == set(error)
    assert status == error["code"]
    assert message in error["message"]
    if status == 400:
        assert "INVALID_ARGUMENT" == error["status"]
        assert {"@type": ERROR, "errorType": kind} == error["details"][0]
    return error


def test_the_documented_example_is_answered_in_the_documented_shape(
    client: FlaskClient, bundle_dir: Path
) -> None:
    whole, first, second = bundles.load(bundle_dir).score([TEXT, TEXT[:31], TEXT[32:]])[ATTRIBUTE].tolist()
    answer = client.post(f"{PATH}?key=K", json=EXAMPLE)
    expected = {
        "summaryScore": {"value": whole, "type": "PROBABILITY"},
        "spanScores": [
            {"begin": 0, "end": 31, "score": {"value": first, "type": "PROBABILITY"}},
            {"begin": 32, "end": 56, "score": {"value": second, "type": "PROBABILITY"}},
        ],
    }
    assert answer.status_code == 200, answer.text
    assert len({whole, first, second}) == 3
    assert answer.json == {
        "attributeScores": {"TOXICITY": expected, "INSULT": expected},
        "languages": ["en"],
        "detectedLanguages": ["en"],
        "clientToken": "abc",
    }
    assert "TOXICITY=LIKELY_TO_REJECT,INSULT=LIKELY_TO_REJECT" == answer.headers["X-Chatmod-Attributes"]


def test_text_and_attributes_are_enough_and_one_span_is_the_whole_text(client: FlaskClient) -> None:
    answer = ask(client, "  Two here. And \U0001f600 there.  ").json
    scores = answer["attributeScores"][ATTRIBUTE]
    assert [{"begin": 0, "end": 27, "score": scores["summaryScore"]}] == scores["spanScores"]
    assert "clientToken" not in answer


@given(
    st.lists(
        st.sampled_from(
            ["\U0001f600", "e\u0301", "\r\n", "\x00", ". ", "You idiot", "! ", "\u3002", "\ufe0f", "\ud83d"]
        ),
        min_size=1,
        max_size=15,
    ).map(lambda parts: "x" + "".join(parts))
)
def test_spans_cut_the_original_text_exactly(client: FlaskClient, text: str) -> None:
    body = json.dumps(
        {"comment": {"text": text}, "requestedAttributes": {ATTRIBUTE: {}}, "spanAnnotations": True}
    )
    answer = client.post(PATH, data=body, content_type="application/json")
    assert answer.status_code == 200, answer.text
    units = text.encode("utf-16-le", "surrogatepass")
    spans = answer.json["attributeScores"][ATTRIBUTE]["spanScores"]
    pieces = [units[2 * one["begin"] : 2 * one["end"]].decode("utf-16-le", "surrogatepass") for one in spans]
    assert all(piece and piece == piece.strip() for piece in pieces)
    assert "".join(text.split()) == "".join("".join(pieces).split())


def test_a_span_has_the_score_of_its_sentence_alone_in_the_same_call(bundle_dir: Path) -> None:
    calls: list[list[str]] = []
    loaded = from_disk(bundle_dir)

    class Noting:
        def score(self, texts: Any) -> Any:
            calls.append(list(texts))
            return loaded.bundle.score(texts)

    bundle = replace(loaded.bundle, scorer=Noting())
    loader = settled(Loader(lambda: Loaded(bundle, "1", "disk"), retry=False))
    client = create_app(Settings(), loader, Metrics()).test_client()
    calls.clear()
    spans = ask(client, spanAnnotations=True).json["attributeScores"][ATTRIBUTE]["spanScores"]
    assert [[TEXT, TEXT[:31], TEXT[32:]]] == calls
    alone = [
        ask(client, part).json["attributeScores"][ATTRIBUTE]["summaryScore"]
        for part in (TEXT[:31], TEXT[32:])
    ]
    assert alone == [one["score"] for one in spans]


def test_only_the_message_counts_and_not_its_sentences(bundle_dir: Path) -> None:
    client = client_of(bundle_dir)
    ask(client, spanAnnotations=True)
    lines = client.get("/metrics").text.splitlines()
    counts = [line.split()[-1] for line in lines if line.startswith("messages_processed_total")]
    assert ["1.0"] == counts


def test_an_attribute_below_its_threshold_is_left_out_and_nothing_remains_of_none(
    client: FlaskClient,
) -> None:
    score = ask(client).json["attributeScores"][ATTRIBUTE]["summaryScore"]["value"]
    at, over = {"scoreThreshold": score}, {"scoreThreshold": score + 1e-9}
    answer = ask(client, requestedAttributes={"TOXICITY": at, "INSULT": over}).json
    assert ["TOXICITY"] == list(answer["attributeScores"])
    assert {"languages": ["en"], "detectedLanguages": ["en"]} == ask(
        client, requestedAttributes={"INSULT": over}
    ).json


@pytest.mark.parametrize(
    ("given_languages", "expected"),
    [(["it"], ["it"]), (["de", "hi-Latn"], ["de", "hi-Latn"]), ([], ["en"]), (None, ["en"])],
)
def test_languages_are_echoed_or_guessed(
    client: FlaskClient, given_languages: list[str] | None, expected: list[str]
) -> None:
    answer = ask(client, languages=given_languages).json
    assert (expected, ["en"]) == (answer["languages"], answer["detectedLanguages"])


def test_names_of_the_protocol_buffers_are_read_too(client: FlaskClient) -> None:
    body = {"comment": {"text": TEXT}, "requested_attributes": {ATTRIBUTE: {"score_threshold": 0}}}
    answer = client.post(PATH, json=body | {"client_token": "t", "span_annotations": True}).json
    assert "t" == answer["clientToken"]
    assert 2 == len(answer["attributeScores"][ATTRIBUTE]["spanScores"])


def test_what_is_unknown_or_null_is_passed_over(client: FlaskClient) -> None:
    nulls = dict.fromkeys(("context", "languages", "clientToken", "doNotStore", "spanAnnotations"))
    answer = ask(client, requestedAttributes={ATTRIBUTE: None}, more={"a": [1]}, **nulls)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "text/plain;charset=UTF-8", None]
)
def test_a_client_need_not_say_that_it_sends_json(client: FlaskClient, content_type: str | None) -> None:
    body = json.dumps({"comment": {"text": TEXT}, "requestedAttributes": {ATTRIBUTE: {}}})
    assert client.post(PATH, data=body, content_type=content_type).status_code == 200


def test_keys_are_accepted_and_never_logged(client: FlaskClient) -> None:
    body = {"comment": {"text": "a very private text"}, "requestedAttributes": {ATTRIBUTE: {}}}
    with capture_logs() as lines:
        headers = {"X-Goog-Api-Key": "secret-2", "Authorization": "Bearer secret-3"}
        assert client.post(f"{PATH}?key=secret-1&alt=json", json=body, headers=headers).status_code == 200
    assert lines
    assert not any(word in json.dumps(lines) for word in ("secret", "private"))


@pytest.mark.parametrize(
    ("fields", "message", "kind"),
    [
        ({"comment": {}}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": None}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": {"text": ""}}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": {"text": " \n"}}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": {"text": "\u200b\0"}}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": {"text": "a" * 20_481}}, "Comment text too long.", "COMMENT_TOO_LONG"),
        ({"comment": {"text": "\u20ac" * 6_827}}, "Comment text too long.", "COMMENT_TOO_LONG"),
        ({"requestedAttributes": {}}, "Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES"),
        ({"requestedAttributes": None}, "Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES"),
        (
            {"requestedAttributes": {"PROFANITY": {}}},
            "Unknown requested attribute: PROFANITY",
            "INVALID_REQUEST",
        ),
        ({"requestedAttributes": {"": {}}}, "Unknown requested attribute: ", "INVALID_REQUEST"),
        (
            {"requestedAttributes": {ATTRIBUTE: {"scoreType": "STD_DEV_SCORE"}}},
            "Requested score type STD_DEV_SCORE is not supported by attribute LIKELY_TO_REJECT",
            "INVALID_REQUEST",
        ),
        (
            {"languages": ["klingon!"]},
            'Attribute LIKELY_TO_REJECT does not support request languages: "klingon!"',
            "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        ),
        (
            {"comment": {"text": "<p>", "type": "HTML"}},
            "Currently, only 'PLAIN_TEXT' comments are supported",
            "INVALID_REQUEST",
        ),
        ({"comment": {"text": "a", "type": "RTF"}}, "Unknown text type", "INVALID_REQUEST"),
        (
            {"context": {"entries": [], "articleAndParentComment": {}}},
            "Context can have either entries or article_and_parent_comment",
            "INVALID_REQUEST",
        ),
        ({"comment": "text"}, "comment is", "INVALID_REQUEST"),
        ({"comment": {"text": 7}}, "comment.text is 7: give a string", "INVALID_REQUEST"),
        ({"languages": "en"}, "languages is", "INVALID_REQUEST"),
        ({"languages": [1]}, "languages[0] is 1", "INVALID_REQUEST"),
        ({"requestedAttributes": [ATTRIBUTE]}, "requestedAttributes is", "INVALID_REQUEST"),
        (
            {"requestedAttributes": {ATTRIBUTE: {"scoreThreshold": "high"}}},
            "scoreThreshold",
            "INVALID_REQUEST",
        ),
        ({"clientToken": 7}, "clientToken is 7", "INVALID_REQUEST"),
        ({"spanAnnotations": "perhaps"}, "spanAnnotations", "INVALID_REQUEST"),
    ],
)
def test_a_request_that_cannot_be_served_gets_googles_error(
    client: FlaskClient, fields: dict[str, Any], message: str, kind: str
) -> None:
    refused(ask(client, **fields), 400, message, kind)


def test_an_unknown_attribute_is_refused_with_the_remedy_in_a_detail(client: FlaskClient) -> None:
    error = refused(
        ask(client, requestedAttributes={"PROFANITY": {}}), 400, "Unknown requested attribute: PROFANITY"
    )
    [violation] = error["details"][1]["fieldViolations"]
    assert "requestedAttributes.PROFANITY" == violation["field"]
    assert "ask for LIKELY_TO_REJECT, TOXICITY, INSULT" in violation["description"]
    assert "CHATMOD_API_ATTRIBUTES" in violation["description"]


def test_without_a_mapping_toxicity_is_unknown(bundle_dir: Path) -> None:
    answer = ask(client_of(bundle_dir), requestedAttributes={"TOXICITY": {}})
    refused(answer, 400, "Unknown requested attribute: TOXICITY")


def test_unsupported_attributes_are_dropped_on_demand(client: FlaskClient) -> None:
    wanted = {ATTRIBUTE: {}, "PROFANITY": {}}
    answer = ask(client, requestedAttributes=wanted, dropUnsupportedAttributes=True)
    assert [ATTRIBUTE] == list(answer.json["attributeScores"])
    answer = ask(client, requestedAttributes={"PROFANITY": {}}, dropUnsupportedAttributes=True)
    assert (200, False) == (answer.status_code, "attributeScores" in answer.json)


def test_a_text_of_twenty_kilobytes_is_judged(client: FlaskClient) -> None:
    assert ask(client, "a" * 20_480).status_code == 200
    assert ask(client, "\u20ac" * 6_826).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hi",
        b"[]",
        b"null",
        b'"hi"',
        b"[" * 50_000,
        b'{"a":' * 30_000,
        b'{"comment": {"text": "\xff\xfe"}}',
        b'{"comment": {"text": "a"}, "requestedAttributes": {"LIKELY_TO_REJECT": {"scoreThreshold": NaN}}}',
        b'{"comment": {"text": "a"}, "requestedAttributes": {"LIKELY_TO_REJECT": {"scoreThreshold": 1e999}}}',
        b"\x1f\x8b\x08\x00",
    ],
    ids=lambda body: body[:20].decode("latin-1") + f"({len(body)})",
)
def test_what_is_no_request_gets_googles_error(client: FlaskClient, body: bytes) -> None:
    refused(client.post(PATH, data=body, content_type="application/json"), 400, "")


def test_other_wrong_turns_get_googles_error_too(client: FlaskClient) -> None:
    form = client.post(PATH, data={"comment": "a"})
    assert "INVALID_ARGUMENT" == refused(form, 415, "send application/json")["status"]
    assert "UNIMPLEMENTED" == refused(client.get(PATH), 405, "use POST")["status"]
    assert "POST" in client.get(PATH).headers["Allow"]
    for path in ("/v1alpha1/comments:suggest", "/v1alpha1", f"{PATH}/", "/$discovery/other"):
        assert "NOT_FOUND" == refused(client.post(path), 404, "there is nothing at this path")["status"]
    large = ask(client, "a" * 200_001)
    assert "INVALID_ARGUMENT" == refused(large, 413, "raise CHATMOD_API_MAX_BODY_BYTES")["status"]


def test_an_error_of_ours_gets_googles_error(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prediction_service.dialects.perspective.sentences", None)
    with capture_logs():
        answer = ask(client, spanAnnotations=True)
    assert "INTERNAL" == refused(answer, 500, "report it with this request id")["status"]


def test_no_model_gets_googles_error_and_when_to_come_back(tmp_path: Path) -> None:
    loader = not_begun()
    answer = ask(create_app(Settings(), loader, Metrics()).test_client())
    assert "UNAVAILABLE" == refused(answer, 503, "the bundle is being loaded")["status"]
    assert "1" == answer.headers["Retry-After"]


def test_the_discovery_document_tells_the_shapes_that_are_read(client: FlaskClient) -> None:
    document = client.get("/$discovery/rest?version=v1alpha1").json
    assert "http://localhost/" == document["rootUrl"] == document["baseUrl"]
    assert ["analyze", "suggestscore"] == list(document["resources"]["comments"]["methods"])
    for name, shape in document["schemas"].items():
        fields = getattr(google, name).model_fields.values()
        assert {field.alias for field in fields} == set(shape["properties"]), name
    assert discovery.SHAPES.keys() == document["schemas"].keys()


def test_another_version_of_the_discovery_document_is_refused(client: FlaskClient) -> None:
    refused(client.get("/$discovery/rest?version=v2"), 404, 'version is "v2": ask for v1alpha1')
