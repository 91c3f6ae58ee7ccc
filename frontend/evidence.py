"""The shapes of what a version brings along: passport, policy, evaluation, audit, receipts."""

from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from frontend.exceptions import EvidenceError

Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Point = tuple[Share, Share]
Kind = TypeVar("Kind")


class Shape(BaseModel):
    """What every shape shares: a later pipeline may write more than is read here."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class Figure(Shape):
    """A figure and its interval; None where there was nothing to compute it from."""

    value: Number | None = None
    low: Number | None = None
    high: Number | None = None


class Part(Shape):
    """How many rows a part has, and how many of them moderators removed."""

    rows: Count
    removed: Count


class Split(Shape):
    """How the comments were divided; figures of one ``id`` come from the same test rows."""

    id: str
    learning: Part
    test: Part


class Data(Shape):
    """The comments."""

    source: str
    name: str
    rows: Count = 0
    used: Count = 0
    is_sample: bool


class AuditGroup(Shape):
    """What one kind of artefact alone tells of the label: 0.5 is nothing, 1 is all."""

    name: str
    title: str = ""
    before: Figure = Figure()
    after: Figure = Figure()
    limit: Number | None = None
    stage: str = "after"
    verdict: str
    reason: str = ""


class Audit(Shape):
    """The leak audit; without groups where it was not run, and without reasons in a passport."""

    status: str
    part: str = "learning"
    rows: Count = 0
    removed: Count = 0
    groups: tuple[AuditGroup, ...] = ()


class Passport(Shape):
    """Where a version came from, and what it reached on the test part."""

    candidate: str
    family: str = ""
    kind: str
    data: Data
    split: Split
    metrics: dict[str, Figure] = Field(default_factory=dict)
    ece_by_chance: Number | None = None
    leak_audit: Audit = Audit(status="not run")


class Threshold(Shape):
    """One action: the score from which it fires, or why it is off."""

    target: Share
    value: Share | None = None
    reason: str = ""


class Policy(Shape):
    """Thresholds by attribute and action."""

    attributes: dict[str, dict[str, Threshold]]


class Metrics(Shape):
    """What was measured, and on what."""

    part: str
    rows: Count
    removed: Count | None = None
    metrics: dict[str, Figure]
    ece_by_chance: Number | None = None


class ThresholdPoint(Shape):
    """What acting from one score on would do; None where nothing has so high a score."""

    threshold: Share
    precision: Share | None = None
    recall: Share | None = None
    false_positive_rate: Share | None = None
    share: Share | None = None


class Curves(Shape):
    """Thresholds, ROC (false-positive rate, recall) and PR (recall, precision)."""

    thresholds: tuple[ThresholdPoint, ...]
    roc: tuple[Point, ...]
    pr: tuple[Point, ...]


class Bin(Shape):
    """Rows of similar score: their mean score, the share that was removed, and their number."""

    score: Share
    removed: Share
    rows: Count


class Reliability(Shape):
    """Bins before and after calibration."""

    before: tuple[Bin, ...]
    after: tuple[Bin, ...]


class Slice(Shape):
    """Some of the test rows; ``small`` where too few to judge by."""

    name: str
    title: str
    rows: Count
    removed: Count = 0
    small: bool = False
    metrics: dict[str, Figure | None] = Field(default_factory=dict)


class Term(Shape):
    """What happens to scores when one term for people stands where another stood."""

    term: str
    group: str = ""
    templates: Count = 0
    messages: Count = 0
    largest_change: Number
    mean_change: Number
    mean_change_low: Number | None = None
    mean_change_high: Number | None = None
    flip_rate: Share


class Counterfactual(Shape):
    """The identity-term test."""

    terms: tuple[Term, ...]
    largest_change: Number | None = None
    flip_rate: Share | None = None
    pairs: Count = 0


class Disguise(Shape):
    """What one way of disguising words does to the scores of removed messages."""

    name: str
    title: str
    messages: Count
    mean_drop: Figure
    recall_before: Share | None = None
    recall_after: Share | None = None


class Evasion(Shape):
    """The evasion test: of ``removed`` messages, those that had been caught are disguised.

    Where no flag can fire, ``is_flag`` is false and ``threshold`` a score that stands in for its threshold.
    """

    removed: Count
    threshold: Share
    is_flag: bool
    kinds: tuple[Disguise, ...]


class Mistake(Shape):
    """One test row that was scored wrongly; ``text`` only where the report may hold texts."""

    key: str
    row: Count
    score: Share
    label: Literal[0, 1]
    words: Count
    text: str | None = None


class Mistakes(Shape):
    """The worst errors of each kind, worst first."""

    texts: bool
    false_positives: tuple[Mistake, ...]
    false_negatives: tuple[Mistake, ...]


class Cost(Shape):
    """What serving costs, on the machine that measured it."""

    cpu_ms_p50: Number | None = None
    cpu_ms_p99: Number | None = None
    messages: Count = 0
    bundle_bytes: Count | None = None
    requires: tuple[str, ...] = ()
    machine: str = ""


class Forced(Shape):
    """Who promoted against the gate's verdict, and why."""

    reason: str = ""
    by: str = ""
    second: str = ""


class Verdict(Shape):
    """What of a receipt is read; the rest is in its Markdown."""

    verdict: str
    at: str = ""
    who: str = ""
    forced: Forced | None = None


PASSPORT: Final = TypeAdapter(Passport)
POLICY: Final = TypeAdapter(Policy)
METRICS: Final = TypeAdapter(Metrics)
CURVES: Final = TypeAdapter(Curves)
RELIABILITY: Final = TypeAdapter(Reliability)
SLICES: Final = TypeAdapter(tuple[Slice, ...])
COUNTERFACTUAL: Final = TypeAdapter(Counterfactual)
EVASION: Final = TypeAdapter(Evasion)
MISTAKES: Final = TypeAdapter(Mistakes)
COST: Final = TypeAdapter(Cost)
AUDIT: Final = TypeAdapter(Audit)
VERDICT: Final = TypeAdapter(Verdict)


def read(shape: TypeAdapter[Kind], content: bytes, what: str) -> Kind:
    """A file as its shape.

    Raises:
        EvidenceError: it is another; names the file and the first place that is wrong.

    """
    try:
        return shape.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole file"
        raise EvidenceError(
            f"{what} is not what the pipeline writes ({place}: {first['msg']}): train and register anew"
        ) from error
