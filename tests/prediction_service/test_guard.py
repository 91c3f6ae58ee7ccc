"""The guard of one request, and what every answer says to browsers: no Flask, no server."""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest

from prediction_service.dialects.tensors import HEADER
from prediction_service.guard import Asked, Guard, shown_keys
from prediction_service.keyfile import Watched
from prediction_service.keys import issue, render
from prediction_service.outside import allowed, preflight, security
from prediction_service.problems import Refusal

NOW = datetime.now(UTC)


def asked(scope: str = "records", *in_query: str, **environ: str) -> Asked:
    return Asked(scope, {"REMOTE_ADDR": "127.0.0.1", **environ}, "X-Carrier: …", in_query)


def guard_of(
    folder: Path, *scopes: str, own: str | None = None, limit: str | None = None
) -> tuple[Guard, str]:
    key, secret = issue("a", scopes or ("*",), NOW, own)
    file = folder / "keys.json"
    file.write_bytes(render([key]))
    return Guard(Watched(file), limit), secret


def refused(guard: Guard, request: Asked) -> Refusal:
    with pytest.raises(Refusal) as raised:
        guard.admit(request, guard.identify(request))
    return raised.value


@pytest.mark.parametrize(
    "carrier",
    [
        {"HTTP_AUTHORIZATION": "Bearer K"},
        {"HTTP_AUTHORIZATION": "bearer  K "},
        {"HTTP_X_API_KEY": "K"},
        {"HTTP_X_GOOG_API_KEY": "K"},
        {"HTTP_OCP_APIM_SUBSCRIPTION_KEY": "K"},
        {"HTTP_X_API_KEY": "K", "HTTP_AUTHORIZATION": "Bearer K"},
    ],
)
def test_a_key_is_taken_from_every_place_where_clients_put_it(carrier: dict[str, str]) -> None:
    assert {"K"} == shown_keys(asked(**carrier))


@pytest.mark.parametrize(
    "carrier",
    [{}, {"HTTP_AUTHORIZATION": "Basic K"}, {"HTTP_AUTHORIZATION": "Bearer "}, {"HTTP_X_API_KEY": ""}],
)
def test_anything_else_is_no_key(carrier: dict[str, str], tmp_path: Path) -> None:
    guard, _ = guard_of(tmp_path)
    refusal = refused(guard, asked(**carrier))
    assert (HTTPStatus.UNAUTHORIZED, "missing_api_key") == (refusal.status, refusal.code)
    assert refusal.detail.endswith(": send one as X-Carrier: …")
    assert 'Bearer realm="chat-moderation"' == refusal.headers["WWW-Authenticate"]


def test_two_different_keys_are_refused_although_one_is_right(tmp_path: Path) -> None:
    guard, secret = guard_of(tmp_path)
    both = asked(HTTP_X_API_KEY=secret, HTTP_AUTHORIZATION="Bearer other")
    assert (HTTPStatus.BAD_REQUEST, "several_api_keys") == (
        refused(guard, both).status,
        refused(guard, both).code,
    )
    in_query = asked("perspective", "other", HTTP_X_API_KEY=secret)
    assert "several_api_keys" == refused(guard, in_query).code
    same = asked("perspective", secret, HTTP_X_API_KEY=secret)
    assert guard.identify(same) is not None


def test_a_wrong_key_is_not_told_apart_from_one_that_has_ended(tmp_path: Path) -> None:
    guard, secret = guard_of(tmp_path)
    refusal = refused(guard, asked(HTTP_X_API_KEY=secret[:-1]))
    assert (HTTPStatus.UNAUTHORIZED, "invalid_api_key") == (refusal.status, refusal.code)
    assert secret[14:30] not in f"{refusal.detail}{refusal.headers}"


@pytest.mark.parametrize(
    ("scopes", "needed", "passes"),
    [
        (["records"], "records", True),
        (["records"], "openai", False),
        (["records", "openai"], "openai", True),
        (["*"], "labels", True),
        (["labels"], "labels", True),
        (["perspective"], "labels", False),
        (["labels"], "perspective", False),
    ],
)
def test_a_key_opens_its_scopes(tmp_path: Path, scopes: list[str], needed: str, *, passes: bool) -> None:
    guard, secret = guard_of(tmp_path, *scopes)
    request = asked(needed, HTTP_X_API_KEY=secret)
    if passes:
        assert () == guard.admit(request, guard.identify(request))
    else:
        refusal = refused(guard, request)
        assert (HTTPStatus.FORBIDDEN, "missing_scope") == (refusal.status, refusal.code)
        assert f'scope="{needed}"' in refusal.headers["WWW-Authenticate"]


