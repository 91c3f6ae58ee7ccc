"""The command line: python -m prediction_service {calibrate,keys}."""

import argparse
import sys
from typing import Final

from modeling.exceptions import ModelingError
from prediction_service import calibrate, keys_command
from prediction_service.exceptions import ServiceError

COMMANDS: Final = (calibrate, keys_command)
ABOUT: Final = "What an operator does beside the service itself, which `make serve` starts."


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 if it did its work, 1 if it refused with a message, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m prediction_service", description=ABOUT)
    commands = parser.add_subparsers(required=True)
    for command in COMMANDS:
        command.register(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except (ServiceError, ModelingError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
