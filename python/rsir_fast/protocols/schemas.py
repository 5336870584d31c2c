"""The JSON Schema of every ``result.json``; ``python -m rsir_fast.protocols.schemas FOLDER`` writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rsir_fast.base.together import replace_together
from rsir_fast.protocols.choose_ge2018_result import Ge2018Choice
from rsir_fast.protocols.compare_ge2018_result import Ge2018Comparison
from rsir_fast.protocols.compare_results_result import ResultsComparison
from rsir_fast.protocols.dhcnn2021_result import Dhcnn2021Result
from rsir_fast.protocols.ge2018_result import Ge2018Result
from rsir_fast.protocols.multilabel_result import MultilabelResult
from rsir_fast.protocols.reproduce_dhcnn2021_result import Dhcnn2021TableResult, HashingTableResult
from rsir_fast.protocols.reproduce_ge2018_result import Ge2018TableResult
from rsir_fast.protocols.result import Result

__all__ = ["result_schemas"]

_TYPES: tuple[type[Result], ...] = (
    Ge2018Result,
    Dhcnn2021Result,
    MultilabelResult,
    Ge2018Comparison,
    Ge2018Choice,
    ResultsComparison,
    Ge2018TableResult,
    Dhcnn2021TableResult,
    HashingTableResult,
)


def result_schemas() -> dict[str, str]:
    """Return the JSON Schema of each type of result, as it is written, by the name of its file.

    Examples
    --------
    >>> schema = json.loads(result_schemas()["Ge2018Result.json"])
    >>> schema["properties"]["protocol"]["const"], "examples" in schema["properties"]
    ('ge2018', False)
    """
    schemas = {kind.__name__: kind.model_json_schema(mode="serialization") for kind in _TYPES}
    return {f"{name}.json": json.dumps(schema, indent=1, sort_keys=True) + "\n" for name, schema in schemas.items()}


if __name__ == "__main__":
    replace_together(Path(sys.argv[1]), {name: text.encode() for name, text in result_schemas().items()})
