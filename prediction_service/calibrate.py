"""The command `calibrate`: a client's old scores in, a map from ours to theirs out. Knows no HTTP."""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prediction_service import settings as settings_module
from prediction_service.exceptions import CalibrationError
from prediction_service.settings import ATTRIBUTE_NAME, PREFIX

if TYPE_CHECKING:
    from modeling.bundle import Bundle
    from prediction_service.agreement import Floats
    from prediction_service.calibration import Calibration
    from prediction_service.calibration_report import Fitted
    from prediction_service.old_scores import OldScores

COLUMN: Final = "score"
BATCH: Final = 500
PROGRESS_S: Final = 2.0
ABOUT: Final = (
    "Compare the scores that your clients had from another service with this bundle's, say how far they "
    "agree, and write the map with which a client keeps its threshold. The settings that `make serve` then "
    "needs are said at the end. docs/from-perspective.md shows it step by step."
)


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    command = commands.add_parser(
        "calibrate", help="fit a map from this bundle's scores to a client's old ones", description=ABOUT
    )
    command.add_argument("csv", type=Path, help="texts and old scores, UTF-8, with a header")
    command.add_argument(
        "--bundle", type=Path, help=f"the bundle's directory (default: the model that {PREFIX}* names)"
    )
    command.add_argument("--text-column", default="text", metavar="COLUMN", help="default: text")
    command.add_argument(
        "--attribute",
        action="append",
        type=_attribute,
        metavar="NAME[=COLUMN]",
        help=f"a name that clients ask for, and the column of its old scores (TOXICITY={COLUMN}); repeatable",
    )
    command.add_argument(
        "--threshold", type=_threshold, default=0.8, help="from which old score you act (default: 0.8)"
    )
    command.add_argument("--skip-bad", action="store_true", help="leave out rows that cannot be used")
    command.add_argument(
        "--out", type=Path, metavar="FILE.json", help=f"write the map for {PREFIX}CALIBRATION"
    )
    command.add_argument(
        "--force", action="store_true", help="write the map although the two scores do not agree"
    )
    command.add_argument(
        "--picture", type=_picture, metavar="FILE.svg", help="draw the map and what it changes"
    )
    command.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Read, score, fit, report, and write what was asked for.

    Raises:
        ServiceError: the settings, the file or the scores cannot be used, or the scores do not agree.
        BundleError: the bundle cannot.

    """
    from prediction_service import calibration, loader, logs, old_scores

    settings = settings_module.load(bundle=chosen.bundle)
    logs.configure("warning")
    columns = dict(chosen.attribute or [("TOXICITY", COLUMN)])
    for path in (chosen.out, chosen.picture):
        _check_folder(path)
    old = old_scores.read(
        chosen.csv, chosen.text_column, list(dict.fromkeys(columns.values())), skip_bad=chosen.skip_bad
    )
    bundle = loader.source(settings)().bundle
    found = list(_fit(bundle, old, columns, settings.attributes, chosen.threshold))
    made = calibration.Calibration(
        {one.name: one.link for one in found}, bundle.digest, len(old.texts), old.distinct, old.sha256
    )
    _report(chosen.csv, old, made, found)
    if chosen.out and not chosen.force:
        _check_agreement(found)
    if chosen.picture:
        from prediction_service.calibration_picture import draw

        calibration.put(chosen.picture, draw(found[0], f"{chosen.csv.name}, {len(old.texts):,} comments"))
        _say(f"drew {chosen.picture}" + (f" (of {found[0].name})" if len(found) > 1 else ""))
    if chosen.out:
        calibration.write(chosen.out, made)
        mapping = ",".join(f"{one.name}={one.link.head}" for one in found)
        _say(f"wrote {chosen.out} (sha256 {made.digest}); serve it with")
        _say(f"  {PREFIX}ATTRIBUTES={mapping} {PREFIX}CALIBRATION={chosen.out}")
    else:
        _say("nothing was written: --out FILE.json writes the map")
    return 0


def _fit(
    bundle: "Bundle",
    old: "OldScores",
    columns: Mapping[str, str],
    mapping: Mapping[str, str],
    threshold: float,
) -> "Iterator[Fitted]":
    import numpy as np

    from prediction_service.calibration_report import Fitted
    from prediction_service.linking import fit, held_out

    heads = {name: _head(name, mapping, list(bundle.score([]))) for name in columns}
    scores = _score(bundle, old.texts)
    for name, column in columns.items():
        head, theirs = heads[name], np.array(old.scores[column])
        ours = scores[head]
        link, mapped = fit(head, ours, theirs), held_out(head, ours, theirs, old.texts)
        yield Fitted(name, link, theirs, ours, mapped, threshold)


def _head(name: str, mapping: Mapping[str, str], heads: list[str]) -> str:
    """Which head answers for a name: the one that the settings map, or the only one."""
    if name in heads:
        raise CalibrationError(
            f"--attribute {name} is a head of this bundle, whose own score stays what it is: name what your "
            "client asks for, such as TOXICITY"
        )
    head = mapping.get(name, heads[0])
    if head not in heads or (name not in mapping and len(heads) > 1):
        raise CalibrationError(
            f"--attribute {name} could be answered by {', '.join(heads)}: set {PREFIX}ATTRIBUTES={name}=HEAD "
            "as the service has it"
        )
    return head


def _score(bundle: "Bundle", texts: list[str]) -> "dict[str, Floats]":
    """Scores of all texts by head, each different text scored once, with progress on standard error."""
    import numpy as np

    distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    waiting, parts, said = list(distinct), [], time.monotonic()
    for start in range(0, len(waiting), BATCH):
        parts.append(bundle.score(waiting[start : start + BATCH]))
        if time.monotonic() - said > PROGRESS_S:
            said = time.monotonic()
            sys.stderr.write(f"scored {min(start + BATCH, len(waiting)):,} of {len(waiting):,} texts\n")
    places = np.array([distinct[text] for text in texts])
    return {head: np.concatenate([part[head] for part in parts])[places] for head in parts[0]}


def _report(path: Path, old: "OldScores", made: "Calibration", found: "list[Fitted]") -> None:
    from prediction_service.calibration_report import lines

    left_out = f" ({old.left_out:,} bad rows left out)" if old.left_out else ""
    _say(
        f"{path.name}: {len(old.texts):,} rows{left_out}, {old.distinct:,} different texts; "
        f"bundle {made.bundle[:12]}"
    )
    for one in found:
        _say("")
        for line in lines(one):
            _say(line)
    _say("")


def _check_agreement(found: "list[Fitted]") -> None:
    """No map between two scores whose order may be the same by chance alone."""
    strangers = [one for one in found if not one.agrees]
    if strangers:
        told = "; ".join(
            f"{one.name}: Spearman {one.agreement:.2f}, 95 % interval {low:.2f} to {high:.2f}"
            for one in strangers
            for low, high in [one.interval]
        )
        raise CalibrationError(
            f"the old scores and this bundle's do not agree ({told}), and nothing was written: look whether "
            "each score stands beside its own text and high means bad, or write the map all the same with "
            "--force"
        )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _attribute(text: str) -> tuple[str, str]:
    name, _, column = text.partition("=")
    if not ATTRIBUTE_NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(f"{text!r} is no attribute: give NAME or NAME=COLUMN")
    return name, column or COLUMN


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no threshold: give a number between 0 and 1, such as 0.8"
        )
    return value


def _picture(text: str) -> Path:
    if not text.endswith(".svg"):
        raise argparse.ArgumentTypeError(f"{text!r} is no name for a picture: end it with .svg")
    return Path(text)


def _check_folder(path: Path | None) -> None:
    """Before minutes of scoring are spent."""
    if path is not None and not path.parent.is_dir():
        raise CalibrationError(f"{path}: there is no folder {path.parent}: make it, or name another")
