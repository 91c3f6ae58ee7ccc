"""The command as it is typed, on a real bundle; and the service with what it wrote."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE
from prediction_service import calibration
from prediction_service.service import Moderator
from tests.bundles import reseal
from tests.conftest import Messages
from tests.prediction_service.old_scores import old_scores, write_export
from tests.prediction_service.serving import CONF, ROOT, Server, free_port

MAPPING = "TOXICITY=LIKELY_TO_REJECT,INSULT=LIKELY_TO_REJECT"


@pytest.fixture(scope="module")
def texts(sample_rows: list[tuple[str, int]]) -> list[str]:
    return [text for text, _ in sample_rows]


@pytest.fixture(scope="module")
def export(bundle_dir: Path, texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    return write_export(folder / "old_scores.csv", texts, old_scores(bundle_dir, texts))


def calibrate(
    *arguments: object, folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prediction_service", "calibrate", *map(str, arguments)],
        env={"PYTHONPATH": str(ROOT)} | (environment or {}),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def fitted(bundle_dir: Path, export: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The file that the command wrote, and what it said."""
    folder = tmp_path_factory.mktemp("fitted")
    done = calibrate(
        export, "--bundle", bundle_dir, "--out", "map.json", "--picture", "map.svg", folder=folder
    )
    assert (0, "") == (done.returncode, done.stderr)
    return folder / "map.json", done.stdout


def figures(said: str, threshold: str, label: str) -> list[str]:
    """The numbers of one line of the table: comments, share, both, old only, new only."""
    _, _, block = said.partition(f"\n  {threshold}      ")
    line = next(line for line in block.splitlines() if re.match(rf"\s*{label}\s", line))
    return re.findall(r"[\d.]+", line)


def test_what_was_fitted_is_a_file_for_this_bundle_and_this_export(
    fitted: tuple[Path, str], bundle_dir: Path, export: Path
) -> None:
    path, said = fitted
    found = calibration.read(path)
    assert bundles.digest_of(bundle_dir) == found.bundle
    assert (800, 800, ["TOXICITY"]) == (found.rows, found.texts, list(found.links))
    assert f"wrote map.json (sha256 {found.digest}); serve it with" in said
    assert "CHATMOD_API_ATTRIBUTES=TOXICITY=LIKELY_TO_REJECT CHATMOD_API_CALIBRATION=map.json" in said


def test_it_says_how_many_rows_there_were_and_how_far_the_scores_agree(fitted: tuple[Path, str]) -> None:
    said = fitted[1]
    assert said.startswith("old_scores.csv: 800 rows, 800 different texts; bundle ")
    [agreement] = re.findall(r"TOXICITY: rank agreement with the old scores \(Spearman\) (0\.\d\d),", said)
    assert 0.6 < float(agreement) < 1.0
    assert "WARNING" not in said


def test_it_counts_decisions_before_and_after_with_and_without_the_map(
    fitted: tuple[Path, str], bundle_dir: Path, texts: list[str]
) -> None:
    ours = bundles.load(bundle_dir).score(texts)[ATTRIBUTE].tolist()
    old = [float(score) for score in old_scores(bundle_dir, texts)]
    both = sum(one >= 0.8 and other >= 0.8 for one, other in zip(ours, old, strict=True))
    before, unmapped = sum(one >= 0.8 for one in old), sum(one >= 0.8 for one in ours)
    counted = figures(fitted[1], "0.80", "unmapped")
    assert [str(one) for one in (both, before - both, unmapped - both)] == counted[2:5]
    mapped = int(figures(fitted[1], "0.80", "mapped")[0])
    assert abs(mapped - before) <= 0.02 * len(texts) < abs(unmapped - before)


def test_every_usual_threshold_is_shown_and_the_clients_own(
    bundle_dir: Path, export: Path, tmp_path: Path
) -> None:
    done = calibrate(export, "--bundle", bundle_dir, "--threshold", "0.65", folder=tmp_path)
    assert ["0.50", "0.65", "0.70", "0.80", "0.90"] == re.findall(
        r"^  (0\.\d\d)  +old", done.stdout, re.MULTILINE
    )
    assert "nothing was written: --out FILE.json writes the map" in done.stdout
    assert [] == list(tmp_path.iterdir())


def test_the_same_export_gives_the_same_bytes(
    fitted: tuple[Path, str], bundle_dir: Path, export: Path, tmp_path: Path
) -> None:
    calibrate(export, "--bundle", bundle_dir, "--out", "map.json", "--picture", "map.svg", folder=tmp_path)
    for name in ("map.json", "map.svg"):
        assert fitted[0].with_name(name).read_bytes() == (tmp_path / name).read_bytes()


