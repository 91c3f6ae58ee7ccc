"""The discovery document of Perspective's methods: what google-api-python-client builds its methods from."""

import json
from typing import Any, Final

VERSION: Final = "v1alpha1"
TEXT: Final = {"type": "string"}
FLAG: Final = {"type": "boolean"}
WHOLE: Final = {"type": "integer", "format": "int32"}
NUMBER: Final = {"type": "number", "format": "float"}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _map(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": name}


SHAPES: Final[dict[str, dict[str, Any]]] = {
    "TextEntry": {"text": TEXT, "type": TEXT},
    "ArticleAndParentComment": {"article": _ref("TextEntry"), "parentComment": _ref("TextEntry")},
    "Context": {
        "entries": _list(_ref("TextEntry")),
        "articleAndParentComment": _ref("ArticleAndParentComment"),
    },
    "AttributeParameters": {"scoreType": TEXT, "scoreThreshold": NUMBER},
    "AnalyzeCommentRequest": {
        "comment": _ref("TextEntry"),
        "requestedAttributes": _map(_ref("AttributeParameters")),
        "context": _ref("Context"),
        "spanAnnotations": FLAG,
        "languages": _list(TEXT),
        "doNotStore": FLAG,
        "clientToken": TEXT,
        "sessionId": TEXT,
        "communityId": TEXT,
        "dropUnsupportedAttributes": FLAG,
    },
    "Score": {"value": NUMBER, "type": TEXT},
    "SpanScore": {"begin": WHOLE, "end": WHOLE, "score": _ref("Score")},
    "AttributeScores": {"summaryScore": _ref("Score"), "spanScores": _list(_ref("SpanScore"))},
    "AnalyzeCommentResponse": {
        "attributeScores": _map(_ref("AttributeScores")),
        "languages": _list(TEXT),
        "detectedLanguages": _list(TEXT),
        "clientToken": TEXT,
    },
    "SuggestCommentScoreRequest": {
        "comment": _ref("TextEntry"),
        "attributeScores": _map(_ref("AttributeScores")),
        "context": _ref("Context"),
        "languages": _list(TEXT),
        "clientToken": TEXT,
        "sessionId": TEXT,
        "communityId": TEXT,
        "doNotStore": FLAG,
    },
    "SuggestCommentScoreResponse": {
        "clientToken": TEXT,
        "requestedLanguages": _list(TEXT),
        "detectedLanguages": _list(TEXT),
    },
}


def _method(name: str, description: str, message: str) -> dict[str, Any]:
    return {
        "id": f"commentanalyzer.comments.{name}",
        "path": f"{VERSION}/comments:{name}",
        "flatPath": f"{VERSION}/comments:{name}",
        "httpMethod": "POST",
        "description": description,
        "parameters": {},
        "parameterOrder": [],
        "request": _ref(f"{message}Request"),
        "response": _ref(f"{message}Response"),
    }


METHODS: Final = {
    "analyze": _method("analyze", "Scores a comment under the requested attributes.", "AnalyzeComment"),
    "suggestscore": _method("suggestscore", "Says what moderators decided.", "SuggestCommentScore"),
}
PARAMETERS: Final = {
    name: {"type": "string", "location": "query"} for name in ("key", "alt", "fields", "quotaUser", "$.xgafv")
} | {"prettyPrint": {"type": "boolean", "location": "query", "default": "true"}}


def document(root: str) -> str:
    """The document of the service at this address, which ends with a slash."""
    return json.dumps(
        {
            "kind": "discovery#restDescription",
            "discoveryVersion": "v1",
            "protocol": "rest",
            "id": f"commentanalyzer:{VERSION}",
            "name": "commentanalyzer",
            "version": VERSION,
            "version_module": True,
            "title": "chat-moderation in Perspective's dialect",
            "description": "Scores comments with a community's own removal model.",
            "rootUrl": root,
            "baseUrl": root,
            "servicePath": "",
            "basePath": "",
            "batchPath": "batch",
            "parameters": PARAMETERS,
            "resources": {"comments": {"methods": METHODS}},
            "schemas": {
                name: {"id": name, "type": "object", "properties": properties}
                for name, properties in SHAPES.items()
            },
        }
    )
