"""The dialect of KServe V2, the Open Inference Protocol: health, metadata and `/infer` under `/v2`."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from flask import Blueprint, Response, request

from prediction_service.dialects import body, kserve_wire, tensors
from prediction_service.dialects.dialect import Answer, Content, Described, Dialect, Parameter, Service
from prediction_service.dialects.kserve_infer import check, output, texts_of, wanted
from prediction_service.dialects.kserve_wire import (
    InferRequest,
    InferResponse,
    KserveError,
    Live,
    ModelConfig,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    outputs_of,
    refuse,
)
from prediction_service.problems import Refusal, shown
from prediction_service.service import Moderator
from prediction_service.wire import Wire

JSON: Final = "application/json"
BINARY: Final = "application/octet-stream"
# Triton looks at no Content-Type: its clients send none, and curl -d one of its own
KINDS: Final = ("", JSON, BINARY, "text/plain", "application/x-www-form-urlencoded")
SHORT_EXAMPLE: Final = (
    '{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Thank you!"]}]}'
)


def blueprint(service: Service) -> Blueprint:
    """The routes of this dialect."""
    routes = Blueprint("kserve", __name__)
    _add_server(routes, service)
    _add_model(routes, service)

    @routes.post("/v2/models/<model>/infer")
    @routes.post("/v2/models/<model>/versions/<version>/infer")
    def infer(model: str, version: str | None = None) -> Response:
        judge = _judge(service, model, version)
        asked, texts = _read(service)
        chosen = wanted(asked, list(outputs_of(judge)))
        decisions = service.decide(judge, texts)
        head = {"model_name": model, "model_version": judge.model_version}
        document, length = tensors.render(
            head if asked.id is None else head | {"id": asked.id},
            [output(judge, decisions, name, binary=binary) for name, binary in chosen.items()],
        )
        if length is None:
            return Response(document, mimetype=JSON)
        return Response(document, mimetype=BINARY, headers={tensors.HEADER: str(length)})

    return routes


def _add_server(routes: Blueprint, service: Service) -> None:
    @routes.get("/v2", strict_slashes=False)
    def server() -> Response:
        return _json(kserve_wire.server())

    @routes.get("/v2/health/live")
    def live() -> Response:
        return _json(Live(live=True))

    @routes.get("/v2/health/ready")
    def ready() -> Response:
        try:
            service.moderator()
        except Refusal as refusal:
            answer = _json(Ready(live=True, ready=False))
            answer.status_code = refusal.status
            answer.headers.extend(refusal.headers)
            return answer
        return _json(Ready(live=True, ready=True))


def _add_model(routes: Blueprint, service: Service) -> None:
    @routes.get("/v2/models/<model>")
    @routes.get("/v2/models/<model>/versions/<version>")
    def metadata(model: str, version: str | None = None) -> Response:
        return _json(kserve_wire.metadata(_judge(service, model, version), model))

    @routes.get("/v2/models/<model>/config")
    @routes.get("/v2/models/<model>/versions/<version>/config")
    def config(model: str, version: str | None = None) -> Response:
        return _json(kserve_wire.configuration(_judge(service, model, version), model))

    @routes.get("/v2/models/<model>/ready")
    @routes.get("/v2/models/<model>/versions/<version>/ready")
    def model_ready(model: str, version: str | None = None) -> Response:
        _judge(service, model, version)
        return _json(ModelReady(name=model, ready=True))


def _json(shape: Wire) -> Response:
    return Response(shape.model_dump_json(), mimetype=JSON)


def _judge(service: Service, model: str, version: str | None) -> Moderator:
    if model != service.model_name:
        detail = f"there is no model {shown(model)}: ask for {service.model_name}"
        raise Refusal(HTTPStatus.NOT_FOUND, detail)
    judge = service.moderator()
    if version not in (None, judge.model_version):
        detail = f"{model} has no version {shown(version)} here: ask for {judge.model_version}, or for none"
        raise Refusal(HTTPStatus.NOT_FOUND, detail)
    return judge


def _read(service: Service) -> tuple[InferRequest, list[str]]:
    """The request, and the texts to judge."""
    if not (request.is_json or request.mimetype in KINDS):
        detail = f"Content-Type is {shown(request.content_type)}: send {JSON} or {BINARY}"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept": f"{JSON}, {BINARY}"})
    document, raw = tensors.cut(body.whole(), request.headers.get(tensors.HEADER))
    if raw and not document:
        # Triton's raw request: the body is the one text, and the answer is in bytes
        text = tensors.text_of(raw, 0)
        check([text], service.limits)
        return InferRequest(inputs=[], parameters={"binary_data_output": True}), [text]
    asked = body.parse(InferRequest, document, SHORT_EXAMPLE, service.limits.values)
    return asked, texts_of(asked, raw, service.limits)


MODEL: Final = Parameter(
    "model", "path", "The model's name: CHATMOD_API_MODEL_NAME.", example="chat-moderation"
)
VERSION: Final = Parameter("version", "path", "The version as /readyz shows it.", example="7")
LENGTH: Final = Parameter(
    tensors.HEADER,
    "header",
    "How many bytes of the body are JSON, where those of a tensor follow; 0 where the body is one text.",
    {"type": "integer", "minimum": 0},
)
BYTES: Final = Content({"type": "string", "format": "binary"}, BINARY)
REFUSALS: Final = {
    "404": "Another model or version.",
    "503": "No bundle is ready; Retry-After says when to ask again.",
}
INFER_REFUSALS: Final = REFUSALS | {
    "400": "No JSON, another shape, an unknown input or output, bytes that do not fit, a text that is empty "
    "or too long.",
    "408": "The rest of the body did not come.",
    "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES, as it came or once unpacked.",
    "415": "The Content-Type or the Content-Encoding is another.",
}
EXAMPLE: Final[dict[str, Any]] = {
    "id": "42",
    "inputs": [
        {
            "name": "text",
            "shape": [2],
            "datatype": "BYTES",
            "data": ["Thank you, that paper answers my question.", "you absolute idiot, delete your account"],
        }
    ],
    "outputs": [{"name": "score"}, {"name": "label"}],
}


def _get(path: str, name: str, summary: str, answer: type[Wire], **others: Any) -> Described:
    return Described(
        method="get",
        path=path,
        name=name,
        summary=f"KServe V2: {summary}",
        answer=answer,
        meaning="The answer.",
        refusal=KserveError,
        refusal_type=JSON,
        access="open",
        **others,
    )


def _operations() -> Iterator[Described]:
    yield _get("/v2", "kserveServer", "the server", ServerMetadata)
    yield _get("/v2/health/live", "kserveLive", "whether the process lives", Live)
    waiting = {"503": Answer(REFUSALS["503"], (Content(Ready),))}
    yield _get("/v2/health/ready", "kserveReady", "whether messages are judged", Ready, answers=waiting)
    yield from _of_model("/v2/models/{model}", "the model", "", (MODEL,))
    yield from _of_model(
        "/v2/models/{model}/versions/{version}", "a version of the model", "Version", (MODEL, VERSION)
    )


def _of_model(path: str, which: str, suffix: str, named: tuple[Parameter, ...]) -> Iterator[Described]:
    for place, name, summary, answer in (
        ("", "kserveModel", "what {} takes and gives", ModelMetadata),
        ("/config", "kserveConfig", "{} in Triton's words", ModelConfig),
        ("/ready", "kserveModelReady", "whether {} judges", ModelReady),
    ):
        told = summary.format(which)
        yield _get(f"{path}{place}", f"{name}{suffix}", told, answer, parameters=named, refusals=REFUSALS)
    meaning = "The outputs that were asked for, an element a text, in their order; bytes follow the JSON "
    follows = {tensors.HEADER: "How many bytes of the body are JSON; only where bytes follow it."}
    yield Described(
        method="post",
        path=f"{path}/infer",
        name=f"kserveInfer{suffix}",
        summary=f"KServe V2: judge texts with {which}",
        parameters=(*named, LENGTH),
        request=InferRequest,
        example=EXAMPLE,
        requests=(BYTES,),
        answers={"200": Answer(f"{meaning}where they are wanted.", (Content(InferResponse), BYTES), follows)},
        refusal=KserveError,
        refusal_type=JSON,
        refusals=INFER_REFUSALS,
    )


DIALECT: Final = Dialect(
    name="kserve",
    prefixes=("/v2",),
    blueprint=blueprint,
    refuse=refuse,
    operations=tuple(_operations()),
)
