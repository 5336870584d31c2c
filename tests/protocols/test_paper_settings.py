"""The paper's settings by the name of a data set, however it is spelled."""

from __future__ import annotations

import pytest

from rsir_fast.protocols import dhcnn2021_paper
from rsir_fast.report.published import is_uc_merced

CUTOFFS = (1, 11, 21, 31, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 550, 600, 650, 700, 750, 800, 850, 900)


@pytest.mark.parametrize(
    ("name", "train", "beta"),
    [
        ("UCMerced_LandUse", 0.8, 25),
        ("UC Merced", 0.8, 25),
        ("AID", 0.5, 25),
        ("WHU-RS19", 0.5, 10),
        ("RS19", 0.5, 10),
        ("patternnet", 0.8, 25),
    ],
)
def test_share_beta_and_cutoffs(name, train, beta):
    found = dhcnn2021_paper(name)
    assert (found.train, found.beta) == (train, beta)
    if beta == 10:
        assert found.cutoffs == tuple(1 + 20 * step for step in range(25))
    else:
        assert found.cutoffs == (*CUTOFFS, 950, 1000)
    assert is_uc_merced(name) == ("UC" in name)


@pytest.mark.parametrize("name", ["RSSCN7", "mine", ""])
def test_another_data_set(name):
    with pytest.raises(ValueError, match=rf"paper: expected .*\(UCMerced_LandUse, .*, PatternNet\), got '{name}'"):
        dhcnn2021_paper(name)
