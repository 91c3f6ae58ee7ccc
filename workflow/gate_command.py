"""The command `gate`: have a version judged now, or promoted by two people who answer for it."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from modeling.receipt import EXIT_CODES
from workflow.exceptions import StepError
from workflow.gating import Asked
from workflow.settings import Settings
from workflow.steps import read_json

Say = Callable[[str], None]
EXITS: Final = "exit code: 0 promoted, 3 refused, 4 inconclusive, 2 error"
FOR_FORCE: Final = ("reason", "by", "second")


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    gate = commands.add_parser("gate", help="judge a version against the champion", epilog=EXITS)
    gate.add_argument("version", nargs="?", type=version, help="its number (the one registered last here)")
    gate.add_argument("--force", action="store_true", help="promote against the verdict; marked for ever")
    gate.add_argument("--reason", default="", help="why it is forced")
    gate.add_argument("--by", default="", metavar="NAME", help="who forces it")
    gate.add_argument("--second", default="", metavar="NAME", help="who agrees: another person")


def version(text: str) -> int:
    """A version's number.

    Raises:
        ArgumentTypeError: it is none.

    """
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is no version: give a number such as 3")
    return int(text)


def run(chosen: argparse.Namespace, settings: Settings, say: Say) -> int:
    """Run the step for what was asked; its exit code.

    Raises:
        WorkflowError, ModelingError: nothing can be judged, or not be forced.

    """
    from workflow.local import run_step
    from workflow.pipeline import step_named

    said = {name: getattr(chosen, name) for name in FOR_FORCE}
    _check(said, force=chosen.force)
    asked = Asked(chosen.version, chosen.force, **said)
    run_step(step_named("gate"), settings.workdir, settings, say, asked=asked)
    return exit_code(settings.workdir)


def exit_code(workdir: Path) -> int:
    """Of the verdict in a work directory."""
    verdict = read_json(workdir / "verdict" / "verdict.json")["verdict"]
    return EXIT_CODES[verdict]


def _check(said: dict[str, str], *, force: bool) -> None:
    """Told before anything is judged; the gate checks the names itself."""
    for name, text in said.items():
        if force and not text.strip():
            raise StepError(
                f"--{name}={text!r}: a forced promotion is recorded with its reason and two people's names: "
                "give --reason, --by and --second"
            )
        if text and not force:
            raise StepError(f"--{name}={text!r}: is for a forced promotion: add --force, or leave it out")
