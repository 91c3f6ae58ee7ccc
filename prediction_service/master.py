"""What gunicorn's master does around its workers: metrics directory, port, listening sockets."""

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from prediction_service.exceptions import SettingsError
from prediction_service.listener import Listener
from prediction_service.settings import PREFIX, Settings


class Log(Logger):  # type: ignore[misc]
    """gunicorn's log without its access lines: the application writes one a request, with its id."""

    def access(self, *_: Any) -> None:
        """Nothing."""


def metrics_directory() -> Path:
    """Where this master's workers keep their figures: of this process, so two servers never mix."""
    return Path(tempfile.gettempdir()) / f"chatmod-metrics-{os.getuid()}-{os.getpid()}"


def prepare_metrics(directory: Path) -> None:
    """An empty directory, readable by nobody else."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)


def forget_worker(directory: Path, pid: int) -> None:
    """Take a dead worker's gauges off the page; its counters stay, or totals would fall."""
    for left in directory.glob(f"gauge_live*_{pid}.db"):
        left.unlink(missing_ok=True)


def check_port(options: Settings) -> None:
    """Say at once that a port cannot be had.

    Raises:
        SettingsError: another process listens there, or the address is none of this machine.

    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}PORT='{options.port}' on {PREFIX}HOST={options.host!r} cannot be had ({error}): "
            "stop what listens there, or choose another port"
        ) from error


def check_keys(options: Settings) -> None:
    """Say at once that the file of API keys is none; one that breaks later leaves the last good keys.

    Raises:
        KeysError: it cannot be read.

    """
    if options.keys is not None:
        from prediction_service import keyfile

        keyfile.read(options.keys)


def guard_listeners(server: Any) -> None:
    """Let the master's listening sockets be closed in two steps, once each."""

    def stops_for_good() -> bool:
        # a master that was replaced, or sockets lent by systemd: others still listen on them
        return server.reexec_pid == server.master_pid == 0 and not server.systemd

    server.LISTENERS = [
        one if isinstance(one, Listener) else Listener(one, stops_for_good) for one in server.LISTENERS
    ]
