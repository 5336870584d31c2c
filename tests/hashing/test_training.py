"""Training on features: it learns, can be taken up bit for bit, and two processes do what one does."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from rsir_fast.backbones import load_backbone, turned
from rsir_fast.errors import TrainingError
from rsir_fast.hashing import DHCNN, METHODS, RECIPES, HashHead, HashLoss, Trainer
from rsir_fast.hashing.training import _by_class, _turned
from two_processes import by_two_processes

N, DIM, BITS, CLASSES = 57, 24, 16, 3
QUICK = replace(RECIPES["modern"], epochs=4, batch_size=16, learning_rate=1e-2)

DROPPING = replace(QUICK, batch_size=7, dropout=0.2)  # 57 = 8 x 7 + 1: odd, and an empty share


def scenes() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    labels = torch.arange(N) % CLASSES
    centres = torch.randn(CLASSES, DIM, generator=draw)
    return centres[labels] + 0.5 * torch.randn(N, DIM, generator=draw), labels


def trainer(recipe=QUICK, **settings) -> Trainer:
    features, labels = scenes()
    return Trainer(HashHead(DIM, BITS, CLASSES, seed=1), features, labels, recipe, seed=7, **settings)


def weights(trained: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in trained.network.parameters()])


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns(name):
    run = trainer(RECIPES[name])
    losses = [run.train_epoch()["total"] for _ in range(run.recipe.epochs)]
    assert losses[-1] < losses[0]
    features, labels = scenes()
    with torch.inference_mode():
        u, logits = run.network.eval()(features)
    assert (logits.argmax(1) == labels).float().mean() > 0.9
    codes = (u > 0).float()
    apart = torch.cdist(codes, codes, p=0)
    same = labels[:, None] == labels
    assert apart[same].mean() < apart[~same].mean()
    assert run.bank.shape == u.shape


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns(name):
    method = METHODS[name]()
    features, labels = scenes()
    head = HashHead(DIM, BITS, CLASSES, seed=1, classifies=method.classifies)
    method.prepare(head, seed=1)
    run = Trainer(head, features, labels, replace(QUICK, epochs=8, loss=method), seed=7)
    losses = [run.train_epoch()["total"] for _ in range(8)]
    assert losses[-1] < losses[0]
    with torch.inference_mode():
        u, logits = head.eval()(features)
    given = torch.nn.functional.normalize(u) if method.embeds else torch.where(u > 0, 1.0, -1.0)
    nearest = torch.cdist(given, given).fill_diagonal_(torch.inf).argmin(1)
    assert (labels[nearest] == labels).float().mean() > 0.9
    if method.embeds:
        return
    if method.labels:
        assert (logits.argmax(1) == labels).float().mean() > 0.9
    else:
        assert not logits.any()


def test_taken_up_it_is_the_same_bit_for_bit():
    whole = trainer()
    for _ in range(4):
        whole.train_epoch()
    first = trainer()
    first.train_epoch()
    first.train_epoch()
    second = trainer()
    second.load_state(copy.deepcopy(first.state()))
    logs = [second.train_epoch() for _ in range(2)]
    assert torch.equal(weights(second), weights(whole))
    assert torch.equal(second.bank, whole.bank)
    assert second.epoch == 4
    assert logs[-1]["learning_rate"] < logs[0]["learning_rate"]


def test_the_bank_holds_the_codes_as_last_seen():
    run = trainer(replace(QUICK, epochs=1, batch_size=N, learning_rate=1e-3, warmup_epochs=0))
    features, _ = scenes()
    before = run.network(features).u.detach()
    run.train_epoch()
    torch.testing.assert_close(run.bank, before, rtol=1e-5, atol=1e-7)


def test_a_batch_in_parts():
    labels_alone = replace(QUICK, optimizer="sgd", learning_rate=0.1, loss=HashLoss(eta=0))  # the bank has no say
    for recipe, same in ((labels_alone, True), (QUICK, False)):
        runs = [trainer(recipe, accumulate=parts) for parts in (1, 3)]
        for run in runs:
            run.train_epoch()
        assert torch.allclose(*map(weights, runs), rtol=1e-4, atol=1e-6) == same


def test_a_loss_that_is_not_finite_stops_and_names_the_batch():
    run = trainer()
    run.inputs[3] = float("nan")
    with pytest.raises(TrainingError, match=r"not finite in epoch 1, batch \d of 4 \(training images \["):
        run.train_epoch()
    assert torch.isfinite(weights(run)).all()


def test_progress_is_told_and_can_stop():
    seen = []
    run = trainer()
    run.train_epoch(seen.append)
    assert [p.done for p in seen] == [16, 32, 48, 57]
    assert seen[-1].epoch == 1
    assert seen[-1].terms["total"] > 0
    with pytest.raises(TrainingError, match="stopped in epoch 2"):
        run.train_epoch(lambda progress: False)


def test_each_image_has_its_own_turn():
    image = torch.arange(2 * 9, dtype=torch.uint8).view(1, 2, 3, 3)
    images = _turned(image.expand(8, -1, -1, -1), torch.arange(8))
    assert len({tuple(image.flatten().tolist()) for image in images}) == 8
    assert all(torch.equal(images[turn], turned(image[0], turn)) for turn in range(8))


def test_of_images_the_backbone_learns_too_and_its_statistics_stay():
    backbone = load_backbone("mobilenet_v2", weights="random:0")
    size = backbone.preprocessing.input_size
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, size, size), np.uint8))
    network = DHCNN(backbone, HashHead(backbone.dim, 8, 2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    run = Trainer(network, images, torch.tensor([0, 1, 0, 1]), replace(QUICK, epochs=1, batch_size=2), seed=0)
    assert [group["factor"] for group in run.optimizer.param_groups] == [1.0, 0.05]
    run.train_epoch()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("backbone.") for name in changed)
    assert not any("running" in name for name in changed)


def test_a_loss_that_explodes_in_the_last_step_is_seen():
    run = trainer(replace(QUICK, epochs=1, batch_size=N, learning_rate=1e38, schedule="log", optimizer="sgd"))
    run.inputs *= 1e4
    with pytest.raises(TrainingError, match="weights are not finite at the end of epoch 1"):
        run.train_epoch()
    assert run.epoch == 0


def test_images_of_a_class_stand_together_and_each_is_seen_once():
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(N) % CLASSES  # 19 of each: four groups of 4, one of 3
    found = _by_class(order, labels, 4, torch.Generator().manual_seed(2))
    assert sorted(found.tolist()) == list(range(N))
    runs = [len(list(group)) for _, group in itertools.groupby(labels[found].tolist())]
    assert len(runs) <= 15
    assert min(runs) >= 3
    assert not torch.equal(found, _by_class(order, labels, 4, torch.Generator().manual_seed(3)))


def test_a_whole_batch_is_compared_in_one_part():
    with pytest.raises(
        ValueError, match="accumulate: expected 1, and one process, as DSH compares the images of a whole"
    ):
        trainer(replace(QUICK, loss=METHODS["dsh"]()), accumulate=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "bf16"}, "precision: expected 'float32' or 'bfloat16', got 'bf16'"),
        ({"accumulate": 0}, "accumulate: expected at least 1, got 0"),
        ({"seed": -1}, "seed: expected 0 to"),
    ],
)
def test_settings_out_of_range(settings, message):
    features, labels = scenes()
    with pytest.raises(ValueError, match=message):
        Trainer(HashHead(DIM, BITS, CLASSES), features, labels, QUICK, **settings)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "at least 1"),
        ("head_epochs", -1, "at least 0"),
        ("learning_rate", float("nan"), "a number above 0"),
        ("final_rate", 0, "a number above 0"),
        ("momentum", -1, "a number of at least 0"),
        ("weight_decay", -5, "a number of at least 0"),
        ("backbone_factor", -1, "a number of at least 0"),
    ],
)
def test_recipes_out_of_range(name, value, expected):
    with pytest.raises(ValueError, match=f"{name}: expected {expected}, got"):
        replace(QUICK, **{name: value})


def test_a_feature_that_is_almost_always_nothing_does_not_decide():
    features = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    features[:, 2] = 0
    features[7, 2] = 1e-5
    head = HashHead(3, 8, 2)
    head.standardize(features)
    assert head.scale.max() < 1.01 * 100 / features.std(0, correction=0).mean()
    head.standardize(torch.ones(4, 3))
    assert head.scale.tolist() == [1, 1, 1]


PARTS = [1, 2]


def share() -> list[tuple[np.ndarray, np.ndarray, list[dict[str, float]]]]:
    """Train with batches in one and in two parts, as one of two processes."""
    made = []
    for parts in PARTS:
        run = trainer(DROPPING, accumulate=parts, drop_features=True)
        logs = [run.train_epoch() for _ in range(3)]
        made.append((weights(run).numpy(), run.bank.numpy(), logs))
    return made


@pytest.fixture(scope="module")
def shared():
    return dict(zip(PARTS, zip(*by_two_processes(share), strict=True), strict=True))


@pytest.mark.parametrize("accumulate", PARTS)
def test_two_processes_do_what_one_does(shared, accumulate):
    alone = trainer(DROPPING, accumulate=accumulate, drop_features=True)
    logs = [alone.train_epoch() for _ in range(3)]
    (first, first_bank, first_logs), (second, second_bank, _) = shared[accumulate]
    assert np.array_equal(first, second)
    assert np.array_equal(first_bank, second_bank)
    np.testing.assert_allclose(first, weights(alone).numpy(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(first_bank, alone.bank.numpy(), rtol=1e-3, atol=1e-4)
    for log, expected in zip(first_logs, logs, strict=True):
        assert log == pytest.approx(expected, rel=1e-4)
