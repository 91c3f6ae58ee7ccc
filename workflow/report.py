"""The evaluation as one HTML file that needs nothing else: no script, no other file, no network.

Message texts are somebody's input and may be hostile: the template escapes whatever it is given, and the
page's own policy lets nothing run or load.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow import glossary, pictures
from workflow.charts import interval

if TYPE_CHECKING:
    from modeling.policy import Policy

TEMPLATES: Final = Path(__file__).parent / "templates"


def render(passport: Mapping[str, Any], policy: "Policy", contents: Mapping[str, Any]) -> str:
    """The page.

    Args:
        passport: of the bundle: data, split, code, candidate.
        policy: of the bundle.
        contents: of the evaluation's files by name, with ``cost``, ``touches`` (a count), ``scores`` (counts
            in 40 bins by label) and, where the audit ran, ``audit``.

    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from modeling.policy import ATTRIBUTE

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["interval"] = interval
    thresholds = {str(action): each for action, each in policy.attributes[ATTRIBUTE].items()}
    is_sample = passport["data"]["is_sample"]
    audit = contents.get("audit")
    return environment.get_template("report.html").render(
        passport=passport,
        facts=contents["metrics"],
        figures=_figures(contents["metrics"]["metrics"]),
        actions=glossary.actions(json.loads(policy.to_json()), is_sample),
        glossary=glossary,
        ranking=[pictures.roc(contents), pictures.precision_recall(contents, thresholds)],
        meaning=[pictures.reliability(contents), pictures.scores(contents, thresholds)],
        slices=[
            pictures.slices(contents, "roc_auc", "ROC-AUC", low=0.4, high=1.0),
            pictures.slices(contents, "ece", "ECE", low=0.0, high=None),
            pictures.slices(
                contents, "false_positive_rate", "Share of kept messages flagged", low=0.0, high=None
            ),
        ],
        counterfactual=contents["counterfactual"],
        terms=pictures.counterfactual(contents),
        evasion=contents["evasion"],
        ways=pictures.evasion(contents),
        audit=audit,
        leaks=pictures.audit(audit) if audit else None,
        cost=contents["cost"],
        errors=contents["errors"],
        touches=contents["touches"],
        is_sample=is_sample,
        can_act=any(threshold.reachable for threshold in thresholds.values()),
    )


def _figures(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    names = [name for name in glossary.METRICS if name in metrics]
    names += [name for name in metrics if name not in glossary.METRICS]
    return [
        {
            "title": glossary.title(name),
            "meaning": glossary.METRICS.get(name, ("", ""))[1],
            "value": f"{metrics[name]['value']:.3f}",
            "interval": f"{metrics[name]['low']:.3f} to {metrics[name]['high']:.3f}",
        }
        for name in names
    ]
