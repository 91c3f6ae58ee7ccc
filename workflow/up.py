"""What `make run`, `make serve` and `make ui` do: which parts of the stack are started, in which order."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from modeling import bundle as bundles
from modeling.exceptions import BundleError
from workflow.exceptions import StackError, TrackingError
from workflow.health import HOST, answers
from workflow.settings import Settings
from workflow.stack import (
    Part,
    Stack,
    api,
    api_address,
    chat,
    check_port,
    check_settings,
    mlflow,
    python,
    tracking_page,
)
from workflow.summary import served, summary

KEY_COMMAND: Final = ".venv/bin/python -m prediction_service keys add --name chat --scope records"
Say = Callable[[str], None]


def up(settings: Settings, only: set[str], say: Say) -> int:
    """Serve until Ctrl-C or SIGTERM; 0, or the code with which the pipeline ended.

    Raises:
        StackError: a port is taken, or the bundle to be served is missing, or a part does not start or dies.

    """
    _check_ports(settings, only)
    if settings.api_bundle:
        _check_bundle(settings.api_bundle)
    model = _from_disk(settings, say) if "api" in only else {}
    if not only or "api" in only:
        check_settings("prediction_service", model or {"CHATMOD_API_MODEL_VERSION": "1"})
    if not only or "ui" in only:
        check_settings("frontend", {})
    with Stack(settings.home / "logs", say) as stack:
        if not only:
            return _everything(stack, settings, say)
        if "api" in only:
            stack.start(api(settings, model))
        if "ui" in only:
            _start_chat(stack, settings, say)
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
    if code is not None and code < 0:
        raise StackError(f"pipeline: ended by signal {-code}: run it again, with more memory if that ran out")
    if code is None or code:
        return code or 0
    stack.start(api(settings, _from_registry(settings)))
    _start_chat(stack, settings, say)
    if stack.wait_until_up():
        say(summary(settings, addresses=True))
        if settings.api_bundle or settings.api_model_version:
            say(f"  the API serves what you have named: {api_address(settings)}/readyz says which version")
        say("Ctrl-C stops everything")
        stack.wait()
    say("stopping")
    return 0


def _start_chat(stack: Stack, settings: Settings, say: Say) -> None:
    if settings.api_keys and not settings.ui_api_key:
        say(
            "CHATMOD_API_KEYS is set and CHATMOD_UI_API_KEY is not, so that the service decides nothing for "
            f"the chat: make a key ({KEY_COMMAND}), set CHATMOD_UI_API_KEY to what that prints, "
            "and start again"
        )
    stack.start(chat(settings))


def _check_ports(settings: Settings, only: set[str]) -> None:
    needed = {}
    if not only or "api" in only:
        needed["CHATMOD_API_PORT"] = settings.api_port
    if not only or "ui" in only:
        needed["CHATMOD_UI_PORT"] = settings.ui_port
    if not only and not settings.tracking_uri:
        needed["CHATMOD_MLFLOW_PORT"] = settings.mlflow_port
    taken: dict[int, str] = {}
    for name, port in needed.items():
        if port in taken:
            raise StackError(f"{name}={port} is the port of {taken[port]} too: set another port")
        taken[port] = name
        check_port(name, port, settings.api_host if name == "CHATMOD_API_PORT" else HOST)


def _from_registry(settings: Settings) -> dict[str, str]:
    version, digest = served(settings)
    return {
        "CHATMOD_API_MODEL_VERSION": str(version),
        "CHATMOD_API_MODEL_DIGEST": digest,
        "CHATMOD_API_REGISTRY_URL": tracking_page(settings),
        "CHATMOD_API_CACHE_DIR": str(settings.home.resolve() / "cache" / "models"),
    }


def _from_disk(settings: Settings, say: Say) -> dict[str, str]:
    if settings.api_bundle or settings.api_model_version:
        return {}
    bundle = settings.workdir.resolve() / "bundle"
    _check_bundle(bundle)
    if (settings.workdir / "verdict" / "verdict.json").exists():
        version, digest = served(settings)
        if digest != bundles.digest_of(bundle):
            say(f"this is the bundle trained last; the champion is version {version}, which make run serves")
    return {"CHATMOD_API_BUNDLE": str(bundle)}


def _check_bundle(directory: Path) -> None:
    try:
        bundles.load(directory)
    except BundleError as error:
        raise StackError(f"CHATMOD_API_BUNDLE={str(directory)!r}: {error}") from error