def test_the_picture_is_well_formed_and_shows_every_threshold(fitted: tuple[Path, str]) -> None:
    picture = ET.parse(fitted[0].with_name("map.svg"))  # noqa: S314 - our own file
    said = ["".join(one.itertext()) for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {f"at or over {at}" for at in ("0.50", "0.70", "0.80", "0.90")} <= set(said)
    assert "old_scores.csv, 800 comments" in said


def test_scores_that_agree_weakly_are_called_so(bundle_dir: Path, texts: list[str], tmp_path: Path) -> None:
    export = write_export(tmp_path / "loose.csv", texts, old_scores(bundle_dir, texts, noise=8))
    done = calibrate(export, "--bundle", bundle_dir, folder=tmp_path)
    assert 0 == done.returncode
    assert "WARNING: the two scores agree weakly (Spearman" in done.stdout
    assert "keeps how many comments reach a threshold, not which" in done.stdout


@pytest.mark.parametrize("kind", ["chance", "upside down"])
def test_no_map_is_written_between_scores_that_do_not_agree_unless_somebody_insists(
    bundle_dir: Path, texts: list[str], tmp_path: Path, kind: str
) -> None:
    """Scores that stand beside the wrong texts, or that are high where a comment is good."""
    scores = old_scores(bundle_dir, texts)
    wrong = {
        "chance": random.Random(1).sample(scores, len(scores)),
        "upside down": [1 - one for one in scores],
    }
    write_export(tmp_path / "old.csv", texts, wrong[kind])
    command = ("old.csv", "--bundle", bundle_dir, "--out", "map.json", "--picture", "map.svg")
    done = calibrate(*command, folder=tmp_path)
    assert (1, 1) == (done.returncode, done.stderr.count("\n"))
    assert re.match(
        r"error: the old scores and this bundle's do not agree \(TOXICITY: Spearman -?0\.\d\d, "
        r"95 % interval -0\.\d\d to -?0\.\d\d\), and nothing was written: ",
        done.stderr,
    )
    assert "wrote" not in done.stdout
    assert ["old.csv"] == [one.name for one in tmp_path.iterdir()]
    assert 0 == calibrate(*command[:-4], folder=tmp_path).returncode
    assert 0 == calibrate(*command, "--force", folder=tmp_path).returncode
    assert {"old.csv", "map.json", "map.svg"} == {one.name for one in tmp_path.iterdir()}


def test_the_help_is_for_those_who_type_the_command(tmp_path: Path) -> None:
    said = " ".join(calibrate("--help", folder=tmp_path).stdout.split())
    assert "`make serve`" in said
    assert "docs/from-perspective.md" in said
    assert "HTTP" not in said


def test_a_threshold_that_few_reach_is_called_so(bundle_dir: Path, texts: list[str], tmp_path: Path) -> None:
    scores = [score * 0.85 for score in old_scores(bundle_dir, texts)]
    done = calibrate(
        write_export(tmp_path / "low.csv", texts, scores), "--bundle", bundle_dir, folder=tmp_path
    )
    assert re.search(r"WARNING: \d+ old scores reach 0.80. With fewer than 30 the map is loose", done.stdout)


def test_comments_that_occur_again_count_again(bundle_dir: Path, texts: list[str], tmp_path: Path) -> None:
    scores = old_scores(bundle_dir, texts)
    rows = sorted(zip(texts * 2, scores * 2, strict=True))
    export = write_export(tmp_path / "old.csv", *zip(*rows, strict=True))
    done = calibrate(export, "--bundle", bundle_dir, "--out", "map.json", folder=tmp_path)
    assert done.stdout.startswith("old.csv: 1,600 rows, 800 different texts; bundle ")
    before = sum(one >= 0.8 for one in scores)
    both = int(figures(done.stdout, "0.80", "unmapped")[2])
    assert 2 * before == both + int(figures(done.stdout, "0.80", "unmapped")[3])


def test_several_attributes_come_from_several_columns(
    bundle_dir: Path, texts: list[str], tmp_path: Path
) -> None:
    rows = list(zip(old_scores(bundle_dir, texts), old_scores(bundle_dir, texts, seed=1), strict=True))
    lines = [f'"{text}",{one},{other}' for text, (one, other) in zip(texts, rows, strict=True)]
    (tmp_path / "old.csv").write_text("\n".join(["comment,tox,insult", *lines]))
    done = calibrate(
        *("old.csv", "--bundle", bundle_dir, "--text-column", "comment", "--out", "map.json"),
        *("--attribute", "TOXICITY=tox", "--attribute", "INSULT=insult"),
        folder=tmp_path,
    )
    assert (0, "") == (done.returncode, done.stderr)
    links = calibration.read(tmp_path / "map.json").links
    assert ["INSULT", "TOXICITY"] == sorted(links)
    assert links["INSULT"] != links["TOXICITY"]
    assert f"CHATMOD_API_ATTRIBUTES={MAPPING}" in done.stdout


def test_the_bundle_is_the_services_own_where_none_is_named(
    fitted: tuple[Path, str], bundle_dir: Path, export: Path, tmp_path: Path
) -> None:
    environment = {"CHATMOD_API_BUNDLE": str(bundle_dir), "CHATMOD_API_ATTRIBUTES": MAPPING}
    done = calibrate(export, "--out", "map.json", folder=tmp_path, environment=environment)
    assert (0, "") == (done.returncode, done.stderr)
    assert fitted[0].read_bytes() == (tmp_path / "map.json").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["nothing.csv", "--bundle", "BUNDLE"], "error: nothing.csv: No such file or directory"),
        (["EXPORT"], "error: CHATMOD_API_BUNDLE='' and CHATMOD_API_MODEL_VERSION='' name no model"),
        (["EXPORT", "--bundle", "nothing"], "error: nothing/passport.json: no bundle there"),
        (["EXPORT", "--bundle", "BUNDLE", "--text-column", "body"], "0 columns are named 'body'"),
        (["EXPORT", "--bundle", "BUNDLE", "--attribute", ATTRIBUTE], "whose own score stays what it is"),
        (
            ["EXPORT", "--bundle", "BUNDLE", "--out", "no/map.json"],
            "error: no/map.json: there is no folder no",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_one_message_and_leaves_nothing(
    arguments: list[str], wrong: str, bundle_dir: Path, export: Path, tmp_path: Path
) -> None:
    places = {"BUNDLE": bundle_dir, "EXPORT": export}
    done = calibrate(*(places.get(one, one) for one in arguments), folder=tmp_path)
    assert (1, "") == (done.returncode, done.stdout)
    assert wrong in done.stderr
    assert "Traceback" not in done.stderr
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "value"),
    [("--threshold", "80"), ("--threshold", "x"), ("--attribute", "A B"), ("--picture", "map.png")],
)
def test_an_option_that_cannot_be_read_is_named(
    option: str, value: str, export: Path, tmp_path: Path
) -> None:
    done = calibrate(export, option, value, folder=tmp_path)
    assert 2 == done.returncode
    assert f"argument {option}: {value!r}" in done.stderr


