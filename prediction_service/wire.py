"""The native shapes on the wire, of requests, answers and refusals: pydantic schemas only, no Flask."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from pydantic.json_schema import SkipJsonSchema

API_VERSION = "1.0"
SEED_MODEL = "chat-moderation-model"
MAX_INT64 = 2**63 - 1
Action = Literal["allow", "flag", "remove"]
Access = Literal["open", "keys"]
ShortText = Annotated[StrictStr, Field(max_length=512)]
Score = Annotated[float, Field(ge=0, le=1)]
WholeNumber = Annotated[StrictInt, Field(ge=-MAX_INT64 - 1, le=MAX_INT64)]
MessageId = Annotated[
    ShortText | WholeNumber,
    Field(description="The client's own name for this message: text or a whole number, echoed as it came."),
]


class Wire(BaseModel):
    """What every shape shares: unknown fields are passed over, so that a client may send more."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        ser_json_inf_nan="null",
        protected_namespaces=(),
        json_schema_serialization_defaults_required=True,
    )


class Record(Wire):
    """One message to judge."""

    body: StrictStr = Field(description="The message's text; not empty, not only white space.")
    message_id: MessageId


class PredictRequest(Wire):
    """What POST /predict takes: a batch of messages, scored in one call."""

    Records: list[Record] = Field(description="The messages, at least one.")


class Verdict(Wire):
    """The score of one message and what the policy makes of it."""

    moderate_message: Score = Field(
        description="Probability that this community's moderators would remove the message."
    )
    message_id: MessageId
    action: Action = Field(description="allow, flag (hide until a reader peeks) or remove.")
    rule: str = Field(description="The rule that fired, or: default.")
    id: str = Field(description="This decision's own id.")
    policy_version: str


class Prediction(Wire):
    """One verdict and the model that gave it."""

    model: str = SEED_MODEL
    version: str = Field(description="The registered version, or sha256:<12 digits> for a bundle from disk.")
    prediction: Verdict


class PredictResponse(Wire):
    """What POST /predict answers: one prediction a record, in the order of the records."""

    predictions: list[Prediction]


class AnalyzeRequest(Wire):
    """What POST /analyze takes: one text."""

    text: StrictStr = Field(description="The text to judge; not empty, not only white space.")
    explain: StrictBool = Field(default=False, description="Whether to tell what made the score.")


class Contribution(Wire):
    """A part of the text, in UTF-16 code units, end exclusive, and what it adds to the logit."""

    begin: int = Field(ge=0)
    end: int = Field(ge=0)
    contribution: float


class TokenContribution(Contribution):
    """A run without white space, as it stands in the text that was sent."""

    text: str


class StyleContribution(Wire):
    """A feature of how the whole text is written, and what it adds to the logit."""

    name: str
    contribution: float


class Explanation(Wire):
    """What made a score: the logistic function of intercept plus contributions of tokens and style."""

    attribute: str = Field(description="The bundle's head that is explained.")
    logit: float = Field(description="The score's logit, log(score / (1 - score)).")
    intercept: float
    tokens: list[TokenContribution]
    sentences: list[Contribution] = Field(description="The same contributions, summed by sentence.")
    style: list[StyleContribution] = Field(
        default_factory=list,
        description="What the way of writing adds, by feature; empty where the model weighs no style.",
    )


class Decided(Wire):
    """The decision on one text."""

    id: str = Field(description="This decision's own id.")
    action: Action = Field(description="allow, flag (hide until a reader peeks) or remove.")
    flagged: bool = Field(description="Whether the action is another than allow.")
    rule: str = Field(description="The rule that fired, or: default.")
    scores: dict[str, Score] = Field(description="By attribute: the bundle's heads and the mapped names.")
    model_version: str
    policy_version: str


class Analysis(Decided):
    """The decision on one text, with its explanation where that was asked for."""

    # what was not asked for is left out of an answer
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)
    explanation: Explanation | SkipJsonSchema[None] = Field(default_factory=lambda: None)


class ModerateRequest(Wire):
    """What POST /moderate takes: one message; who sent it and where are the client's own names."""

    message: StrictStr = Field(description="The message's text; not empty, not only white space.")
    user_id: MessageId | None = None
    channel_id: MessageId | None = None


class ModerateResponse(Decided):
    """The decision on one message, with the client's own names as they came."""

    user_id: MessageId | None
    channel_id: MessageId | None


class Alive(Wire):
    """What GET /healthz answers while the process lives."""

    status: Literal["alive"] = "alive"


class ModelInfo(Wire):
    """Which model answers, and where its bundle was taken from."""

    name: str
    version: str
    digest: str
    kind: str
    source: Literal["registry", "cache", "disk"]


class ThresholdInfo(Wire):
    """One action of one attribute: whether it can fire, and from which score."""

    reachable: bool
    threshold: Score | None
    target: Score
    precision: Score | None
    recall: Score | None
    reason: str = Field(description="Why the action is off; empty when it is reachable.")


class PolicyInfo(Wire):
    """The thresholds in force, by attribute and action."""

    version: str
    attributes: dict[str, dict[str, ThresholdInfo]]


class DataInfo(Wire):
    """Which comments the model learned from."""

    source: str
    name: str
    rows: int = Field(ge=0)
    is_sample: bool


class CalibrationInfo(Wire):
    """Which map puts the scores under some names on a client's old scale."""

    digest: str = Field(description="The sha256 of the file.")
    attributes: list[str] = Field(description="The names whose values are mapped.")
    rows: int = Field(description="How many old scores it was fitted on.")
    bundle: str = Field(description="The digest of the bundle that it was fitted for.")


class Readiness(Wire):
    """What GET /readyz answers: 200 with a model, 503 without one."""

    status: Literal["ready", "loading", "failed"]
    detail: str
    access: Access = Field(default="open", description="Whether judging needs an API key.")
    model: ModelInfo | None = None
    policy: PolicyInfo | None = None
    data: DataInfo | None = None
    attributes: dict[str, str] = Field(
        default_factory=dict,
        description="What a client may ask for by name, and the head of the bundle that answers.",
    )
    calibration: CalibrationInfo | None = Field(
        default=None, description="The map to a client's old scale, where the operator gives one."
    )


class FieldError(Wire):
    """One thing that is wrong with a request: where, what, and how to put it right."""

    field: str
    value: str
    remedy: str


class Problem(Wire):
    """A refusal (RFC 9457, application/problem+json)."""

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str
    request_id: str
    errors: list[FieldError] = Field(default_factory=list)
