"""gunicorn's configuration: processes, threads, stopping. Each worker loads the model, after the fork."""
# ruff: noqa: N999 - the name that gunicorn's users look for

import shutil
import sys
from typing import Any

from prediction_service import logs, master, settings
from prediction_service.exceptions import ServiceError, SettingsError

try:
    options = settings.load()
except SettingsError as error:
    sys.exit(str(error))

_metrics = master.metrics_directory()

bind = [f"[{options.host}]:{options.port}" if ":" in options.host else f"{options.host}:{options.port}"]
proc_name = "chat-moderation"
worker_class = "prediction_service.worker.DrainingWorker"
workers = options.workers
threads = options.threads
preload_app = False
graceful_timeout = options.graceful_timeout_s
keepalive = 15
# bytes of the first line, lines of headers, and bytes of one: more is refused with 414 or 431
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
worker_tmp_dir = "/tmp"  # noqa: S108 - a heartbeat file without a name; a read-only root leaves nothing else
control_socket_disable = True
raw_env = [f"PROMETHEUS_MULTIPROC_DIR={_metrics}"]
logger_class = master.Log
loglevel = options.log_level
logconfig_dict = logs.for_gunicorn(options.log_level)


def on_starting(server: Any) -> None:
    """Before the port is taken: make room for figures, and say clearly what is not free or cannot be read."""
    if server.master_pid == 0 and not server.LISTENERS:
        try:
            master.check_port(options)
            if options.calibration:
                from prediction_service import calibration

                calibration.read(options.calibration)
            master.check_keys(options)
        except ServiceError as error:
            sys.exit(str(error))
    master.prepare_metrics(_metrics)


def when_ready(server: Any) -> None:
    """Before the first worker is forked."""
    master.guard_listeners(server)


def on_reload(server: Any) -> None:
    """A reload may have opened other sockets."""
    master.guard_listeners(server)


def child_exit(_server: Any, worker: Any) -> None:
    """A worker has ended, however it ended."""
    master.forget_worker(_metrics, worker.pid)


def on_exit(_server: Any) -> None:
    """The master ends."""
    shutil.rmtree(_metrics, ignore_errors=True)
