"""Every dialect that there is, by the name that the settings use."""

from typing import Final

from prediction_service.dialects import (
    analyze,
    azure,
    kserve,
    moderate,
    openai,
    perspective,
    records,
    scoring,
)
from prediction_service.dialects.dialect import Dialect

DIALECTS: Final[dict[str, Dialect]] = {
    module.DIALECT.name: module.DIALECT
    for module in (records, perspective, openai, azure, kserve, scoring, analyze, moderate)
}
