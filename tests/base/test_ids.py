from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsir_fast.base import ids as of_ids
from rsir_fast.base.ids import among, without

SOME = st.lists(st.one_of(st.integers(0, 30), st.integers(0, (1 << 63) - 1)), unique=True, max_size=30)


@pytest.mark.parametrize("few", [1, 64])
@given(ids=SOME, others=SOME, ascend=st.booleans())
def test_among_and_without_are_those_of_sets(few, ids, others, ascend):
    if ascend:
        ids, others = sorted(ids), sorted(others)
    expected = [each in set(others) for each in ids]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_ids, "_FEW", few)
        found = among(np.array(ids, np.int64), np.array(others, np.int64))
        left = without(np.array(ids, np.int64), np.array(others, np.int64))
    assert found.tolist() == expected
    assert left.tolist() == [each for each, is_there in zip(ids, expected, strict=True) if not is_there]
