"""The protocol of Ge et al. 2018 on real scenes: by the CPU's kernels, and by CUDA's run on the host."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import rsir_fast as rf
from cuda_on_host import on_host
from op_support import same_bits
from rsir_fast import metrics
from rsir_fast.ops.engines import device_euclidean
from rsir_fast.protocols import ge2018
from rsir_fast.protocols.facts import Timing

PER_CLASS = 4


@pytest.fixture(scope="module")
def features(data_root, tmp_path_factory):
    """Of four images of each class of UC Merced, by MobileNetV2."""
    subset = tmp_path_factory.mktemp("subset") / "UCMerced_LandUse" / "Images"
    for folder in sorted((data_root / "UCMerced_LandUse" / "Images").iterdir()):
        (subset / folder.name).mkdir(parents=True)
        for image in sorted(folder.iterdir())[:PER_CLASS]:
            (subset / folder.name / image.name).symlink_to(image)
    return rf.encode(rf.open_dataset(subset), rf.backbones.load_backbone("mobilenet_v2"), device="cpu")


def by_tensors(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Full rankings of every row, by what CUDA tensors go through: distances and ids."""
    rows = torch.from_numpy(matrix)
    blocks = list(rf.rank_database(rows, rf.prepare(rows, normalize="row"), block=30))
    return np.concatenate([block.distances for block in blocks]), np.concatenate([block.ids for block in blocks])


def test_map_and_anmrr_have_the_same_bits(features, monkeypatch):
    matrix, labels = np.array(features.matrix), np.asarray(features.labels)
    n = len(labels)
    assert n == 21 * PER_CLASS
    evaluated = rf.evaluate_ge2018(features).query_excluded
    expected = next(iter(rf.rank_database(matrix, matrix, normalize="row")))
    nearest = rf.euclidean_topk(matrix, matrix, 10, normalize="row")
    on_host(monkeypatch)
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)
    distances, ids = by_tensors(matrix)
    assert same_bits(distances, expected.distances)
    assert same_bits(ids, expected.ids)
    relevant = metrics.ranked_relevance(metrics.share_label(labels, labels), metrics.drop_self(ids, np.arange(n)))
    assert float(metrics.mean_average_precision(relevant)) == evaluated.map
    assert metrics.anmrr(relevant) == evaluated.anmrr
    rows = torch.from_numpy(matrix)
    for prepared in (rf.prepare(rows, normalize="row"), rf.prepare(rows, normalize="row", precision="int8")):
        for first, last in ((0, n), (3, 4), (5, 12)):  # on the tensor cores, and streamed
            answer = rf.euclidean_topk(rows[first:last], prepared, 10)
            assert same_bits(answer[0].numpy(), nearest[0][first:last])
            assert same_bits(answer[1].numpy(), nearest[1][first:last])


@pytest.mark.parametrize("normalize", ["row", "feature", "none"])
def test_an_evaluation_on_the_device_writes_the_same_bytes(features, monkeypatch, normalize):
    """`evaluate_ge2018` from the upload on; a NaN and a duplicate across classes included."""
    matrix, labels = np.array(features.matrix), np.array(features.labels)
    matrix[3, 5] = np.nan
    matrix[20] = matrix[8]
    hostile = replace(features, arrays=matrix, labels=labels)
    settings = {"normalize": normalize, "examples": 5, "block": 30}
    expected = rf.evaluate_ge2018(hostile, device="cpu", **settings)
    moved = []

    def move(values, device):
        moved.append(torch.tensor(np.asarray(values)))
        return moved[-1]

    on_host(monkeypatch)
    monkeypatch.setattr(ge2018, "_moved", move)
    monkeypatch.setattr(device_euclidean, "CERTIFY_ELEMENTS", 0)
    found = rf.evaluate_ge2018(hostile, device="cpu", **settings)
    assert len(moved) == 1
    assert without_timing(found) == without_timing(expected)
    assert repr(found.examples) == repr(expected.examples)  # of which some distances are NaN
    assert found.timing.content().keys() == expected.timing.content().keys()


@pytest.mark.gpu
@pytest.mark.parametrize("normalize", ["row", "feature", "none"])
def test_an_evaluation_on_a_device_writes_the_same_bytes(features, normalize):
    expected = rf.evaluate_ge2018(features, normalize=normalize, device="cpu")
    found = rf.evaluate_ge2018(features, normalize=normalize, device="cuda")
    assert without_timing(found) == without_timing(expected)
    assert found.examples == expected.examples
    assert expected.timing.device == "cpu"
    assert found.timing.device == torch.cuda.get_device_name()


def without_timing(result):
    return result.model_copy(update={"timing": Timing()}).to_json()
