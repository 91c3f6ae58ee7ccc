"""The service's own operations, as the OpenAPI document tells them. Knows no dialect."""

from typing import Final

from prediction_service.dialects.dialect import Answer, Content, Described
from prediction_service.wire import Alive, Readiness

TAG: Final = "operations"
PROBES: Final = (
    Described(
        method="get",
        path="/healthz",
        name="getHealth",
        summary="Whether the process lives",
        answer=Alive,
        meaning="It does.",
    ),
    Described(
        method="get",
        path="/readyz",
        name="getReadiness",
        summary="Whether messages are judged, and by which model",
        answer=Readiness,
        meaning="A bundle is loaded, verified and tried.",
        answers={"503": Answer("No bundle is ready; detail says why.", (Content(Readiness),))},
    ),
    Described(
        method="get",
        path="/metrics",
        name="getMetrics",
        summary="Figures for Prometheus, of all workers",
        answers={"200": Answer("The figures.", (Content({"type": "string"}, "text/plain"),))},
    ),
    Described(
        method="get",
        path="/openapi.json",
        name="getDescription",
        summary="This description",
        meaning="The document.",
    ),
    Described(
        method="get",
        path="/docs",
        name="getPage",
        summary="This description for people",
        answers={"200": Answer("The page.", (Content({"type": "string"}, "text/html"),))},
    ),
)
