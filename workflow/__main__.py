"""The command line: python -m workflow {run,step,up,labels}."""

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from modeling.exceptions import ModelingError
from workflow import labels
from workflow import settings as settings_module
from workflow.exceptions import WorkflowError

if TYPE_CHECKING:
    from workflow.pipeline import Step


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 if it did its work, 1 if it refused with a message, 130 after Ctrl-C or SIGTERM."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    # A step that is told to end takes away what it has begun, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = settings_module.load()
        if chosen.command == "up":
            from workflow.up import up

            return up(settings, set(chosen.only or ()), _say)
        if chosen.command == "labels":
            return labels.run(chosen, settings, _say, sys.stdin)
        if chosen.command == "step":
            return _step(chosen.name, chosen.workdir, settings)
        return _run(settings, served=chosen.served)
    except (WorkflowError, ModelingError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130


def _run(settings: settings_module.Settings, *, served: bool) -> int:
    from workflow.local import run_pipeline
    from workflow.summary import summary
    from workflow.up import wait_for_tracking

    def before(step: "Step") -> None:
        if served and step.name == "register":
            wait_for_tracking(settings)

    worked = run_pipeline(settings, _say, before)
    if not worked:
        _say("data, parameters and code are unchanged: nothing was trained again (FRESH=1 forces it)")
    if not served:
        _say(summary(settings))
    return 0


def _step(name: str, workdir: Path | None, settings: settings_module.Settings) -> int:
    from workflow.local import run_step
    from workflow.pipeline import step_named

    run_step(step_named(name), workdir or settings.workdir, settings, _say)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    from workflow.pipeline import PIPELINE

    parser = argparse.ArgumentParser(prog="python -m workflow", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="download, preprocess, train, evaluate and register")
    run.add_argument("--served", action="store_true", help=argparse.SUPPRESS)
    step = commands.add_parser("step", help="run one step of the pipeline")
    step.add_argument("name", choices=[step.name for step in PIPELINE])
    step.add_argument("--workdir", type=Path, help="where its directories lie (CHATMOD_HOME/work)")
    up = commands.add_parser("up", help="run the pipeline, then serve API, chat and MLflow until Ctrl-C")
    up.add_argument("--only", action="append", choices=("api", "ui"), help="serve just this, without a run")
    labels.register(commands)
    commands.metavar = f"{{{','.join(commands.choices)}}}"  # or a missing one is called by its dest
    return parser


if __name__ == "__main__":
    sys.exit(main())
