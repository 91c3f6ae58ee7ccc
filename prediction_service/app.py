"""The Flask application: loader, dialects, metrics and log wired together. gunicorn calls `wsgi()`."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial, wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import structlog
from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
)

from prediction_service import heap, logs, openapi, page, settings
from prediction_service.accounting import UNMATCHED, Accounted
from prediction_service.attributes import HEADER, stated
from prediction_service.dialects.dialect import Dialect, Limits, Service, tell
from prediction_service.dialects.every import DIALECTS
from prediction_service.feedback import Feedback
from prediction_service.gate import Gate
from prediction_service.guard import ADMITTED, Guard
from prediction_service.lane import Lane
from prediction_service.loader import Loaded, Loader, source
from prediction_service.metrics import CONTENT_TYPE, Metrics, alone, reserve
from prediction_service.problems import Refusal
from prediction_service.readiness import describe
from prediction_service.score_cache import ScoreCache
from prediction_service.service import Moderator
from prediction_service.settings import PREFIX, Settings
from prediction_service.wire import Alive, FieldError

RETRY_AFTER_S: Final = 1
NOTHING: Final = "there is nothing at this path: see /docs for those of this service"

log = structlog.get_logger(__name__)


def create_app(options: Settings, loader: Loader, metrics: Metrics, shared: Path | None = None) -> Flask:
    """The application over a loader that somebody else starts; ``shared`` is its server's directory."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = options.max_body_bytes
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    dialects = [DIALECTS[name] for name in options.dialects]
    limits = Limits(options.max_records, options.max_text_chars)
    app.config["MOST_VALUES"] = limits.values
    service = Service(
        partial(_moderator, loader),
        metrics,
        limits,
        Feedback(options.labels, metrics),
        options.model_name,
        options.public_url,
        options.cors_origins,
    )
    for dialect in dialects:
        app.register_blueprint(_with_attributes(dialect.blueprint(service), options))
    _add_operations(app, options, loader, metrics)
    _add_descriptions(app, options)
    _add_refusals(app, options, dialects)
    if lane := _lane(app, service, dialects, options):
        app.wsgi_app = lane.before(app.wsgi_app)  # type: ignore[assignment, method-assign]
    _add_guard(app, options, dialects, metrics, shared)
    metrics.expect(_routes(app), UNMATCHED)
    app.wsgi_app = Accounted(app.wsgi_app, metrics, _route)  # type: ignore[method-assign]
    return app


def wsgi() -> Flask:
    """The application of one gunicorn worker, its loader started."""
    options = settings.load()
    logs.configure(options.log_level)
    shared = settings.metrics_directory()
    metrics = _metrics(shared)

    def serves(loaded: Loaded) -> None:
        metrics.serves(loaded.version, loaded.bundle.digest, loaded.bundle.kind)
        heap.set_aside()

    loader = Loader(
        source(options),
        retry=options.bundle is None,
        on_ready=serves,
        timed=metrics.inferred,
        promise=shared / "ready" if shared else None,
        attributes=options.attributes,
        calibration=options.calibration,
        cache=ScoreCache(options.cache_entries, metrics.cached) if options.cache_entries else None,
    )
    loader.start()
    return create_app(options, loader, metrics, shared)


def _metrics(shared: Path | None) -> Metrics:
    """Figures that all workers share, or this worker's own where there is no room for files."""
    if shared is None:
        return Metrics()
    try:
        reserve(shared)
    except OSError as error:
        log.warning(
            "figures are this worker's alone", reason=str(error), remedy=f"make room in {shared.parent}"
        )
        alone()
        return Metrics()
    return Metrics(shared)


def _moderator(loader: Loader) -> Moderator:
    state = loader.current()
    if state.moderator is None:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"no model is ready ({state.detail}): ask again when /readyz answers 200",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    return state.moderator


def _with_attributes(routes: Blueprint, options: Settings) -> Blueprint:
    if options.attributes:
        said = stated(options.attributes)

        @routes.after_request
        def tell(answer: Response) -> Response:
            answer.headers[HEADER] = said
            return answer

    return routes


def _add_operations(app: Flask, options: Settings, loader: Loader, metrics: Metrics) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return Response(Alive().model_dump_json(), mimetype="application/json")

    @app.get("/readyz")
    def readyz() -> Response:
        state = loader.current()
        ready = state.status == "ready"
        answer = Response(
            describe(state, options.model_name, "keys" if options.keys else "open").model_dump_json(),
            HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
            mimetype="application/json",
        )
        if not ready:
            answer.headers["Retry-After"] = str(RETRY_AFTER_S)
        return answer

    @app.get("/metrics")
    def figures() -> Response:
        return Response(metrics.page(), content_type=CONTENT_TYPE)


