"""An epoch of the recipe `matlab` against the update rule that was published, written down in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rsir_fast.hashing import RECIPES, HashHead, HashLoss, Trainer

N, DIM, BITS, CLASSES = 53, 24, 16, 5
ETA, BETA, P, DECAY = 0.2, 25.0, 32.0, 5e-4


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def published_epoch(
    x: np.ndarray,
    labels: np.ndarray,
    state: dict[str, np.ndarray],
    bank: np.ndarray,
    batches: list[np.ndarray],
    rate: float,
) -> None:
    """Descend the gradient, with weight decay, batch by batch, whose rows of the bank are refreshed first."""
    for batch in batches:
        u = x[batch] @ state["hash.weight"].T + state["hash.bias"]
        bank[batch] = u
        similar = (labels[batch, None] == labels[None, :]).astype(float)
        pairs = len(batch) * N
        # Of the similarity term without 1 / p, of one side of each pair alone.
        of_similarity = (sigmoid(u @ bank.T / P) - similar) @ bank / pairs
        of_quantization = 2 * BETA * (u - np.sign(u)) / pairs
        scores = u @ state["classifier.weight"].T + state["classifier.bias"]
        likely = np.exp(scores - scores.max(1, keepdims=True))
        of_scores = (likely / likely.sum(1, keepdims=True) - np.eye(CLASSES)[labels[batch]]) / len(batch)
        of_label = of_scores @ state["classifier.weight"]
        of_u = ETA * (of_similarity + of_quantization) + (1 - ETA) * of_label
        gradients = {
            "hash.weight": of_u.T @ x[batch],
            "hash.bias": of_u.sum(0),
            "classifier.weight": of_scores.T @ u,  # whole: 1 - eta is for what flows into the hash layer
            "classifier.bias": of_scores.sum(0),
        }
        for name, gradient in gradients.items():
            state[name] -= rate * (gradient + DECAY * state[name])


@pytest.mark.parametrize("epochs", [1, 3])
def test_epochs_are_the_published_ones(epochs: int) -> None:
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(N, DIM, generator=draw)
    labels = torch.arange(N) % CLASSES
    recipe = replace(RECIPES["matlab"], epochs=epochs)
    head = HashHead(DIM, BITS, CLASSES, seed=3)
    state = {name: value.detach().double().numpy() for name, value in head.named_parameters()}
    run = Trainer(head, x, labels, recipe, seed=9)
    bank = np.zeros((N, BITS))
    for epoch in range(epochs):
        order = torch.randperm(N, generator=torch.Generator().manual_seed(9 * 1_000_003 + epoch))
        batches = [part.numpy() for part in torch.split(order, recipe.batch_size)]
        run.train_epoch()
        rate = 1e-2 * 1e-3 ** (epoch / max(1, epochs - 1))
        published_epoch(x.double().numpy(), labels.numpy(), state, bank, batches, rate)
    for name, value in head.named_parameters():
        np.testing.assert_allclose(value.detach().numpy(), state[name], rtol=0, atol=2e-8, err_msg=name)


def test_the_gradient_is_whole_however_a_batch_is_parted() -> None:
    draw = torch.Generator().manual_seed(2)
    x, labels = torch.randn(N, DIM, generator=draw), torch.arange(N) % CLASSES
    weighted = replace(RECIPES["matlab"], loss=replace(RECIPES["matlab"].loss, classifier_gradient="weighted"))
    found = {}
    for name, recipe, parts in (
        ("whole", RECIPES["matlab"], 1),
        ("parts", RECIPES["matlab"], 3),
        ("less", weighted, 1),
    ):
        run = Trainer(HashHead(DIM, BITS, CLASSES, seed=3), x, labels, recipe, accumulate=parts)
        run._step(torch.arange(10), None, 0)
        found[name] = {key: value.grad for key, value in run.network.named_parameters()}
    for key in ("classifier.weight", "classifier.bias"):
        torch.testing.assert_close(found["whole"][key], found["less"][key] / (1 - ETA))
        torch.testing.assert_close(found["parts"][key], found["whole"][key])
    torch.testing.assert_close(found["whole"]["hash.weight"], found["less"]["hash.weight"], rtol=0, atol=0)


def test_settings_of_recipes_of_before_are_the_same() -> None:
    """A checkpoint from before `classifier_gradient` goes on, where the training is the same."""
    assert "classifier_gradient" not in RECIPES["modern"].told()["loss"]
    assert RECIPES["matlab"].told()["loss"]["classifier_gradient"] == "whole"


def test_of_no_weight_there_is_no_gradient_to_take_whole() -> None:
    with pytest.raises(ValueError, match="eta: expected L_label to have a weight"):
        HashLoss(eta=1.0, classifier_gradient="whole")
    with pytest.raises(ValueError, match="classifier_gradient: expected"):
        HashLoss(classifier_gradient="half")  # type: ignore[arg-type]