def test_a_key_has_its_own_limit_or_that_of_all(tmp_path: Path) -> None:
    for own, limit, most in ((None, "2/day", 2), ("3/day", "2/day", 3), ("1/day", None, 1)):
        guard, secret = guard_of(tmp_path, own=own, limit=limit)
        request = asked(HTTP_X_API_KEY=secret)
        for _ in range(most):
            assert ("X-RateLimit-Limit", str(most)) in guard.admit(request, guard.identify(request))
        refusal = refused(guard, request)
        assert (HTTPStatus.TOO_MANY_REQUESTS, "rate_limit_exceeded") == (refusal.status, refusal.code)
        assert 0 < int(refusal.headers["Retry-After"]) <= 86_400
        assert "0" == refusal.headers["X-RateLimit-Remaining"]
        assert "this API key" in refusal.detail


def test_without_keys_addresses_have_limits_and_ipv6_by_the_network() -> None:
    guard = Guard(None, "1/day")

    def ask(address: str) -> Asked:
        return asked(REMOTE_ADDR=address)

    for address in ("10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8:0:1::1"):
        assert guard.identify(ask(address)) is None
        guard.admit(ask(address), None)
    for address in ("::ffff:10.0.0.3", "::ffff:10.0.0.4", "fe80::1%eth0"):
        guard.admit(ask(address), None)
    for address in ("10.0.0.1", "::ffff:10.0.0.2", "2001:db8::ffff:1", "2001:db8:0:1:2::"):
        assert "this address" in refused(guard, ask(address)).detail


def test_who_guesses_keys_is_counted_by_address(tmp_path: Path) -> None:
    guard, secret = guard_of(tmp_path, limit="2/day")
    for _ in range(2):
        assert HTTPStatus.UNAUTHORIZED == refused(guard, asked(HTTP_X_API_KEY="cm_x")).status
    assert HTTPStatus.TOO_MANY_REQUESTS == refused(guard, asked(HTTP_X_API_KEY="cm_x")).status
    assert HTTPStatus.TOO_MANY_REQUESTS == refused(guard, asked()).status
    assert guard.identify(asked(HTTP_X_API_KEY=secret))


def test_nobody_passes_while_the_keys_cannot_be_read(tmp_path: Path) -> None:
    guard = Guard(Watched(tmp_path / "none.json"), None)
    refusal = refused(guard, asked(HTTP_X_API_KEY="K"))
    assert (HTTPStatus.SERVICE_UNAVAILABLE, "1") == (refusal.status, refusal.headers["Retry-After"])


def test_every_answer_has_security_headers_and_a_page_its_own_policy() -> None:
    plain = dict(security([("Content-Type", "application/json")]))
    assert "default-src 'none'; frame-ancestors 'none'" == plain["Content-Security-Policy"]
    of_page = dict(security([("Content-Security-Policy", "own")]))
    assert {"Content-Security-Policy"} == plain.keys() - of_page.keys()


def test_an_origin_may_read_only_where_the_operator_named_it() -> None:
    ours = ("https://a.test", "http://b.test:8080")
    assert "http://b.test:8080" == dict(allowed("http://b.test:8080", ours))["Access-Control-Allow-Origin"]
    assert "Origin" == dict(allowed("https://a.test", ours))["Vary"]
    assert "*" == dict(allowed("https://any.test", ["*"]))["Access-Control-Allow-Origin"]
    told = dict(allowed("https://a.test", ours))["Access-Control-Expose-Headers"]
    assert {HEADER, "x-ms-error-code", "Retry-After"} <= set(told.split(", "))
    for origin in (None, "", "https://a.test.evil.test", "http://a.test", "null", "https://A.test"):
        assert [] == allowed(origin, ours)


def test_a_preflight_names_the_methods_of_the_path_and_the_headers_that_were_asked_for() -> None:
    told = dict(preflight(["POST"], "authorization, x-stainless-os"))
    assert ("POST", "authorization, x-stainless-os") == (
        told["Access-Control-Allow-Methods"],
        told["Access-Control-Allow-Headers"],
    )
    assert (
        "Authorization, Content-Type" == dict(preflight(["POST"], "a\r\nb"))["Access-Control-Allow-Headers"]
    )
