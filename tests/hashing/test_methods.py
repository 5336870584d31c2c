"""Ways of learning codes: value and gradient against their papers' formulas, written down in NumPy; and trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from rsir_fast.hashing import METHODS, RECIPES, Batch, HashHead, HashLoss, Method
from rsir_fast.hashing.methods import (
    CSQ,
    DHN,
    DPSH,
    DSH,
    IDHN,
    GreedyHash,
    HashNet,
    MultiSimilarity,
    ProxyAnchor,
    Triplet,
)
from rsir_fast.hashing.methods.csq import hash_centres

M, N, BITS, CLASSES = 5, 9, 8, 3


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def batch(**more: object) -> Batch:
    draw = np.random.RandomState(3)
    u, bank = draw.standard_normal((M, BITS)), draw.standard_normal((N, BITS))
    logits, vectors = draw.standard_normal((M, CLASSES)), draw.standard_normal((CLASSES, BITS))
    labels, bank_labels = np.array([0, 1, 0, 2, 1]), np.arange(N) % CLASSES
    given = (torch.from_numpy(x) for x in (u, logits, labels, bank, bank_labels))
    return Batch(*given, class_vectors=torch.from_numpy(vectors))._replace(**more)


def numbers(case: Batch) -> tuple[np.ndarray, ...]:
    return tuple(x.detach().numpy() for x in (case.u, case.labels, case.bank, case.bank_labels))


def gradient(method: Method, case: Batch) -> np.ndarray:
    u = case.u.clone().requires_grad_()
    method(case._replace(u=u)).total.backward()
    return u.grad.numpy()


def slopes(value: Callable[[np.ndarray], float], u: np.ndarray) -> np.ndarray:
    """Return the gradient by central differences."""
    found = np.zeros_like(u)
    for place in np.ndindex(u.shape):
        step = np.zeros_like(u)
        step[place] = 1e-6
        found[place] = (value(u + step) - value(u - step)) / 2e-6
    return found


def test_dpsh_is_the_objective_and_the_gradient_of_its_paper() -> None:
    case = batch()
    u, labels, bank, bank_labels = numbers(case)
    similar = (labels[:, None] == bank_labels).astype(float)
    theta = u @ bank.T / 2
    binary = np.where(u > 0, 1.0, -1.0)
    value = ((softplus(theta) - similar * theta).sum() + 7 * np.square(binary - u).sum()) / (M * N)
    # Of a pair in both orders: half of (a - s) u_j, twice; and of the codes' distance from binary.
    slope = ((sigmoid(theta) - similar) @ bank + 2 * 7 * (u - binary)) / (M * N)
    assert float(DPSH(eta=7)(case).total) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradient(DPSH(eta=7), case), slope, rtol=1e-10)


def test_dpsh_is_what_dhcnn_is_without_labels() -> None:
    case = batch()
    dhcnn = HashLoss(p=2, beta=10, eta=1)
    assert float(DPSH()(case).total) == pytest.approx(float(dhcnn(case).total), rel=1e-12)
    np.testing.assert_allclose(gradient(DPSH(), case), gradient(dhcnn, case), rtol=1e-10)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.compares != "batch"])
def test_parts_of_a_batch_add_up(name: str) -> None:
    method, case = METHODS[name](), batch()
    whole = method(case)
    parts = [
        method(case._replace(u=case.u[s], logits=case.logits[s], labels=case.labels[s], size=M))
        for s in (slice(0, 2), slice(2, M))
    ]
    for term, *others in zip(whole, *parts, strict=True):
        torch.testing.assert_close(term, sum(others), rtol=1e-12, atol=0)


def off_diagonal(values: np.ndarray) -> float:
    return float(values[~np.eye(len(values), dtype=bool)].mean())


def hashnet(u: np.ndarray, labels: np.ndarray, _: np.ndarray, bank_labels: np.ndarray) -> float:
    h = np.tanh(np.sqrt(1 + 0.02 * 40) * u)
    theta = 6 * h @ h.T / BITS
    similar = labels[:, None] == labels
    pairs = [a == b for i, a in enumerate(bank_labels) for j, b in enumerate(bank_labels) if i != j]
    weights = np.where(similar, len(pairs) / sum(pairs), len(pairs) / (len(pairs) - sum(pairs)))
    return off_diagonal(weights * (softplus(theta) - similar * theta))


def dsh(u: np.ndarray, labels: np.ndarray, *_: np.ndarray) -> float:
    found = []
    for i in range(M):
        for j in range(i):
            apart = np.square(u[i] - u[j]).sum()
            found.append(apart / 2 if labels[i] == labels[j] else max(1.5 * BITS - apart, 0) / 2)
            found[-1] += 0.3 * (np.abs(np.abs(u[i]) - 1).sum() + np.abs(np.abs(u[j]) - 1).sum())
    return float(np.mean(found))


def dhn(u: np.ndarray, labels: np.ndarray, *_: np.ndarray) -> float:
    z = np.tanh(u)
    found = []
    for i in range(M):
        for j in range(i):
            theta = z[i] @ z[j]
            found.append(softplus(theta) - theta * (labels[i] == labels[j]))
            found[-1] += 0.3 * (np.log(np.cosh(np.abs(z[i]) - 1)) + np.log(np.cosh(np.abs(z[j]) - 1))).sum()
    return float(np.mean(found))


def idhn(u: np.ndarray, labels: np.ndarray, bank: np.ndarray, bank_labels: np.ndarray) -> float:
    v, others = u / (1 + np.abs(u)), bank / (1 + np.abs(bank))
    theta = 0.7 * v @ others.T
    similar = labels[:, None] == bank_labels
    return float((softplus(theta) - similar * theta).mean() + 0.3 * np.abs(np.abs(v) - 1).mean())


def csq(u: np.ndarray, labels: np.ndarray, *_: np.ndarray) -> float:
    h, centres = (np.tanh(u) + 1) / 2, (CENTRES[labels] + 1) / 2
    bits = -(centres * np.log(h) + (1 - centres) * np.log(1 - h))
    return float((bits + 0.3 * np.log(np.cosh(np.abs(2 * h - 1) - 1))).mean())


def greedyhash(u: np.ndarray, *_: np.ndarray) -> float:
    return float(0.3 * np.power(np.abs(np.abs(u) - 1), 3).mean())


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def triplet(u: np.ndarray, labels: np.ndarray, *_: np.ndarray) -> float:
    v, found = unit(u), []
    for i in range(M):
        like = [np.linalg.norm(v[i] - v[j]) for j in range(M) if j != i and labels[j] == labels[i]]
        unlike = [np.linalg.norm(v[i] - v[j]) for j in range(M) if labels[j] != labels[i]]
        if like:
            found.append(max(0.0, 0.4 + max(like) - min(unlike)))
    return float(np.mean(found))


def multi_similarity(u: np.ndarray, labels: np.ndarray, *_: np.ndarray) -> float:
    cosine, total = unit(u) @ unit(u).T, 0.0
    for i in range(M):
        like = [cosine[i, j] for j in range(M) if j != i and labels[j] == labels[i]]
        unlike = [cosine[i, j] for j in range(M) if labels[j] != labels[i]]
        positive = [s for s in like if s < max(unlike) + 0.2]
        negative = [s for s in unlike if not like or s > min(like) - 0.2]
        negative = negative if like else []
        total += np.log1p(sum(np.exp(-3 * (s - 0.3)) for s in positive)) / 3
        total += np.log1p(sum(np.exp(7 * (s - 0.3)) for s in negative)) / 7
    return total / M


def proxy_anchor(u: np.ndarray, labels: np.ndarray, *_: np.ndarray) -> float:
    cosine = unit(u) @ unit(PROXIES).T
    drawn = [np.log1p(sum(np.exp(-5 * (cosine[i, p] - 0.2)) for i in range(M) if labels[i] == p)) for p in set(labels)]
    pushed = [
        np.log1p(sum(np.exp(5 * (cosine[i, p] + 0.2)) for i in range(M) if labels[i] != p)) for p in range(CLASSES + 1)
    ]
    return float(np.mean(drawn) + np.mean(pushed))


PROXIES = np.random.RandomState(8).standard_normal((CLASSES + 1, BITS))
CENTRES = hash_centres(CLASSES, BITS, seed=2).astype(float)
FORMULAS = {
    hashnet: (HashNet(alpha=6, growth=0.02), {"step": 40}),
    dsh: (DSH(margin=1.5, alpha=0.3), {}),
    dhn: (DHN(weight=0.3), {}),
    idhn: (IDHN(alpha=0.7, weight=0.3), {}),
    csq: (CSQ(weight=0.3), {"class_vectors": torch.from_numpy(CENTRES)}),
    triplet: (Triplet(margin=0.4), {}),
    multi_similarity: (MultiSimilarity(alpha=3, beta=7, base=0.3, epsilon=0.2), {}),
    proxy_anchor: (ProxyAnchor(alpha=5, delta=0.2), {"class_vectors": torch.from_numpy(PROXIES)}),
    greedyhash: (GreedyHash(alpha=0.3), {"logits": torch.zeros(M, CLASSES, dtype=torch.float64)}),
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_value_and_gradient_are_those_of_the_formula(formula: Callable[..., float]) -> None:
    method, more = FORMULAS[formula]
    case = batch(**more)
    u, *given = numbers(case)
    label = np.log(CLASSES) if formula is greedyhash else 0.0  # of scores that are alike
    assert float(method(case).total) == pytest.approx(formula(u, *given) + label, rel=1e-12)
    expected = slopes(lambda values: formula(values, *given), u)
    np.testing.assert_allclose(gradient(method, case), expected, rtol=1e-6, atol=1e-8)


def test_greedyhash_classifies_signs_and_passes_their_gradient_on() -> None:
    draw = np.random.RandomState(4)
    head = HashHead(6, BITS, CLASSES, seed=3, classifies="codes").double()
    x, labels = draw.standard_normal((M, 6)), np.array([0, 1, 0, 2, 1])
    u, logits = head(torch.from_numpy(x))
    GreedyHash(alpha=0)(Batch(u, logits, torch.from_numpy(labels), u, torch.from_numpy(labels))).total.backward()
    weights = {name: value.detach().numpy() for name, value in head.named_parameters()}
    binary = np.where(x @ weights["hash.weight"].T + weights["hash.bias"] > 0, 1.0, -1.0)
    scores = binary @ weights["classifier.weight"].T + weights["classifier.bias"]
    np.testing.assert_array_equal(logits.detach().numpy(), scores)
    likely = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    of_scores = (likely - np.eye(CLASSES)[labels]) / M
    of_u = of_scores @ weights["classifier.weight"]  # as if the sign were the identity
    np.testing.assert_allclose(head.classifier.weight.grad.numpy(), of_scores.T @ binary, rtol=1e-10)
    np.testing.assert_allclose(head.hash.weight.grad.numpy(), of_u.T @ x, rtol=1e-10)


@pytest.mark.parametrize(("classes", "bits", "least"), [(8, 8, 4), (16, 8, 4), (21, 16, 8), (21, 24, 6), (40, 16, 2)])
def test_centres_are_far_apart_and_drawn_with_the_seed(classes: int, bits: int, least: int) -> None:
    centres = hash_centres(classes, bits, seed=5)
    assert centres.shape == (classes, bits)
    assert set(np.unique(centres)) == {-1, 1}
    apart = (centres[:, None] != centres).sum(2)
    assert apart[~np.eye(classes, dtype=bool)].min() >= least
    np.testing.assert_array_equal(centres, hash_centres(classes, bits, seed=5))
    assert not np.array_equal(centres, hash_centres(classes, bits, seed=6))


def test_csq_labels_by_the_nearest_centre() -> None:
    head = HashHead(BITS, BITS, CLASSES)
    CSQ().prepare(head, seed=2)
    with torch.no_grad():
        head.hash.weight.copy_(torch.eye(BITS))
        head.hash.bias.zero_()
        u = torch.from_numpy(np.random.RandomState(1).standard_normal((30, BITS)).astype(np.float32))
        found = head(u).logits.argmax(1)
    nearest = np.square(u.numpy()[:, None] - CENTRES).sum(2).argmin(1)
    np.testing.assert_array_equal(found.numpy(), nearest)


def test_proxies_learn_at_a_rate_of_their_own() -> None:
    case = batch(class_vectors=torch.from_numpy(PROXIES).requires_grad_())
    ProxyAnchor(alpha=5, delta=0.2)(case).total.backward()

    def moved(proxies: np.ndarray) -> float:
        vectors = torch.from_numpy(proxies)
        return float(ProxyAnchor(alpha=5, delta=0.2)(case._replace(class_vectors=vectors)).total)

    np.testing.assert_allclose(case.class_vectors.grad.numpy(), slopes(moved, PROXIES), rtol=1e-6, atol=1e-8)
    head = HashHead(BITS, BITS, CLASSES)
    ProxyAnchor().prepare(head, seed=1)
    groups = replace(RECIPES["modern"], loss=ProxyAnchor()).make_optimizer(head, None).param_groups
    assert [(len(group["params"]), group["factor"]) for group in groups] == [(2, 1.0), (2, 10.0)]


def test_what_a_model_does_not_give_is_nothing() -> None:
    head = HashHead(BITS, BITS, CLASSES)
    DPSH().prepare(head, seed=0)
    assert not head(torch.ones(1, BITS)).logits.any()


@pytest.mark.parametrize(
    ("method", "settings", "match"),
    [
        (DPSH, {"eta": -1}, "eta: expected a number of at least 0, got -1"),
        (HashNet, {"alpha": float("nan")}, "alpha: expected a number of at least 0, got nan"),
        (CSQ, {"weight": float("inf")}, "weight: expected a number of at least 0, got inf"),
    ],
)
def test_settings_out_of_range(method: type[Method], settings: dict[str, float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        method(**settings)


@pytest.mark.parametrize(
    "name", [name for name, method in METHODS.items() if method.compares == "batch" and name != "proxy-anchor"]
)
def test_a_single_image_has_no_pairs(name: str) -> None:
    case = batch()
    one = case._replace(u=case.u[:1], logits=case.logits[:1], labels=case.labels[:1])
    assert float(METHODS[name]()(one).similarity) == 0
    assert np.isfinite(gradient(METHODS[name](), one)).all()
