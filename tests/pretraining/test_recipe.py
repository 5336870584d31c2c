"""The settings that Ge et al. 2018 state (section 2.2, step 1), and the learning rate over the epochs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from rsir_fast.backbones.caffenets import NETWORKS
from rsir_fast.pretraining import Classifier, PretrainingRecipe, initialize

ONES = {"conv2", "conv4", "conv5", "fc6", "fc7", "fc8"}


def initial(name: str, width: float = 1.0, initialization="paper", seed: int = 0) -> Classifier:
    network = Classifier(NETWORKS[name].scaled(width), classes=100)
    initialize(network, initialization, seed=seed, width=width)
    return network


def layers(network: Classifier):
    return [(n, m) for n, m in network.named_children() if isinstance(m, nn.Conv2d | nn.Linear)]


def test_the_papers_settings_are_the_defaults():
    recipe = PretrainingRecipe()
    assert (recipe.momentum, recipe.weight_decay, recipe.learning_rate) == (0.9, 0.0005, 0.01)
    assert (recipe.initialization, recipe.short_side, recipe.dropout) == ("paper", 256, 0.5)


@pytest.mark.parametrize("name", ["cnn-alex", "cnn-m"])
def test_initial_weights_are_the_papers(name):
    for layer, module in layers(initial(name)):
        weights = module.weight.detach().double()
        # Of n values the mean deviates by 0.01 / sqrt(n), the deviation by 0.01 / sqrt(2 n): five times that is far.
        count = weights.numel()
        assert abs(weights.mean()) < 5 * 0.01 / math.sqrt(count), layer
        assert abs(weights.std() - 0.01) < 5 * 0.01 / math.sqrt(2 * count), layer
        share = (weights.abs() < 0.01).double().mean()  # 68 % of a normal distribution, 58 % of a uniform one
        assert abs(share - 0.6827) < 5 * 0.47 / math.sqrt(count), layer
        assert module.bias.unique().tolist() == [float(layer in ONES)], layer
    assert {layer for layer, _ in layers(initial(name, 0.1))} >= ONES


def test_in_the_deep_networks_a_stage_has_what_its_layer_has():
    biases = {layer: module.bias.unique().tolist() for layer, module in layers(initial("cnn-16", 0.1))}
    assert {layer for layer, bias in biases.items() if bias == [1.0]} == {
        *("conv2_1", "conv2_2", "conv4_1", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3", "fc6", "fc7", "fc8")
    }
    assert all(biases[layer] == [0.0] for layer in ("conv1_1", "conv1_2", "conv3_1", "conv3_2", "conv3_3"))


def test_a_seed_is_the_weights_and_another_is_others():
    first, again, other = (initial("cnn-f", 0.1, seed=seed).fc7.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_at_reduced_width_a_units_sum_spreads_as_at_full_width():
    whole, small = (dict(layers(initial("cnn-alex", width))) for width in (1.0, 0.25))
    for layer in ("conv2", "conv3", "fc6", "fc7"):
        spread = [n[layer].weight.std().item() * math.sqrt(n[layer].weight[0].numel()) for n in (whole, small)]
        assert spread[1] == pytest.approx(spread[0], rel=0.05)
    assert small["conv1"].weight.std().item() == pytest.approx(0.01, rel=0.1)


def test_glorot_keeps_the_signal_of_a_deep_network():
    images = 60 * torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    spread = {}
    for initialization in ("paper", "glorot"):
        network = initial("cnn-16", 0.25, initialization)
        with torch.inference_mode():
            scores = network.eval()(images)
            # How much one image's features differ from another's, in units of their size.
            features = network.features(images)
        spread[initialization] = (features.std(0).mean() / features.mean()).item()
        assert scores.shape == (4, 100)
    assert spread["glorot"] > 10 * spread["paper"]
    fan = initial("cnn-16", 0.25, "glorot").get_parameter("conv3_2.weight")
    assert fan.std().item() == pytest.approx(math.sqrt(2 / (9 * 64 + 9 * 64)), rel=0.05)


def test_the_rate_falls_to_a_tenth_at_given_epochs():
    rates = [PretrainingRecipe(epochs=9).rate(epoch) for epoch in range(9)]
    assert rates == pytest.approx([1e-2] * 3 + [1e-3] * 3 + [1e-4] * 2 + [1e-5])
    own = PretrainingRecipe(epochs=6, drops=(2, 5), learning_rate=0.1)
    assert [own.rate(epoch) for epoch in range(6)] == pytest.approx([0.1] * 2 + [0.01] * 3 + [0.001])
    assert PretrainingRecipe(epochs=1).rate(0) == 0.01


def test_the_rate_falls_to_a_tenth_where_the_error_stays():
    recipe = PretrainingRecipe(schedule="plateau", patience=2)
    errors = [0.9, 0.8, 0.8, 0.85, 0.5, 0.6, 0.5, 0.55, 0.5]
    rates = [recipe.rate(epoch, errors) for epoch in range(len(errors) + 1)]
    falls = np.log10(rates).round().astype(int).tolist()
    #          first best   stays x2     best   stays x2      stays x2
    assert falls == [-2, -2, -2, -2, -3, -3, -3, -4, -4, -5]


def test_dropout_switches_off_half_of_the_units_and_keeps_their_mean():
    network = initial("cnn-f", 0.5)
    keep = network.dropout_factors(200, 0.5, torch.Generator().manual_seed(0))
    assert keep.shape == (200, 2, 2048)
    assert keep.unique().tolist() == [0.0, 2.0]
    assert keep.mean().item() == pytest.approx(1, abs=0.01)
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        plain, dropped = network.features(images), network.features(images, keep[:2])
        assert torch.equal(network(images), network(images, torch.ones(2, 2, 2048)))
    assert (dropped[keep[:2, 1] == 0] == 0).all()
    assert (plain == 0).float().mean() < 0.4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"learning_rate": float("nan")}, "learning_rate: expected a number above 0, got nan"),
        ({"momentum": 1.0}, "momentum: expected at least 0 and less than 1, got 1.0"),
        ({"dropout": -0.1}, "dropout: expected at least 0"),
        ({"weight_decay": -1.0}, "weight_decay: expected 0 or more, got -1.0"),
        ({"schedule": "cosine"}, "schedule: expected one of steps, plateau, got 'cosine'"),
        ({"initialization": "he"}, "initialization: expected one of paper, glorot, got 'he'"),
        (
            {"schedule": "plateau", "drops": (3,)},
            "drops: expected rising epochs from 1 to 90, for schedule 'steps', got 3 for schedule 'plateau'",
        ),
    ],
)
def test_settings_out_of_range(setting, message):
    with pytest.raises(ValueError, match=message):
        PretrainingRecipe(**setting)
