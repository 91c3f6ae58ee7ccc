"""Every dialect that there is, by the name that the settings use."""

from typing import Final

from prediction_service.dialects import openai, perspective, records
from prediction_service.dialects.dialect import Dialect

DIALECTS: Final[dict[str, Dialect]] = {
    one.name: one for one in (records.DIALECT, perspective.DIALECT, openai.DIALECT)
}
