"""Where an operation that the description tells of is asked."""

from urllib.parse import urlencode

from flask.testing import FlaskClient

from prediction_service.dialects.dialect import Described


def address(operation: Described, client: FlaskClient) -> str:
    """The operation's path with its parameters' examples, and the version that is served."""
    return with_version(operation, client.get("/readyz").json["model"]["version"])


def with_version(operation: Described, version: str) -> str:
    """The operation's path with its parameters' examples, and this version."""
    parameters = operation.every_parameter()
    values = {one.name: one.example for one in parameters if one.place == "path"}
    if "version" in values:
        values["version"] = version
    wanted = {one.name: one.example for one in parameters if one.place == "query" and one.required}
    return operation.path.format(**values) + (f"?{urlencode(wanted)}" if wanted else "")
