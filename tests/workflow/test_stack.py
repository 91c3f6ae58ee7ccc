"""The stack with small parts of our own, and what it refuses before it starts any."""

import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from tests.prediction_service.guarded import command
from tests.prediction_service.serving import free_port
from tests.workflow.processes import start, wait_for_text, workflow
from workflow import stack as stacks
from workflow import up as ups
from workflow.exceptions import StackError, StepError
from workflow.health import Health, answers, look
from workflow.settings import Settings
from workflow.stack import SIGNALS, Part, Stack, check_port
from workflow.up import up

SERVE = "import http.server, sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"  # noqa: E501
SAYS = """
import http.server, sys
class Says(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[2]))
        self.end_headers()
        self.wfile.write(sys.argv[3].encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Says).serve_forever()
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); "
    "time.sleep(60)"
)
PARENT = """
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, "-c", each], stdout=subprocess.PIPE) for each in sys.argv[1:]]
for child in children:
    child.stdout.readline()
print(*[child.pid for child in children], flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def stack(tmp_path: Path, said: list[str]) -> Stack:
    return Stack(tmp_path / "logs", said.append)


def part(name: str, code: str, *arguments: str, port: int = 0, **environ: str) -> Part:
    address = f"http://127.0.0.1:{port}/" if port else ""
    return Part(name, [sys.executable, "-u", "-c", code, *arguments], environ, address, address)


def server(name: str) -> Part:
    port = free_port()
    return part(name, SERVE, str(port), port=port)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(*pids: int) -> None:
    deadline = time.monotonic() + 20
    while not all(map(gone, pids)):
        assert time.monotonic() < deadline, [pid for pid in pids if not gone(pid)]
        time.sleep(0.02)


def test_parts_that_answer_are_up_and_end_with_the_stack(stack: Stack, said: list[str]) -> None:
    first, second = server("first"), server("second")
    with stack:
        stack.start(first)
        stack.start(second)
        assert stack.wait_until_up()
        pids = [running.process.pid for running in stack._running]
        assert all(map(answers, (first.health, second.health)))
    assert all(map(gone, pids))
    assert {"first is up", "second is up"} == {line.split(" after")[0] for line in said}
    assert all(
        line.endswith(": " + each.page) for line, each in zip(sorted(said), (first, second), strict=True)
    )


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_waiting(stack: Stack, number: signal.Signals) -> None:
    with stack:
        stack.start(part("waits", "import time; time.sleep(60)", port=free_port()))
        os.kill(os.getpid(), number)
        assert not stack.wait_until_up()
        stack.wait()
        assert stack.finish("waits") is None


def test_a_part_that_does_not_listen_to_reason_is_ended(
    stack: Stack, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "STOP_S", 0.5)
    with stack:
        stack.start(part("stubborn", STUBBORN))
        wait_for_log(stack, "stubborn")
        pid = stack._running[0].process.pid
        began = time.monotonic()
    assert gone(pid)
    assert time.monotonic() - began < 20
    assert ["stubborn did not stop within 0 s and was ended"] == said


def test_children_of_a_part_are_ended_with_it(stack: Stack) -> None:
    with stack:
        stack.start(part("parent", PARENT, "print(flush=True); import time; time.sleep(60)", STUBBORN))
        children = [int(pid) for pid in wait_for_log(stack, "parent").split()]
        assert not any(map(gone, children))
    wait_until_gone(*children)


def wait_for_log(stack: Stack, name: str) -> str:
    log, deadline = stack._logs / f"{name}.log", time.monotonic() + 20
    while not log.read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return log.read_text()


def test_a_part_that_dies_ends_the_stack_with_the_end_of_its_log(stack: Stack) -> None:
    lines = "; ".join(f"print('line {number}')" for number in range(20))
    other = server("other")
    with stack:
        stack.start(other)
        stack.start(part("dies", f"{lines}; raise SystemExit(7)", port=free_port()))
        with pytest.raises(StackError) as caught:
            stack.wait_until_up()
    message = str(caught.value).splitlines()
    assert message[0].startswith("dies ended with 7; the end of ")
    assert message[0].endswith("logs/dies.log:")
    assert [f"  line {number}" for number in range(8, 20)] == message[1:]
    assert not answers(other.health)


def test_a_part_that_dies_later_ends_the_stack_too(stack: Stack) -> None:
    with stack:
        stack.start(server("dies"))
        assert stack.wait_until_up()
        stack._running[0].process.kill()
        with pytest.raises(StackError, match=r"^dies ended with -9; the end of"):
            stack.wait()


def test_a_part_that_never_answers_ends_the_stack_with_the_end_of_its_log(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "START_S", 0.5)
    with stack:
        stack.start(part("mute", "print('thinking'); import time; time.sleep(60)", port=free_port()))
        with pytest.raises(StackError) as caught:
            stack.wait_until_up()
    assert re.match(
        r"mute did not answer http://127.0.0.1:\d+/ within 0 s; the end of .*mute.log:", str(caught.value)
    )
    assert str(caught.value).endswith("\n  thinking")


def test_an_api_that_will_not_try_again_ends_the_stack_at_once_with_its_reason(
    bundle_dir: Path, tmp_path: Path
) -> None:
    """An operator's mapping to a head that the bundle lacks: waiting would not help."""
    began = time.monotonic()
    ran = workflow(
        "up",
        "--only",
        "api",
        CHATMOD_HOME=tmp_path / "home",
        CHATMOD_API_BUNDLE=bundle_dir,
        CHATMOD_API_ATTRIBUTES="TOXICITY=RUDE",
        **ports(),
    )
    assert time.monotonic() - began < stacks.START_S / 2
    assert (1, "") == (ran.returncode, ran.stdout)
    assert ran.stderr.startswith("error: api has given up: CHATMOD_API_ATTRIBUTES")
    assert "RUDE" in ran.stderr
    assert ran.stderr.endswith(f"; its log is {tmp_path / 'home' / 'logs' / 'api.log'}\n")


def test_an_api_that_tries_again_is_waited_for_and_its_reason_is_said_once_and_at_the_end(
    stack: Stack, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that nobody listens for yet."""
    monkeypatch.setattr(stacks, "START_S", 5)
    settings = Settings(home=tmp_path, api_port=free_port())
    nobody = f"http://127.0.0.1:{free_port()}"
    model = {
        "CHATMOD_API_MODEL_VERSION": "1",
        "CHATMOD_API_REGISTRY_URL": nobody,
        "CHATMOD_API_CACHE_DIR": str(tmp_path / "cache"),
        "CHATMOD_API_WORKERS": "1",
    }
    began = time.monotonic()
    with stack:
        stack.start(stacks.api(settings, model))
        with pytest.raises(StackError) as caught:
            stack.wait_until_up()
    assert time.monotonic() - began >= 5
    [line] = said
    start = "api is not ready and tries again: "
    assert line.startswith(start)
    assert nobody in line
    assert "next attempt" not in line
    assert f" within 5 s ({line.removeprefix(start)}); the end of " in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, '{"status": "failed", "detail": "x"}', Health(is_up=True)),
        (503, '{"status": "loading", "detail": "x"}', Health(is_up=False)),
        (503, '{"status": "failed", "detail": "x"}', Health(is_up=False, trouble="x", is_lasting=True)),
        (503, '{"status": "failed", "detail": "x; next attempt in 16 s"}', Health(is_up=False, trouble="x")),
        (500, '{"status": "failed", "detail": "x"}', Health(is_up=False)),
        (503, "[]", Health(is_up=False)),
        (503, "<html>", Health(is_up=False)),
    ],
)
def test_a_part_has_given_up_only_where_it_says_so(
    stack: Stack, status: int, body: str, expected: Health
) -> None:
    port = free_port()
    says = part("says", SAYS, str(port), str(status), body, port=port)
    with stack:
        stack.start(says)
        deadline = time.monotonic() + 20
        while not listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert expected == look(says.health)
    assert Health(is_up=False) == look(says.health)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_command_that_is_not_there_is_said(stack: Stack) -> None:
    with stack, pytest.raises(StackError, match=r"lost: /nowhere/lost: No such file .*: cannot be started"):
        stack.start(Part("lost", ["/nowhere/lost"]))


def test_logs_that_cannot_be_written_are_said(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with stack, pytest.raises(StackError, match=r"part: .*logs: File exists: cannot be started"):
        stack.start(server("part"))


@pytest.mark.parametrize("code", [0, 3])
def test_a_part_that_ends_by_itself_gives_its_code(stack: Stack, code: int) -> None:
    with stack:
        stack.start(part("ends", f"raise SystemExit({code})"))
        assert code == stack.finish("ends")


def test_a_server_that_dies_meanwhile_ends_the_waiting_for_a_part(stack: Stack) -> None:
    with stack:
        stack.start(part("dies", "raise SystemExit(1)", port=free_port()))
        stack.start(part("works", "import time; time.sleep(60)"))
        with pytest.raises(StackError, match=r"dies ended with 1; the end of"):
            stack.finish("works")


def test_a_part_gets_its_values_but_the_operators_go_first(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHATMOD_API_WORKERS", "7")
    monkeypatch.chdir(tmp_path)
    code = "import os; print(os.environ['CHATMOD_API_WORKERS'], os.environ['CHATMOD_API_PORT'], os.getcwd())"
    with stack:
        stack.start(part("tells", code, CHATMOD_API_WORKERS="2", CHATMOD_API_PORT="1"))
        assert stack.finish("tells") == 0
    assert (tmp_path / "logs" / "tells.log").read_text() == f"7 1 {tmp_path}\n"


def test_a_proxy_is_not_asked_for_our_own_ports(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    with stack:
        stack.start(server("here"))
        assert stack.wait_until_up()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_a_taken_port_is_refused_by_setting_value_and_remedy(taken: int) -> None:
    with pytest.raises(StackError) as caught:
        check_port("CHATMOD_X_PORT", taken)
    assert str(caught.value) == (
        f"CHATMOD_X_PORT={taken}: Address already in use: stop what listens on 127.0.0.1:{taken}, "
        "or set another port"
    )


def test_a_port_that_was_in_use_a_moment_ago_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        client = socket.create_connection(("127.0.0.1", port))
        peer, _ = listener.accept()
        peer.close()
        client.close()
    check_port("CHATMOD_X_PORT", port)


def ports() -> dict[str, int]:
    return {
        "CHATMOD_API_PORT": free_port(),
        "CHATMOD_UI_PORT": free_port(),
        "CHATMOD_MLFLOW_PORT": free_port(),
    }


@pytest.mark.parametrize("name", ["CHATMOD_API_PORT", "CHATMOD_UI_PORT", "CHATMOD_MLFLOW_PORT"])
def test_up_refuses_a_taken_port_before_anything_is_started(tmp_path: Path, taken: int, name: str) -> None:
    home = tmp_path / "home"
    ran = workflow("up", CHATMOD_HOME=home, CHATMOD_DATA="sample", **{**ports(), name: taken})
    assert (1, "") == (ran.returncode, ran.stdout)
    assert ran.stderr.startswith(f"error: {name}={taken}: Address already in use: stop what listens on ")
    assert ran.stderr.count("\n") == 1
    assert not home.exists()


def test_up_refuses_one_port_for_two_parts(tmp_path: Path) -> None:
    port = free_port()
    settings = Settings(home=tmp_path, api_port=port, ui_port=port, mlflow_port=free_port())
    with pytest.raises(StackError, match=rf"CHATMOD_UI_PORT={port} is the port of CHATMOD_API_PORT too: set"):
        up(settings, set(), str)


@pytest.mark.parametrize(
    ("key", "value"), [("CHATMOD_API_WORKERS", "many"), ("CHATMOD_UI_ROOMNAME", "x"), ("CHATMOD_API_X", "1")]
)
def test_up_refuses_a_setting_of_api_or_chat_before_anything_is_started(
    tmp_path: Path, key: str, value: str
) -> None:
    home = tmp_path / "home"
    ran = workflow("up", CHATMOD_HOME=home, CHATMOD_DATA="sample", **ports(), **{key: value})
    assert (1, "") == (ran.returncode, ran.stdout)
    assert ran.stderr.startswith(f"error: {key}")
    assert ran.stderr.count("\n") == 1
    assert not home.exists()


def test_the_api_alone_without_a_bundle_is_refused(tmp_path: Path) -> None:
    ran = workflow("up", "--only", "api", CHATMOD_HOME=tmp_path / "home", **ports())
    assert (1, "") == (ran.returncode, ran.stdout)
    expected = f"error: CHATMOD_API_BUNDLE='{tmp_path / 'home' / 'work' / 'bundle'}': "
    assert ran.stderr.startswith(expected)
    assert "no bundle there: train one (make train) or name its directory" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("only", [set(), {"api"}])
def test_a_bundle_that_the_operator_names_must_be_one(tmp_path: Path, only: set[str]) -> None:
    settings = Settings(home=tmp_path, api_bundle=Path("/nowhere"), api_port=free_port(), ui_port=free_port())
    with pytest.raises(StackError, match=r"CHATMOD_API_BUNDLE='/nowhere': .*no bundle there"):
        up(replace(settings, mlflow_port=free_port()), only, str)
    assert [] == list(tmp_path.iterdir())


def test_a_bundle_with_one_flipped_byte_is_not_served(bundle_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle_dir, copy)
    weights = bytearray((copy / "weights.safetensors").read_bytes())
    weights[len(weights) // 2] ^= 1
    (copy / "weights.safetensors").write_bytes(weights)
    with pytest.raises(StackError, match=r"weights.safetensors: sha256 .* altered"):
        up(Settings(home=tmp_path, api_bundle=copy, api_port=free_port()), {"api"}, str)


def test_a_run_that_was_not_registered_is_said(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"version.json: no registered version: run make train"):
        ups._from_registry(Settings(home=tmp_path))


def test_the_api_alone_serves_the_named_bundle_and_ends_the_stack_when_it_dies(
    bundle_dir: Path, tmp_path: Path
) -> None:
    named = os.path.relpath(bundle_dir, tmp_path)
    chosen = ports()
    log = tmp_path / "log"
    process = start(
        "up",
        "--only",
        "api",
        cwd=tmp_path,
        log=log,
        CHATMOD_HOME="home",
        CHATMOD_API_BUNDLE=named,
        CHATMOD_API_WORKERS=1,
        **chosen,
    )
    try:
        wait_for_text(log, "api is up after ", process)
        answer = httpx.get(f"http://127.0.0.1:{chosen['CHATMOD_API_PORT']}/readyz", trust_env=False).json()
        assert answer["model"]["source"] == "disk"
        ours = psutil.Process(process.pid).children(recursive=True)
        psutil.Process(process.pid).children()[0].kill()
        assert process.wait(40) == 1
    finally:
        process.kill()
        process.wait()
    assert "error: api ended with -9; the end of home/logs/api.log:\n  {" in log.read_text()
    assert len(ours) == 2
    wait_until_gone(*[each.pid for each in ours])


@pytest.mark.parametrize(("key", "expected"), [("", 1), ("cm_secret", 0)])
def test_a_chat_without_the_key_that_the_service_asks_for_is_said_with_the_remedy(
    tmp_path: Path, key: str, expected: int
) -> None:
    log = tmp_path / "log"
    process = start(
        "up",
        "--only",
        "ui",
        log=log,
        CHATMOD_HOME=tmp_path / "home",
        CHATMOD_API_KEYS=tmp_path / "keys.json",
        CHATMOD_UI_API_KEY=key,
        **ports(),
    )
    try:
        wait_for_text(log, "chat is up after ", process)
    finally:
        process.terminate()
        process.wait(40)
    told = [line for line in log.read_text().splitlines() if "CHATMOD_UI_API_KEY" in line]
    assert expected == len(told)
    assert all("-m prediction_service keys add --name chat --scope records" in line for line in told)
    assert "cm_secret" not in log.read_text()


def test_the_command_that_makes_the_chats_key_works(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    _, _, arguments = ups.KEY_COMMAND.partition(" keys ")
    made = command(file, *arguments.split())
    assert (0, True) == (made.returncode, made.stdout.startswith("cm_"))


def test_an_mlflow_that_cannot_start_ends_the_stack_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mlflow.db").write_text("no database" * 100)
    ran = workflow("up", CHATMOD_HOME=tmp_path / "home", CHATMOD_DATA="sample", **ports())
    assert ran.returncode == 1
    said = ran.stderr[ran.stderr.index("error: ") :]
    assert re.match(r"error: mlflow ended with \d+; the end of .*home/logs/mlflow.log:\n  ", said)
    assert "file is not a database" in said
    assert not (tmp_path / "home" / "work" / "registered").exists()


def test_a_pipeline_that_is_killed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ups, "mlflow", lambda _: part("mlflow", "import time; time.sleep(60)", port=free_port())
    )
    monkeypatch.setattr(
        ups, "python", lambda *_: [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    )
    settings = Settings(home=tmp_path, api_port=free_port(), ui_port=free_port(), mlflow_port=free_port())
    with pytest.raises(StackError, match=r"pipeline: ended by signal 9"):
        up(settings, set(), str)


def test_a_pipeline_that_refuses_gives_its_code_and_starts_nothing_more(tmp_path: Path) -> None:
    ran = workflow("up", CHATMOD_HOME=tmp_path / "home", CHATMOD_DATA="/nowhere.csv", **ports())
    assert ran.returncode == 1
    assert ran.errors.startswith("error: CHATMOD_DATA='/nowhere.csv' cannot be read")
    assert {"mlflow.log"} == {path.name for path in (tmp_path / "home" / "logs").iterdir()}
    assert "Traceback" not in ran.stderr
