"""The command line: python -m workflow {run,step,up,gate,status,verify,labels}."""

import argparse
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from modeling.exceptions import ModelingError
from workflow import gate_command, labels, status, verify
from workflow import settings as settings_module
from workflow.exceptions import WorkflowError
from workflow.settings import Settings

if TYPE_CHECKING:
    from workflow.pipeline import Step


ANSWERS: Final = ("gate", "status", "verify")
ERROR: Final = 2


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 if it did its work, 1 if it refused with a message, 130 after Ctrl-C or SIGTERM.

    Commands that answer a question by their code refuse with 2: `gate`, `step gate`, `status` and `verify`.
    """
    parser = _parser()
    chosen = parser.parse_args(arguments)
    # A step that is told to end takes away what it has begun, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return COMMANDS[chosen.command](chosen, settings_module.load())
    except (WorkflowError, ModelingError) as error:
        sys.stderr.write(f"error: {error}\n")
        return ERROR if chosen.command in ANSWERS or getattr(chosen, "name", "") in ANSWERS else 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130


def _up(chosen: argparse.Namespace, settings: Settings) -> int:
    from workflow.up import up

    return up(settings, set(chosen.only or ()), _say)


def _run(chosen: argparse.Namespace, settings: Settings) -> int:
    from workflow.local import run_pipeline
    from workflow.summary import summary
    from workflow.up import wait_for_tracking

    def before(step: "Step") -> None:
        if chosen.served and step.name in {"register", "gate"}:
            wait_for_tracking(settings)

    worked = run_pipeline(settings, _say, before)
    if not worked:
        _say("data, parameters and code are unchanged: nothing was trained again (FRESH=1 forces it)")
    if not chosen.served:
        _say(summary(settings))
    return 0


def _step(chosen: argparse.Namespace, settings: Settings) -> int:
    from workflow.local import run_step
    from workflow.pipeline import step_named

    place = chosen.workdir or settings.workdir
    run_step(step_named(chosen.name), place, settings, _say)
    return gate_command.exit_code(place) if chosen.name == "gate" else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    from workflow.pipeline import PIPELINE

    parser = argparse.ArgumentParser(prog="python -m workflow", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="download, preprocess, train, evaluate, register and judge")
    run.add_argument("--served", action="store_true", help=argparse.SUPPRESS)
    step = commands.add_parser("step", help="run one step of the pipeline")
    step.add_argument("name", choices=[step.name for step in PIPELINE])
    step.add_argument("--workdir", type=Path, help="where its directories lie (CHATMOD_HOME/work)")
    up = commands.add_parser("up", help="run the pipeline, then serve API, chat and MLflow until Ctrl-C")
    up.add_argument("--only", action="append", choices=("api", "ui"), help="serve just this, without a run")
    gate_command.register(commands)
    status.register(commands)
    verify.register(commands)
    labels.register(commands)
    commands.metavar = f"{{{','.join(commands.choices)}}}"  # or a missing one is called by its dest
    return parser


COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace, Settings], int]]] = {
    "run": _run,
    "step": _step,
    "up": _up,
    "gate": lambda chosen, settings: gate_command.run(chosen, settings, _say),
    "status": lambda chosen, settings: status.run(chosen, settings, _say),
    "verify": lambda chosen, settings: verify.run(chosen, settings, _say),
    "labels": lambda chosen, settings: labels.run(chosen, settings, _say, sys.stdin),
}


if __name__ == "__main__":
    sys.exit(main())
