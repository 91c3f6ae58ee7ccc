"""The client against a real HTTP server: what it understands, refuses and repeats."""

from pathlib import Path

import pytest

from frontend.client import Client
from frontend.exceptions import MessageRefusedError, ServiceUnavailableError
from frontend.messages import Decision
from modeling import bundle
from tests.conftest import Messages
from tests.frontend.servers import Answer, StandIn, free_port, gunicorn
from tests.prediction_service.guarded import add
from tests.prediction_service.serving import Server, records
from tests.prediction_service.test_guarded_server import eventually

PROBLEM = {
    "type": "about:blank",
    "title": "Unprocessable",
    "status": 422,
    "detail": "Records[0].body has 21,000 characters",
    "instance": "/predict",
    "request_id": "r",
    "errors": [{"field": "Records[0].body", "value": "xxx…", "remedy": "shorten it to 20,000"}],
}


@pytest.fixture
def client(api: StandIn) -> Client:
    return Client(api.url, timeout_s=5)


def test_one_request_brings_one_decision_a_text_in_their_order(api: StandIn, client: Client) -> None:
    decisions = client.predict(["you idiot", "hello", "buy crypto"])
    assert [decision.action for decision in decisions] == ["flag", "allow", "remove"]
    assert Decision("d" * 32, "flag", "LIKELY_TO_REJECT>=0.6123", 0.83, "7", "0123456789ab") == decisions[0]
    assert api.asked == [["you idiot", "hello", "buy crypto"]]


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refused_message_brings_the_reason_and_the_remedy(
    api: StandIn, client: Client, status: int
) -> None:
    api.script = [Answer(status, PROBLEM)]
    with pytest.raises(MessageRefusedError) as caught:
        client.predict(["x"])
    assert str(caught.value) == "Records[0].body has 21,000 characters; shorten it to 20,000"


def test_a_refusal_without_a_problem_document_is_still_a_refusal(api: StandIn, client: Client) -> None:
    api.script = [Answer(400, b"<html>no</html>")]
    with pytest.raises(MessageRefusedError, match="answered 400 without a reason"):
        client.predict(["x"])


@pytest.mark.parametrize("status", [301, 404, 405, 429, 500, 502, 503])
def test_any_other_status_means_that_nothing_can_moderate_now(
    api: StandIn, client: Client, status: int
) -> None:
    api.script = [Answer(status, PROBLEM)]
    with pytest.raises(ServiceUnavailableError, match=f"{api.url} answered {status}"):
        client.predict(["x"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        {"predictions": []},
        {"predictions": [{"version": "7"}]},
        {"predictions": [StandIn.judge({"body": "x", "message_id": 1})]},
        {"predictions": [StandIn.judge({"body": "x", "message_id": 0})] * 2},
        {"predictions": [{**StandIn.judge({"body": "x", "message_id": 0}), "prediction": {"action": "ban"}}]},
    ],
)
def test_an_answer_that_is_not_about_these_texts_is_no_decision(
    api: StandIn, client: Client, body: object
) -> None:
    api.script = [Answer(200, body)]
    with pytest.raises(ServiceUnavailableError, match="answer"):
        client.predict(["x"])


def test_a_connection_that_was_closed_meanwhile_is_opened_again(api: StandIn, client: Client) -> None:
    client.predict(["first"])
    api.script = [Answer(cut=True)]
    assert [decision.action for decision in client.predict(["second"])] == ["allow"]


def test_a_service_that_always_hangs_up_is_unavailable(api: StandIn, client: Client) -> None:
    api.script = [Answer(cut=True), Answer(cut=True)]
    with pytest.raises(ServiceUnavailableError, match="cannot be reached"):
        client.predict(["x"])


def test_a_slow_service_is_unavailable_after_the_timeout(api: StandIn) -> None:
    api.script = [Answer(200, {}, delay_s=1)]
    with pytest.raises(ServiceUnavailableError, match="did not answer in time"):
        Client(api.url, timeout_s=0.2).predict(["x"])


def test_nobody_at_the_address_is_said_with_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServiceUnavailableError, match=f"{url} cannot be reached"):
        Client(url, timeout_s=1).predict(["x"])
    with pytest.raises(ServiceUnavailableError, match=f"{url} cannot be reached"):
        Client(url, timeout_s=1).readiness()


def test_a_ready_service_tells_its_model_policy_and_data(client: Client) -> None:
    readiness = client.readiness()
    assert readiness.model
    assert readiness.policy
    assert readiness.data
    assert (readiness.model.version, readiness.model.source) == ("7", "registry")
    assert readiness.policy.attributes["LIKELY_TO_REJECT"]["flag"].threshold == pytest.approx(0.6123)
    assert (readiness.data.rows, readiness.data.is_sample) == (5600, False)


@pytest.mark.parametrize("status", ["loading", "failed"])
def test_a_service_that_is_not_ready_is_unavailable_for_the_reason_it_gives(
    api: StandIn, client: Client, status: str
) -> None:
    api.readiness = {"status": status, "detail": "weights.safetensors has another digest"}
    with pytest.raises(
        ServiceUnavailableError, match=f"not ready: {status}. weights.safetensors has another"
    ):
        client.readiness()


def test_somebody_else_at_the_address_is_no_prediction_service(api: StandIn, client: Client) -> None:
    api.script = [Answer(200, b"<html>welcome</html>")]
    with pytest.raises(ServiceUnavailableError, match="answered 200, which is not understood"):
        client.readiness()


def test_the_real_service_is_understood(bundle_dir: Path, messages: Messages, tmp_path: Path) -> None:
    loaded = bundle.load(bundle_dir)
    with gunicorn(bundle_dir, tmp_path) as (url, _):
        client = Client(url, timeout_s=5)
        decisions = client.predict([messages.civil, messages.flagged, messages.removed])
        readiness = client.readiness()
        with pytest.raises(MessageRefusedError):
            client.predict(["x" * 30_000])
    assert [decision.action for decision in decisions] == ["allow", "flag", "remove"]
    assert readiness.model
    assert readiness.policy
    assert {readiness.model.version} == {decision.model_version for decision in decisions}
    assert (loaded.digest, loaded.policy.version) == (readiness.model.digest, readiness.policy.version)


def test_a_service_that_asks_for_a_key_gets_the_one_that_was_set(bundle_dir: Path, tmp_path: Path) -> None:
    key = add(tmp_path / "keys.json", "records")
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, keys=tmp_path / "keys.json") as server:
        url = f"http://127.0.0.1:{server.port}"
        assert 1 == len(Client(url, 5, key.secret).predict(["hello"]))
        with pytest.raises(ServiceUnavailableError, match=r"answered 401 \(there is no API key") as caught:
            Client(url, 5).predict(["hello"])
        assert ": set CHATMOD_UI_API_KEY to a key with the scope records" in str(caught.value)
        other = add(tmp_path / "keys.json", "labels")
        eventually(lambda: server.ask("POST", "/predict", records(1), other.bearer)[0], 403)
        with pytest.raises(ServiceUnavailableError, match=r"answered 403 .*: set CHATMOD_UI_API_KEY"):
            Client(url, 5, other.secret).predict(["hello"])
        assert "keys" == Client(url, 5).readiness().access
