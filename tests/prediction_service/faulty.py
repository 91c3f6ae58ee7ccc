"""The real application with two faults put in: one inside Flask, one outside of it."""

from collections.abc import Iterable
from typing import Any

from flask import Flask, request

from prediction_service import app as service


def wsgi() -> Flask:
    app = service.wsgi()
    answer = app.wsgi_app

    @app.post("/broken")
    def broken() -> str:
        try:
            return {}[request.headers["Authorization"]]
        except KeyError as error:
            raise ValueError(request.get_data(as_text=True)) from error

    def outside(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/outside":
            raise RuntimeError(environ["QUERY_STRING"])
        return answer(environ, start)

    app.wsgi_app = outside  # type: ignore[method-assign]
    return app