def test_a_long_file_shows_its_progress_and_ctrl_c_leaves_nothing(
    bundle_dir: Path, texts: list[str], tmp_path: Path
) -> None:
    many = [f"{text} {' '.join(texts[:150])} {number}" for number in range(30) for text in texts[:100]]
    write_export(tmp_path / "old.csv", many, [number / len(many) for number in range(len(many))])
    command = subprocess.Popen(
        [
            *(sys.executable, "-m", "prediction_service", "calibrate", "old.csv"),
            *("--bundle", bundle_dir, "--out", "map.json"),
        ],
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stderr is not None
    assert re.fullmatch(r"scored [\d,]+ of 3,000 texts\n", command.stderr.readline())
    command.send_signal(signal.SIGINT)
    said, wrong = command.communicate(timeout=60)
    assert (130, "", "stopped\n") == (command.returncode, said, wrong.splitlines(keepends=True)[-1])
    assert ["old.csv"] == [one.name for one in tmp_path.iterdir()]


def ask(server: Server, text: str, **attributes: dict[str, float]) -> dict[str, float]:
    """What Perspective's clients read of an answer, by attribute."""
    request = {"comment": {"text": text}, "requestedAttributes": attributes}
    status, _, body = server.ask("POST", "/v1alpha1/comments:analyze", json.dumps(request).encode())
    assert 200 == status
    scores = json.loads(body).get("attributeScores", {})
    return {name: one["summaryScore"]["value"] for name, one in scores.items()}


@pytest.fixture(scope="module")
def server(fitted: tuple[Path, str], bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    log = tmp_path_factory.mktemp("served") / "api.log"
    options = {"bundle": bundle_dir, "attributes": MAPPING, "calibration": fitted[0], "workers": 2}
    with Server(log, **options) as server:
        yield server


def test_readiness_says_which_calibration_is_served(
    server: Server, fitted: tuple[Path, str], bundle_dir: Path
) -> None:
    _, _, body = server.ask("GET", "/readyz")
    assert {
        "digest": calibration.read(fitted[0]).digest,
        "attributes": ["TOXICITY"],
        "rows": 800,
        "bundle": bundles.digest_of(bundle_dir),
    } == json.loads(body)["calibration"]


def test_values_under_a_fitted_name_are_on_the_old_scale_and_no_others_are(
    server: Server, fitted: tuple[Path, str], bundle_dir: Path, messages: Messages
) -> None:
    link = calibration.read(fitted[0]).links["TOXICITY"]
    bundle = bundles.load(bundle_dir)
    for text in (messages.civil, messages.flagged, messages.removed):
        [ours] = bundle.score([text])[ATTRIBUTE].tolist()
        expected = {"TOXICITY": link(ours), "INSULT": ours, ATTRIBUTE: ours}
        for _again in range(3):
            assert expected == ask(server, text, TOXICITY={}, INSULT={}, **{ATTRIBUTE: {}})
        assert link(ours) != ours


def test_a_clients_threshold_is_held_against_the_mapped_value(
    server: Server, fitted: tuple[Path, str], bundle_dir: Path, messages: Messages
) -> None:
    [ours] = bundles.load(bundle_dir).score([messages.flagged])[ATTRIBUTE].tolist()
    mapped = calibration.read(fitted[0]).links["TOXICITY"](ours)
    assert mapped < ours
    between = {"scoreThreshold": (mapped + ours) / 2}
    assert {"INSULT": ours} == ask(server, messages.flagged, TOXICITY=between, INSULT=between)


def test_decisions_and_their_scores_stay_what_they_were(
    server: Server, bundle_dir: Path, messages: Messages
) -> None:
    texts = [messages.civil, messages.flagged, messages.removed]
    records = [{"body": text, "message_id": number} for number, text in enumerate(texts)]
    _, _, body = server.ask("POST", "/predict", json.dumps({"Records": records}).encode())
    expected = Moderator(bundles.load(bundle_dir), "7").moderate(texts)
    assert [(one.scores[ATTRIBUTE], one.action, one.rule, one.policy_version) for one in expected] == [
        (one["moderate_message"], one["action"], one["rule"], one["policy_version"])
        for one in (answer["prediction"] for answer in json.loads(body)["predictions"])
    ]


def test_the_page_for_people_says_that_names_are_calibrated(server: Server) -> None:
    _, _, page = server.ask("GET", "/docs")
    assert b"put on the scale\nof a client's old scores where <code>calibration</code>" in page


def reason_of(server: Server) -> str:
    """Why a server that will never be ready is not."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        if server.status_of("/readyz") == 503:
            answer = json.loads(server.ask("GET", "/readyz")[2])
            if answer["status"] == "failed":
                return str(answer["detail"])
        time.sleep(0.05)
    raise AssertionError(server.log.read_text())


def test_a_calibration_of_another_bundle_is_never_served(
    fitted: tuple[Path, str], bundle_dir: Path, tmp_path: Path
) -> None:
    """A newly promoted model with the map of the one before it."""
    other = Path(shutil.copytree(bundle_dir, tmp_path / "other"))
    reseal(other, metrics={})
    options = {"bundle": other, "attributes": MAPPING, "calibration": fitted[0], "workers": 1}
    with Server(tmp_path / "log", wait=False, **options) as server:
        reason = reason_of(server)
        assert 503 == server.ask("POST", "/predict", b'{"Records": [{"body": "a", "message_id": 1}]}')[0]
    assert "CHATMOD_API_CALIBRATION was fitted for the bundle" in reason
    assert reason.endswith("run calibrate again for this bundle, or unset it")


def test_a_calibration_for_a_name_that_nobody_answers_for_is_never_served(
    fitted: tuple[Path, str], bundle_dir: Path, tmp_path: Path
) -> None:
    options = {"bundle": bundle_dir, "calibration": fitted[0], "workers": 1}
    with Server(tmp_path / "log", wait=False, **options) as server:
        assert "set CHATMOD_API_ATTRIBUTES=TOXICITY=LIKELY_TO_REJECT" in reason_of(server)


def refusal_at_start(environment: dict[str, object]) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", CONF, "prediction_service.app:wsgi()"],
        env={f"CHATMOD_API_{name}": str(value) for name, value in environment.items()},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert 0 != ended.returncode
    return ended.stderr


@pytest.mark.parametrize(("content", "wrong"), [(None, "cannot be read"), ("{}", "has version=None")])
def test_a_file_that_is_no_calibration_is_refused_at_the_start(
    content: str | None, wrong: str, bundle_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "map.json"
    if content is not None:
        path.write_text(content)
    said = refusal_at_start({"BUNDLE": bundle_dir, "CALIBRATION": path, "PORT": free_port()})
    assert f"CHATMOD_API_CALIBRATION={str(path)!r} {wrong}" in said
    assert "run calibrate again, or unset it" in said