def _add_descriptions(app: Flask, options: Settings) -> None:
    @app.get("/openapi.json")
    def description() -> Response:
        described = openapi.document(options, _root(options))
        return Response(json.dumps(described), mimetype="application/json")

    @app.get("/")
    def root() -> Response:
        # relative, so that it is right behind a proxy that adds a path
        return Response(None, HTTPStatus.FOUND, headers={"Location": "docs"})

    @app.get("/docs")
    def docs() -> Response:
        text = page.render(openapi.document(options), options, _root(options))
        return Response(text, mimetype="text/html", headers={"Content-Security-Policy": page.POLICY})


def _root(options: Settings) -> str:
    return options.public_url or request.root_url.rstrip("/")


def _add_guard(
    app: Flask, options: Settings, dialects: Sequence[Dialect], metrics: Metrics, shared: Path | None
) -> None:
    """Keys, limits and CORS, around Flask and whatever else answers."""
    guard = None
    if options.keys or options.rate_limit:
        from prediction_service.keyfile import Watched
        from prediction_service.rate import Limiter

        counts = shared / "limits" if shared else None
        limiter = partial(Limiter, counts, options.redis, metrics.counted_without_redis)
        guard = Guard(Watched(options.keys) if options.keys else None, options.rate_limit, limiter)
        _admit_only(app, {dialect.name for dialect in dialects})
    gate = Gate(dialects, guard, options.cors_origins)
    app.wsgi_app = gate.before(app.wsgi_app)  # type: ignore[assignment, method-assign]


def _admit_only(app: Flask, guarded: Collection[str]) -> None:
    """A second lock: no view of a dialect runs for a request that the gate has not let in."""

    def locked(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def admitted(**values: Any) -> Any:
            if ADMITTED not in request.environ:
                raise Refusal(HTTPStatus.NOT_FOUND, NOTHING)
            return view(**values)

        return admitted

    for endpoint, view in app.view_functions.items():
        if endpoint.partition(".")[0] in guarded:
            app.view_functions[endpoint] = locked(view)


def _lane(app: Flask, service: Service, dialects: Sequence[Dialect], options: Settings) -> Lane | None:
    """The short way, unless somebody wants to see every request in one of Flask's hooks."""
    if app.before_request_funcs or app.after_request_funcs.get(None):
        return None
    answers = {path: make(service) for dialect in dialects for path, make in dialect.answers.items()}
    headers = ((HEADER, stated(options.attributes)),) if options.attributes else ()
    return Lane(answers, options.max_body_bytes, headers)


def _routes(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        yield from ((method, rule.rule) for method in rule.methods or ())


def _route() -> str:
    """The route of the request at hand; never what a client wrote."""
    return request.url_rule.rule if request.url_rule else UNMATCHED


def _add_refusals(app: Flask, options: Settings, dialects: Sequence[Dialect]) -> None:
    """Whatever goes wrong is told in the shape of the dialect whose path it is, or as a problem document."""

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        status, document, headers = tell(dialects, refusal, request.path, logs.request_id())
        return Response(document, status, headers=headers)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response | HTTPException:
        status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        return error if status < HTTPStatus.BAD_REQUEST else refused(_as_refusal(error, status, options))

    @app.errorhandler(ClientDisconnected)
    def stalled(_error: ClientDisconnected) -> Response:
        detail = "the rest of the body did not come: send the request again, whole"
        return refused(Refusal(HTTPStatus.REQUEST_TIMEOUT, detail))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        # an error's own words may hold a message's: its kind and its place are told
        log.error("unexpected error", error=type(error).__qualname__, at=logs.places(error))
        detail = "an error of the service, not of the request: report it with this request id"
        return refused(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, detail))


def _as_refusal(error: HTTPException, status: HTTPStatus, options: Settings) -> Refusal:
    detail, errors, headers = error.description or status.phrase, [], {}
    if isinstance(error, NotFound):
        detail = NOTHING
    elif isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        detail, headers = f"{request.method} is not answered here: use {allowed}", {"Allow": allowed}
    elif isinstance(error, RequestEntityTooLarge):
        remedy = f"send at most {options.max_body_bytes} bytes, or raise {PREFIX}MAX_BODY_BYTES"
        size = f"{request.content_length} bytes" if request.content_length else "too large"
        errors = [FieldError(field="body", value=size, remedy=remedy)]
        detail = f"the body is {size}: {remedy}"
    return Refusal(status, detail, errors=errors, headers=headers)
