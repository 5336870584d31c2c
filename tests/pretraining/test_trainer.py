"""Epoch by epoch: taken up bit for bit, two processes do what one does, figures are what they say."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from rsir_fast.backbones.caffenets import NETWORKS
from rsir_fast.errors import NoImageReadError, TrainingError
from rsir_fast.pretraining import Classifier, PretrainingRecipe, PretrainingTrainer, initialize
from rsir_fast.pretraining.images import cut, open_images
from scene_files import write_scenes
from two_processes import by_two_processes

QUICK = PretrainingRecipe(epochs=3, batch_size=7, drops=(2,))
MEAN = (100.0, 110.0, 120.0)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = write_scenes(tmp_path_factory.mktemp("scenes") / "data", classes=3, per_class=8)
    (folder / "class1" / "damaged.jpg").write_bytes(b"no image")
    return folder


def trainer(scenes, recipe=QUICK, **settings) -> PretrainingTrainer:
    network = Classifier(NETWORKS["cnn-f"].scaled(0.05), classes=3)
    initialize(network, seed=1, width=0.05)
    images = open_images(scenes)
    return PretrainingTrainer(network, images, recipe, **{"size": 224, "mean": MEAN, "seed": 7, **settings})


def weights(run: PretrainingTrainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in run.network.parameters()])


def figures(log: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in log.items() if name not in ("images_per_s", "waiting")}


def test_taken_up_it_is_the_same_bit_for_bit(scenes):
    whole = trainer(scenes)
    logs = [whole.train_epoch() for _ in range(3)]
    first = trainer(scenes)
    first.train_epoch()
    second = trainer(scenes, mean=(0.0, 0.0, 0.0), workers=2)
    second.load_state(copy.deepcopy(first.state()))
    again = [second.train_epoch() for _ in range(2)]
    assert torch.equal(weights(second), weights(whole))
    assert [figures(log) for log in again] == [figures(log) for log in logs[1:]]
    assert [log["learning_rate"] for log in logs] == [0.01, 0.01, 0.001]
    assert second.skipped == whole.skipped
    assert not torch.equal(weights(trainer(scenes)), weights(whole))


def test_what_is_drawn_depends_on_the_seed_and_the_epoch(scenes):
    runs = [trainer(scenes, seed=seed) for seed in (7, 8)]
    for run in runs:
        run.train_epoch()
    assert not torch.equal(*map(weights, runs))
    still = replace(QUICK, learning_rate=1e-30)
    run = trainer(scenes, still)
    first, second = (run.train_epoch() for _ in range(2))
    assert first["loss"] != second["loss"]  # other crops, other units switched off
    assert first["top1"] == second["top1"]


def test_a_batch_in_parts(scenes):
    runs = [trainer(scenes, accumulate=parts) for parts in (1, 3)]
    for run in runs:
        run.train_epoch()
    torch.testing.assert_close(*map(weights, runs), rtol=1e-4, atol=1e-6)


def test_momentum_and_decay_are_those_of_the_recipe(scenes):
    """One step by hand, of two epochs of one batch: v <- 0.9 v + g + 0.0005 w; w <- w - rate v."""
    recipe = replace(QUICK, batch_size=100, dropout=0.0, epochs=3, drops=(2,))
    run = trainer(scenes, recipe)
    parameters = dict(run.network.named_parameters())
    velocity = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for rate in (0.01, 0.01, 0.001):
        before = {name: p.detach().clone() for name, p in parameters.items()}
        run.train_epoch()
        for name, p in parameters.items():
            decay = 0.0005 if name.endswith("weight") else 0.0
            velocity[name] = 0.9 * velocity[name] + p.grad + decay * before[name]
            torch.testing.assert_close(p.detach(), before[name] - rate * velocity[name], rtol=1e-5, atol=1e-7)


def test_validation_is_of_centre_squares(scenes):
    run = trainer(scenes)
    run.train_epoch()
    measured = run.validate()
    held = run.images.validation
    mean = torch.tensor(MEAN).view(3, 1, 1)
    squares = torch.stack(
        [torch.from_numpy(cut(held.load_image(i), 224, 256)).float() - mean for i in range(len(held))]
    )
    with torch.inference_mode():
        scores = run.network.eval()(squares)
    labels = torch.from_numpy(held.labels.copy())
    assert measured["top1"] == pytest.approx((scores.argmax(1) == labels).float().mean().item())
    assert measured["top5"] == 1.0  # of three classes
    loss = torch.nn.functional.cross_entropy(scores, labels).item()
    assert measured["validation_loss"] == pytest.approx(loss, rel=1e-5)


def test_the_first_five_of_many_classes(tmp_path):
    images = open_images(write_scenes(tmp_path, classes=7, per_class=2))
    network = Classifier(NETWORKS["cnn-f"].scaled(0.02), classes=7)
    initialize(network)
    torch.nn.init.zeros_(network.fc8.weight)
    with torch.no_grad():  # scores fall from class to class, whatever the image
        network.fc8.bias.copy_(-torch.arange(7.0))
    run = PretrainingTrainer(network, images, QUICK, size=224, mean=MEAN)
    assert run.validate()["top1"] == pytest.approx(1 / 7)
    assert run.validate()["top5"] == pytest.approx(5 / 7)


def test_unreadable_images_are_left_out_and_listed(scenes, tmp_path):
    run = trainer(scenes)
    run.train_epoch()
    (entry,) = run.skipped
    assert entry.item == "class1/damaged.jpg"
    assert "expected a JPEG, PNG, TIFF" in entry.reason
    folder = tmp_path / "data"
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(3):
            (folder / label / f"{number}.jpg").write_bytes(b"no image")
    with pytest.raises(NoImageReadError, match="data: expected images that can be read, found none"):
        trainer(folder).train_epoch()
    good = write_scenes(tmp_path / "good", classes=3, per_class=3)
    run = trainer(good)
    run.images = replace(run.images, validation=open_images(folder).validation)
    with pytest.raises(NoImageReadError, match="data, to validate with: expected images that can be read, found none"):
        run.train_epoch()


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(scenes):
    run = trainer(scenes, mean=(float("nan"),) * 3)
    before = weights(run)
    with pytest.raises(TrainingError, match=r"not finite in epoch 1, batch 1 of 3 \(images class\d/\S+, .*\.\.\.\)"):
        run.train_epoch()
    assert torch.equal(weights(run), before)
    run = trainer(scenes, replace(QUICK, learning_rate=1e25))
    with pytest.raises(TrainingError, match=r"not finite in epoch 1, batch 2 of 3 .*; try a lower learning rate"):
        run.train_epoch()


def test_progress_is_told_and_can_stop(scenes):
    seen = []
    run = trainer(scenes)
    total = len(run.images.train)
    log = run.train_epoch(seen.append)
    assert [p.done for p in seen] == [7, 14, 19] == [7, 14, total]
    assert set(seen[-1].terms) == {"loss", "top1"}
    assert seen[-1].terms["loss"] == log["loss"]
    assert seen[-1].rate > 0
    assert [p.eta_s for p in seen] == pytest.approx([(3 * total - p.done) / p.rate for p in seen])
    assert log["images_per_s"] > 0
    assert 0 < log["waiting"] < 1
    with pytest.raises(TrainingError, match="stopped in epoch 2"):
        run.train_epoch(lambda progress: False)


def test_bfloat16_is_close_and_not_the_same(scenes):
    logs = [trainer(scenes, precision=precision).train_epoch() for precision in ("float32", "bfloat16")]
    assert logs[0]["loss"] != logs[1]["loss"]
    assert logs[0]["loss"] == pytest.approx(logs[1]["loss"], rel=0.05)


CASES = [(7, 1), (7, 2), (18, 1)]  # 19 = 18 + 1: of the last batch the second process has nothing.


def share(scenes) -> list[tuple[np.ndarray, list[dict[str, float]], list]]:
    """Train every case as one of two processes."""
    made = []
    for batch_size, accumulate in CASES:
        run = trainer(scenes, replace(QUICK, batch_size=batch_size), accumulate=accumulate)
        logs = [figures(run.train_epoch()) for _ in range(2)]
        made.append((weights(run).numpy(), logs, run.skipped))
    return made


@pytest.fixture(scope="module")
def shared(scenes):
    """What the two processes made of every case."""
    first, second = by_two_processes(share, scenes)
    return dict(zip(CASES, zip(first, second, strict=True), strict=True))


@pytest.mark.parametrize(("batch_size", "accumulate"), CASES)
def test_two_processes_do_what_one_does(scenes, shared, batch_size, accumulate):
    (first, first_logs, skipped), (second, second_logs, _) = shared[batch_size, accumulate]
    alone = trainer(scenes, replace(QUICK, batch_size=batch_size), accumulate=accumulate)
    start = weights(alone)
    logs = [figures(alone.train_epoch()) for _ in range(2)]
    assert np.array_equal(first, second)
    moved = (weights(alone) - start).abs().max().item()
    assert np.abs(first - weights(alone).numpy()).max() < 1e-3 * moved
    assert first_logs == second_logs
    assert skipped == alone.skipped
    for log, expected in zip(first_logs, logs, strict=True):
        assert log == pytest.approx(expected, rel=1e-3)
