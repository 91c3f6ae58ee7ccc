"""`python -m frontend`: bad settings end it, a good one starts Streamlit."""

import socket
import subprocess
import sys

from tests.frontend.servers import ROOT


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    chosen = [f"{key}={value}" for key, value in variables.items()]
    command = ["env", *chosen, sys.executable, "-m", "frontend", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_an_unknown_setting_ends_it_with_one_line() -> None:
    done = run(CHATMOD_UI_ROOMNAME="attic")
    expected = (
        "CHATMOD_UI_ROOMNAME='attic' is not a setting of the chat: did you mean CHATMOD_UI_ROOM_NAME?\n"
    )
    assert (2, expected, "") == (done.returncode, done.stderr, done.stdout)


def test_a_port_in_use_ends_it_with_the_port_and_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("--server.port", port)
    assert done.returncode != 0
    assert port in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
