"""The least that Flask can answer: what every service in Flask pays, whatever it does."""

from flask import Flask


def app() -> Flask:
    """An application with an empty route."""
    app = Flask(__name__)

    @app.post("/predict")
    def nothing() -> str:
        return ""

    @app.get("/readyz")
    def ready() -> str:
        return ""

    return app
