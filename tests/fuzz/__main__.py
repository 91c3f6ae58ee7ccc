"""Fuzz a real server: `python -m tests.fuzz --requests 100000 --seed 1`; a finding is kept as a file.

python -m tests.fuzz --replay .chatmod/fuzz/1-4711.bin
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from prediction_service.wire import Problem
from tests.bundles import trained
from tests.corpus import make_rows
from tests.fuzz.campaign import CLIENTS, Campaign
from tests.fuzz.cases import Case
from tests.fuzz.exchange import Client
from tests.fuzz.targets import ATTRIBUTES
from tests.prediction_service.serving import Server

KEPT: Final = Path(".chatmod/fuzz")
MOST_GROWTH: Final = 0.05
SHOWN: Final = 20
HEAVY: Final = 400


def main() -> int:
    """Run, or replay one finding; 1 where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--keep", type=Path, default=KEPT, help="where findings are written")
    parser.add_argument("--replay", type=Path, help="send one kept request again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bundle = trained(Path(place) / "bundle", make_rows(800))
        labels = f"sqlite:///{place}/labels.db"
        with Server(Path(place) / "log", bundle=bundle, attributes=ATTRIBUTES, labels=labels) as server:
            if options.replay:
                return replay(server, options.replay)
            campaign = Campaign(server, options.seed, options.requests, options.clients, HEAVY)
            campaign.run()
            return report(campaign, options.keep)


def replay(server: Server, kept: Path) -> int:
    """Send one kept request again, and tell what comes."""
    how = json.loads(kept.with_suffix(".json").read_text())
    one = Case(0, how["kind"], kept.read_bytes(), ends=how["ends"], pieces=how["pieces"])
    client = Client(server.port, [Problem])
    complaint = client.ask(one)
    say(f"answered {client.statuses}; {complaint or 'nothing to complain of'}; it was: {how['complaint']}")
    say(server.log.read_text()[-3_000:])
    return 1 if complaint else 0


def report(campaign: Campaign, keep: Path) -> int:
    """Print the figures and every kind of finding; 1 where there is one."""
    before, after, growth = campaign.growth()
    sent = campaign.kinds.total()
    say(f"{sent} requests of seed {campaign.seed} in {campaign.seconds:.1f} s", end=": ")
    say(f"{sent / campaign.seconds:.0f}/s, {campaign.retried} kept connections had ended")
    say("by kind", dict(campaign.kinds.most_common()))
    say("by status (0: no answer was due)", dict(sorted(campaign.statuses.items())))
    say(f"memory of all workers: {before:.1f} MB after the warm-up, {after:.1f} MB at the end: {growth:+.1%}")
    say("in each tenth", *campaign.curve())
    harm = list(campaign.aftermath())
    if growth > MOST_GROWTH:
        harm.append(f"memory has grown by {growth:.1%}")
    for finding in campaign.findings:
        kept = finding.write(keep, campaign.seed)
        harm.append(f"{kept} ({finding.case.kind}): {finding.complaint}")
    say(f"{len(harm)} findings", *harm[:SHOWN], sep="\n")
    return 1 if harm else 0


def say(*words: object, end: str = "\n", sep: str = " ") -> None:
    """Print at once, whatever is behind the standard output."""
    print(*words, end=end, sep=sep, flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
