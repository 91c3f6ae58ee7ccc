"""The Open Inference Protocol's shapes, and what server and model say of themselves. Knows no route."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, StrictInt, StrictStr

from modeling.policy import ATTRIBUTE
from prediction_service.problems import Refusal
from prediction_service.service import Moderator
from prediction_service.wire import API_VERSION, MAX_INT64, Wire

INPUT: Final = "text"
OWN: Final = {"score": "FP32", "label": "BYTES", "rule": "BYTES"}
EXTENSIONS: Final = ("binary_tensor_data", "model_configuration", "parameters")
CONFIGURED: Final = {"FP32": "TYPE_FP32", "BYTES": "TYPE_STRING"}
Size = Annotated[StrictInt, Field(ge=0, le=MAX_INT64)]


class Protocol(Wire):
    """What is None is left out of an answer."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)


class InferInput(Protocol):
    """One input tensor: its data here, or in the bytes after the JSON."""

    name: StrictStr
    datatype: StrictStr
    shape: list[Size]
    parameters: dict[str, Any] | None = None
    data: Any = Field(default=None, description="The texts, flat or nested; not with binary_data_size.")


class RequestedOutput(Protocol):
    """One output tensor that is wanted."""

    name: StrictStr
    parameters: dict[str, Any] | None = None


class InferRequest(Protocol):
    """What /infer takes: one tensor of texts."""

    id: StrictStr | None = None
    parameters: dict[str, Any] | None = None
    inputs: list[InferInput]
    outputs: list[RequestedOutput] | None = Field(default=None, description="Without it, all there are.")


class OutputTensor(Protocol):
    """One output tensor: FP32 or BYTES, an element a text."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[float] | list[str] | None = None


class InferResponse(Protocol):
    """What /infer answers."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class ServerMetadata(Protocol):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class Live(Protocol):
    """Whether the process lives."""

    live: bool


class Ready(Live):
    """Whether messages are judged."""

    ready: bool


class ModelReady(Protocol):
    """Whether a model judges messages."""

    name: str
    ready: bool


class TensorMetadata(Protocol):
    """One tensor of a model; -1 is any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Protocol):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class TensorConfig(Protocol):
    """One tensor in Triton's words."""

    name: str
    data_type: str
    dims: list[int]


class ModelConfig(Protocol):
    """The same model as Triton's clients ask for it; batches have no dimension of their own."""

    name: str
    platform: str
    max_batch_size: int
    input: list[TensorConfig]
    output: list[TensorConfig]


class KserveError(Wire):
    """The body of every error on this dialect's paths."""

    error: str


def refuse(refusal: Refusal) -> tuple[HTTPStatus, KserveError]:
    """A refusal as the protocol tells it; what we call unprocessable is a bad request there."""
    unprocessable = refusal.status is HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.BAD_REQUEST if unprocessable else refusal.status, KserveError(error=refusal.detail)


def server() -> ServerMetadata:
    """This server."""
    return ServerMetadata(name="chat-moderation", version=API_VERSION, extensions=list(EXTENSIONS))


def outputs_of(judge: Moderator) -> dict[str, str]:
    """The datatypes of the outputs that there are, by name: ours, then the attributes'."""
    others = [name for name in judge.attributes if name != ATTRIBUTE]
    return OWN | {name: "FP32" for name in others if name not in OWN}


def metadata(judge: Moderator, name: str) -> ModelMetadata:
    """The model that judges."""
    return ModelMetadata(
        name=name,
        versions=[judge.model_version],
        platform=_platform(judge),
        inputs=[TensorMetadata(name=INPUT, datatype="BYTES", shape=[-1])],
        outputs=[
            TensorMetadata(name=one, datatype=kind, shape=[-1]) for one, kind in outputs_of(judge).items()
        ],
    )


def configuration(judge: Moderator, name: str) -> ModelConfig:
    """The model that judges, in Triton's words."""
    return ModelConfig(
        name=name,
        platform=_platform(judge),
        max_batch_size=0,
        input=[TensorConfig(name=INPUT, data_type="TYPE_STRING", dims=[-1])],
        output=[
            TensorConfig(name=one, data_type=CONFIGURED[kind], dims=[-1])
            for one, kind in outputs_of(judge).items()
        ],
    )


def _platform(judge: Moderator) -> str:
    return f"chatmod_{judge.bundle.kind}"
