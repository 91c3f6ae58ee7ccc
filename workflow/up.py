"""What `make run`, `make serve` and `make ui` do: which parts of the stack are started, in which order."""

import time
from collections.abc import Callable

from workflow.exceptions import StackError, StepError, TrackingError
from workflow.settings import Settings
from workflow.stack import (
    Part,
    Stack,
    answers,
    api,
    chat,
    check_port,
    mlflow,
    python,
    tracking_page,
)
from workflow.steps import read_json
from workflow.summary import summary

Say = Callable[[str], None]


def up(settings: Settings, only: set[str], say: Say) -> int:
    """Serve until Ctrl-C or SIGTERM; 0, or the code with which the pipeline ended.

    Raises:
        StackError: a port is taken, or a part cannot start or dies.

    """
    _check_ports(settings, only)
    with Stack(settings.home / "logs", say) as stack:
        if not only:
            return _everything(stack, settings, say)
        if "api" in only:
            stack.start(api(settings, _from_disk(settings)))
        if "ui" in only:
            stack.start(chat(settings))
        if stack.wait_until_up():
            stack.wait()
    return 0


def wait_for_tracking(settings: Settings, patience_s: float = 120.0) -> None:
    """Wait until MLflow's server, which makes the database, answers.

    Raises:
        TrackingError: it does not.

    """
    address, started = f"{tracking_page(settings)}/health", time.monotonic()
    while not answers(address):
        if time.monotonic() - started > patience_s:
            raise TrackingError(f"{address} did not answer within {patience_s:.0f} s: see the log of mlflow")
        time.sleep(0.2)


def _everything(stack: Stack, settings: Settings, say: Say) -> int:
    if not settings.tracking_uri:
        stack.start(mlflow(settings))
    stack.start(Part("pipeline", python("-m", "workflow", "run", "--served")), quiet=False)
    code = stack.finish("pipeline")
    if code is None or code:
        return code or 0
    stack.start(api(settings, _from_registry(settings)))
    stack.start(chat(settings))
    if stack.wait_until_up():
        say(summary(settings, addresses=True))
        say("Ctrl-C stops everything")
        stack.wait()
    say("stopping")
    return 0


def _check_ports(settings: Settings, only: set[str]) -> None:
    if not only or "api" in only:
        check_port("CHATMOD_API_PORT", settings.api_port)
    if not only or "ui" in only:
        check_port("CHATMOD_UI_PORT", settings.ui_port)
    if not only and not settings.tracking_uri:
        check_port("CHATMOD_MLFLOW_PORT", settings.mlflow_port)


def _from_registry(settings: Settings) -> dict[str, str]:
    try:
        entry = read_json(settings.workdir / "registered" / "version.json")
    except OSError as error:
        raise StepError(f"{error.filename}: no registered version: run make train") from error
    return {
        "CHATMOD_API_MODEL_VERSION": str(entry["version"]),
        "CHATMOD_API_MODEL_DIGEST": entry["digest"],
        "CHATMOD_API_REGISTRY_URL": tracking_page(settings),
        "CHATMOD_API_CACHE_DIR": str(settings.home.resolve() / "cache" / "models"),
    }


def _from_disk(settings: Settings) -> dict[str, str]:
    bundle = settings.workdir.resolve() / "bundle"
    if not (bundle / "passport.json").is_file():
        raise StackError(f"{bundle}: no bundle there: run make train, or name one in CHATMOD_API_BUNDLE")
    return {"CHATMOD_API_BUNDLE": str(bundle)}
