"""The cases and peers of a pytest benchmark."""

from __future__ import annotations

from typing import Any

import pytest

from cases import of_op
from peers import PEERS


def in_all_cases(*ops: str) -> Any:
    """Parametrise a benchmark with all cases of the ops and all peers of each."""
    pairs = [(case, peer) for case in of_op(*ops) for peer in PEERS[case.op] if peer not in case.without]
    names = [f"{case.name}-{peer}".replace(" ", "_") for case, peer in pairs]
    return pytest.mark.parametrize(("case", "peer"), pairs, ids=names)
