"""Epochs of the recipe `pytorch` against a plain program of torch with the settings that were published."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from rsir_fast.backbones import Backbone, Preprocessing, dropouts
from rsir_fast.backbones.load import empty_backbone
from rsir_fast.hashing import DHCNN, RECIPES, HashHead, HashLoss, Trainer

N, BITS, CLASSES, SEED = 23, 8, 4, 9
RECIPE = replace(RECIPES["pytorch"], batch_size=5)
SIZE, CODE, IMAGES = 4, (10, 8), torch.Generator().manual_seed(2)
LAYERS = {
    # As torchvision's AlexNet and VGG-11 have it, the second's dropout before the hash layer behind the cut.
    "alexnet": (nn.Dropout, 12, nn.ReLU, nn.Dropout, 10, nn.ReLU),
    "vgg11": (12, nn.ReLU, nn.Dropout, 10, nn.ReLU),
}


def layers(name: str) -> nn.Sequential:
    torch.manual_seed(1)
    made, width = [nn.Flatten()], 3 * SIZE * SIZE
    for layer in LAYERS[name]:
        made.append(nn.Linear(width, layer) if isinstance(layer, int) else layer())
        width = layer if isinstance(layer, int) else width
    return nn.Sequential(*made)


def trainer(name: str, recipe=RECIPE, **settings) -> Trainer:
    steps = Preprocessing(input_size=SIZE)
    made = Backbone(layers(name), name="mine", layer="fc7", dim=10, preprocessing=steps, description="", weights={})
    images = torch.randint(0, 256, (N, 3, SIZE, SIZE), dtype=torch.uint8, generator=copy.deepcopy(IMAGES))
    network = DHCNN(made, HashHead(*CODE, CLASSES, seed=3, initialization=recipe.initialization))
    behind = {"drop_features": name == "vgg11"}
    return Trainer(network, images, torch.arange(N) % CLASSES, recipe, seed=SEED, **behind, **settings)


def weights(run: Trainer) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in run.network.parameters()]


def plain(name: str, images: torch.Tensor, labels: torch.Tensor, epochs: int) -> tuple[list[torch.Tensor], list]:
    trunk = layers(name)
    torch.manual_seed(3)
    hashing, classifier = nn.Linear(*CODE), nn.Linear(BITS, CLASSES)
    everything = nn.ModuleList([trunk, hashing, classifier])
    optimizer = torch.optim.SGD(everything.parameters(), lr=0.1, weight_decay=1e-5)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    bank, losses = torch.zeros(N, BITS), []
    for epoch in range(epochs):
        draw = torch.Generator().manual_seed(SEED * 1_000_003 + epoch)
        batches = torch.randperm(N, generator=draw).split(5)
        seeds = torch.randint(1 << 62, (len(batches),), generator=draw).tolist()
        total = 0.0
        for batch, seed in zip(batches, seeds, strict=True):
            chance = torch.Generator().manual_seed(seed)

            def drop(x, chance=chance):
                return x * 2 * (torch.rand(x.shape, generator=chance) >= 0.5)

            values = (images[batch] / 255 - mean) / std
            for layer in (*trunk, *([nn.Dropout()] if name == "vgg11" else [])):
                values = drop(values) if isinstance(layer, nn.Dropout) else layer(values)
            u = hashing(values)
            bank[batch] = u.detach()
            theta = u @ bank.T / 32
            same = (labels[batch, None] == labels).float()
            similarity = -(same * theta - torch.log1p(theta.exp())).sum() + 10 * (u.sign() - u).square().sum()
            loss = 0.8 * similarity / (N * len(batch)) + 0.2 * functional.cross_entropy(classifier(u), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(batch) / N
        losses.append(total)
        for group in optimizer.param_groups:  # after an epoch: the first rate is that of 31
            group["lr"] = 0.1 * 0.1 ** (epoch // 30)
    return [parameter.detach() for parameter in everything.parameters()], losses


@pytest.mark.parametrize("name", LAYERS)
def test_epochs_are_the_published_ones(name):
    run = trainer(name)
    expected, losses = plain(name, run.inputs, run.labels, 3)
    logs = [run.train_epoch() for _ in range(3)]
    for mine, theirs in zip(weights(run), expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
    assert [log["total"] for log in logs] == pytest.approx(losses, rel=1e-5)
    assert max(float((a - b).abs().max()) for a, b in zip(weights(trainer(name)), expected, strict=True)) > 0.05


def test_the_rate_of_each_epoch_is_the_published_one():
    rate, rates = 0.1, []
    for epoch in range(100):
        rates.append(rate)
        rate = 0.1 * 0.1 ** (epoch // 30)
    assert [RECIPES["pytorch"].rate(34 * epoch + 33, 34) for epoch in range(100)] == pytest.approx(rates)
    assert rates.count(0.1) == 31


def test_new_layers_are_those_of_torch():
    torch.manual_seed(5)
    expected = [*nn.Linear(40, 16).parameters(), *nn.Linear(16, 7).parameters()]
    made = HashHead(40, 16, 7, seed=5, initialization="torch")
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), expected, strict=True))


@pytest.mark.parametrize("name", LAYERS)
def test_with_dropout_it_is_taken_up_bit_for_bit(name):
    whole, first, second = (trainer(name) for _ in range(3))
    torch.manual_seed(0)
    for _ in range(3):
        whole.train_epoch()
    first.train_epoch()
    torch.manual_seed(1)  # the state of the process has no say
    second.load_state(copy.deepcopy(first.state()))
    second.train_epoch()
    second.train_epoch()
    assert all(torch.equal(a, b) for a, b in zip(weights(second), weights(whole), strict=True))
    assert torch.equal(second.bank, whole.bank)


@pytest.mark.parametrize("name", LAYERS)
def test_an_image_drops_the_same_however_a_batch_is_parted(name):
    labels_alone = replace(RECIPE, loss=HashLoss(eta=0))  # the bank has no say
    found = []
    for recipe, parts in ((labels_alone, 1), (labels_alone, 3), (replace(labels_alone, dropout=0.0), 1)):
        found.append(trainer(name, recipe, accumulate=parts))
        found[-1].train_epoch()
    whole, parted, without = map(weights, found)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(whole, parted, strict=True))
    assert not any(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(whole, without, strict=True))
    before = found[0].network(found[0].inputs).u
    assert torch.equal(found[0].network(found[0].inputs).u, before)  # nothing is dropped but in training


@pytest.mark.parametrize(
    ("word", "within", "after"),
    [
        ("alexnet:fc7", 2, False),
        ("alexnet:fc6", 1, True),
        ("vgg11:fc7", 1, True),
        ("cnn-f:fc7", 1, True),
        ("cnn-f:pool5", 0, False),
        ("resnet18:gap", 0, False),
    ],
)
def test_where_a_network_drops(word, within, after):
    name, _, layer = word.partition(":")
    made = empty_backbone(name, layer, dim=1, preprocessing=Preprocessing(224), provenance={}, width=None)
    found = dropouts(made)
    assert (len(found.within), found.after) == (within, after)


def test_recipes_of_before_say_what_they_said():
    """A new field is left out where it is at its default: checkpoints and tables of before are gone on with."""
    for name in ("modern", "matlab"):
        assert not {"dropout", "initialization", "resize"} & RECIPES[name].told().keys()
    told = RECIPES["pytorch"].told()
    assert (told["dropout"], told["initialization"], told["resize"]) == (0.5, "torch", "short-side")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("dropout", 1.0, "a share"), ("initialization", "he", "one of normal"), ("resize", "none", "one of None, whole")],
)
def test_recipes_out_of_range(name, value, expected):
    with pytest.raises(ValueError, match=f"{name}: expected {expected}"):
        replace(RECIPE, **{name: value})
    if name == "initialization":
        with pytest.raises(ValueError, match="initialization: expected one of normal, torch, got 'he'"):
            HashHead(*CODE, CLASSES, initialization=value)
