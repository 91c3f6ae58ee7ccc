"""The service as it is started: real gunicorn processes, their readiness, figures, log and refusals."""

import http.client
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modeling.bundle import digest_of
from prediction_service.wire import Problem
from tests.prediction_service.registries import StandIn
from tests.prediction_service.serving import CONF, ROOT, Server, free_port, records

HEAVY = {
    "httpx",
    "limits",
    "matplotlib",
    "mlflow",
    "pandas",
    "psycopg",
    "redis",
    "scipy",
    "sklearn",
    "skops",
    "sqlalchemy",
    "torch",
    "workflow",
}
TYPES = {"Content-Type": "application/json"}


def total(page: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def start(**options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", CONF, "prediction_service.app:wsgi()"],
        env={f"CHATMOD_API_{name.upper()}": str(value) for name, value in options.items()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_port_answers_at_once_and_is_ready_only_with_a_model(bundle_dir: Path, tmp_path: Path) -> None:
    """A registry that comes up late: alive all along, 503 with the reason first, then 200."""
    port = free_port()
    options = {
        "model_version": 1,
        "registry_url": f"http://127.0.0.1:{port}",
        "cache_dir": tmp_path / "cache",
    }
    with Server(tmp_path / "log", wait=False, **options) as server:
        give_up = time.monotonic() + 10
        while server.status_of("/healthz") != 200:
            assert time.monotonic() < give_up
        status, headers, _ = server.ask("GET", "/readyz")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert server.ask("POST", "/predict", records(1))[0] == 503
        seen: set[str] = set()
        while "failed" not in seen:
            assert time.monotonic() < give_up, seen
            _, _, body = server.ask("GET", "/readyz")
            seen.add(re.findall(r'"status":"(\w+)"', body.decode())[0])
        assert b"does not answer" in body
        assert server.status_of("/healthz") == 200
        with StandIn(bundle_dir, digest_of(bundle_dir), port):
            server.wait_until_ready(within_s=40)
        assert server.ask("POST", "/predict", records(1))[0] == 200


def test_an_altered_bundle_is_named_and_never_served(bundle_dir: Path, tmp_path: Path) -> None:
    altered = Path(shutil.copytree(bundle_dir, tmp_path / "altered"))
    data = bytearray((altered / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (altered / "weights.safetensors").write_bytes(data)
    with Server(tmp_path / "log", wait=False, bundle=altered) as server:
        give_up = time.monotonic() + 10
        body = b""
        while b'"failed"' not in body:
            assert time.monotonic() < give_up
            if server.status_of("/healthz") == 200:
                _, _, body = server.ask("GET", "/readyz")
        assert b"weights.safetensors: sha256" in body
        assert server.status_of("/healthz") == 200
        assert server.ask("POST", "/predict", records(1))[0] == 503


def test_figures_add_up_across_workers_and_survive_one(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=3) as server:
        for _ in range(40):
            assert server.ask("POST", "/predict", records(5))[0] == 200
        series = 'http_requests_total{endpoint="/predict",method="POST",status="200"}'
        pages = [server.ask("GET", "/metrics")[2].decode() for _ in range(6)]
        assert [total(page, series) for page in pages] == [40.0] * 6
        assert (
            sum(
                total(pages[0], f'messages_processed_total{{action="{a}"}}')
                for a in ("allow", "flag", "remove")
            )
            == 200
        )
        assert total(pages[0], "inference_duration_seconds_count") == 40
        digest = digest_of(bundle_dir)
        model = f'model_info{{digest="{digest}",kind="hashed-linear",version="sha256:{digest[:12]}"}}'
        assert total(pages[0], model) == 1.0
        for worker in server.children():
            worker.kill()
        time.sleep(0.5)
        server.wait_until_ready()
        page = server.ask("GET", "/metrics")[2].decode()
        assert (total(page, series), total(page, model)) == (40.0, 1.0)


def test_figures_of_two_servers_do_not_mix_and_leave_no_directory(bundle_dir: Path, tmp_path: Path) -> None:
    with (
        Server(tmp_path / "one", bundle=bundle_dir, workers=1) as one,
        Server(tmp_path / "two", bundle=bundle_dir, workers=1) as two,
    ):
        one.ask("POST", "/predict", records(1))
        series = b'http_requests_total{endpoint="/predict",method="POST",status="200"} '
        for server, count in ((one, b"1.0"), (two, b"0.0")):
            assert series + count in server.ask("GET", "/metrics")[2]
        directories = [
            path
            for server in (one, two)
            for path in Path("/tmp").glob(f"chatmod-metrics-*-{server.process.pid}")  # noqa: S108 - gunicorn's
        ]
        assert len(directories) == 2
        assert {path.stat().st_mode & 0o777 for path in directories} == {0o700}
    assert not any(path.exists() for path in directories)


def test_every_log_line_is_json_and_none_tells_a_message(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir) as server:
        server.ask(
            "POST", "/predict", records(1, "a very private message"), TYPES | {"X-Request-ID": "mine-1"}
        )
        server.ask("POST", "/predict", b'{"Records": "a very private message"}')
        server.ask("GET", "/a-very-private-path")
        with server.connect() as client:
            client.sendall(b"no http at all\r\n\r\n")
            client.recv(100)
    lines = server.lines()
    assert "private" not in server.log.read_text()
    [line] = [line for line in lines if line.get("request_id") == "mine-1"]
    assert (line["event"], line["endpoint"], line["status"], line["messages"]) == (
        "request",
        "/predict",
        200,
        1,
    )
    assert {line["level"] for line in lines} >= {"info", "warning"}
    assert all(line["timestamp"] for line in lines)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"no json", TYPES, 400),
        (records(1), {"Content-Type": "text/plain"}, 415),
        (records(1, "x" * 3_000_000), TYPES, 413),
        (records(20_000), TYPES, 422),
        (records(1, "x" * 10_000_000), TYPES, 413),
    ],
    ids=["no json", "no content type of ours", "3 MB", "20,000 records", "10 MB text"],
)
def test_a_refusal_reaches_the_client_whole_and_the_connection_serves_on(
    small: Server, body: bytes, headers: dict[str, str], status: int
) -> None:
    client = http.client.HTTPConnection("127.0.0.1", small.port, timeout=30)
    client.request("POST", "/predict", body, headers)
    answer = client.getresponse()
    assert answer.status == status
    assert Problem.model_validate_json(answer.read()).status == status
    client.request("POST", "/predict", records(1), TYPES)
    assert client.getresponse().status == 200
    client.close()


@pytest.fixture(scope="module")
def small(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    log = tmp_path_factory.mktemp("server") / "log"
    with Server(log, bundle=bundle_dir, workers=1, max_body_bytes=2_500_000) as server:
        yield server


def test_a_body_in_pieces_without_a_length_is_judged_and_limited(small: Server) -> None:
    def pieces(body: bytes) -> Any:
        yield from (body[start : start + 50_000] for start in range(0, len(body), 50_000))

    whole = records(2).ljust(2_500_000)
    for body, status in ((records(2), 200), (whole, 200), (whole + b" ", 413), (whole * 2, 413)):
        client = http.client.HTTPConnection("127.0.0.1", small.port, timeout=30)
        client.request("POST", "/predict", pieces(body), TYPES, encode_chunked=True)
        assert client.getresponse().status == status
        client.close()


def test_an_unknown_setting_ends_the_start_with_one_clear_line(bundle_dir: Path) -> None:
    ended = start(bundle=bundle_dir, prot=9696)
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith("CHATMOD_API_PROT is no setting of this service: remove it")


def test_no_model_ends_the_start_with_one_clear_line() -> None:
    ended = start()
    assert ended.returncode == 1
    assert "set the first to a bundle's directory" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_ends_the_start_with_one_clear_line(bundle_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = start(bundle=bundle_dir, port=port)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(
        f"CHATMOD_API_PORT='{port}' on CHATMOD_API_HOST='127.0.0.1'"
    )
    assert "choose another port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_ctrl_c_ends_it(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir) as server:
        workers = server.children()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) == 0
    assert not any(worker.is_running() for worker in workers)


def test_serving_a_hashed_bundle_imports_nothing_heavy(bundle_dir: Path) -> None:
    code = (
        "import sys, time; from prediction_service.app import wsgi\n"
        "app = wsgi(); client = app.test_client()\n"
        "while client.get('/readyz').status_code != 200: time.sleep(0.01)\n"
        "body = {'Records': [{'body': 'hi', 'message_id': 1}]}\n"
        "assert client.post('/predict', json=body).status_code == 200\n"
        f"heavy = {HEAVY}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"CHATMOD_API_BUNDLE": str(bundle_dir), "CHATMOD_API_LOG_LEVEL": "error"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: t\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: t\r\nX-Long: " + b"a" * 9_000 + b"\r\n\r\n", 431),
        (b"POST /predict HTTP/1.1\r\nHost: t\r\nContent-Length: abc\r\n\r\n", 400),
    ],
    ids=["garbage", "a long path", "a long header", "a length that is none"],
)
def test_what_is_no_http_is_refused_with_a_problem_document_and_an_id(
    small: Server, sent: bytes, status: int
) -> None:
    with small.connect() as client:
        client.sendall(sent)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        problem = Problem.model_validate_json(answer.read())
    assert (status, status) == (answer.status, problem.status)
    assert problem.request_id == answer.getheader("X-Request-ID")
    assert "application/problem+json" == answer.getheader("Content-Type")


def test_options_is_refused_like_every_method_that_is_not_answered(small: Server) -> None:
    status, headers, body = small.ask("OPTIONS", "/predict")
    assert (405, "POST") == (status, headers["Allow"])
    assert 405 == Problem.model_validate_json(body).status
