"""The loss of Song et al. 2021: values by hand, finite differences, the authors' gradient, large numbers."""

from __future__ import annotations

import math

import pytest
import torch

from rsir_fast.hashing import Batch, HashLoss

M, N, BITS, CLASSES = 4, 9, 8, 3


def batch(dtype=torch.float64, scale=1.0):
    draw = torch.Generator().manual_seed(3)
    u, bank = (scale * torch.randn(rows, BITS, generator=draw, dtype=torch.float64) for rows in (M, N))
    logits = torch.randn(M, CLASSES, generator=draw, dtype=torch.float64)
    labels, bank_labels = (torch.randint(CLASSES, (rows,), generator=draw) for rows in (M, N))
    return u.to(dtype), logits.to(dtype), labels, bank.to(dtype), bank_labels


@pytest.mark.parametrize("weighting", ["matlab", "pytorch"])
def test_value_by_hand(weighting):
    u, logits, labels, bank, bank_labels = batch()
    terms = HashLoss(p=5, beta=3, eta=0.3, loss_weighting=weighting)(Batch(u, logits, labels, bank, bank_labels))
    similarity = quantization = label = 0.0
    for i in range(M):
        for j in range(N):
            theta = sum(float(u[i, b] * bank[j, b]) for b in range(BITS)) / 5
            similarity += math.log(1 + math.exp(theta)) - theta * (labels[i] == bank_labels[j]).item()
        quantization += 3 * sum((math.copysign(1, v) - v) ** 2 for v in u[i].tolist())
        label += math.log(sum(math.exp(v) for v in logits[i].tolist())) - float(logits[i, labels[i]])
    similarity, quantization, label = similarity / (M * N), quantization / (M * N), label / M
    weights = (0.3, 0.7) if weighting == "matlab" else (0.7, 0.3)
    total = weights[0] * (similarity + quantization) + weights[1] * label
    for term, expected in zip(terms, (total, similarity, quantization, label), strict=True):
        assert float(term) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weighting", ["matlab", "pytorch"])
def test_gradient_is_that_of_finite_differences(weighting):
    u, logits, labels, bank, bank_labels = batch()
    loss = HashLoss(p=5, beta=3, similarity_gradient="exact", loss_weighting=weighting)
    inputs = (u.requires_grad_(), logits.requires_grad_())
    assert torch.autograd.gradcheck(lambda u, logits: loss(Batch(u, logits, labels, bank, bank_labels)).total, inputs)


def gradient(loss: HashLoss, u, logits, labels, bank, bank_labels):
    u = u.clone().requires_grad_()
    loss(Batch(u, logits, labels, bank, bank_labels)).total.backward()
    return u.grad


def test_the_authors_gradient_is_p_times_the_exact_one_of_a_constant_bank():
    paper, exact = (HashLoss(p=32, beta=0, eta=1, similarity_gradient=g) for g in ("paper-code", "exact"))
    case = batch()
    torch.testing.assert_close(gradient(paper, *case), 32 * gradient(exact, *case), rtol=1e-12, atol=0)
    assert float(paper(Batch(*case)).total) == float(exact(Batch(*case)).total)


def test_the_authors_gradient_is_half_of_p_times_that_of_the_symmetric_sum():
    _, logits, _, u, labels = batch()
    logits = torch.zeros(N, CLASSES, dtype=torch.float64)
    paper = gradient(HashLoss(p=32, beta=0, eta=1), u, logits, labels, u, labels)
    both = u.clone().requires_grad_()
    theta = both @ both.T / 32
    similar = (labels[:, None] == labels).double()
    ((torch.nn.functional.softplus(theta) - similar * theta).sum() / N**2).backward()
    torch.testing.assert_close(paper, 16 * both.grad, rtol=1e-12, atol=0)


def test_only_the_similarity_term_is_steeper():
    case = batch()
    for beta, eta in ((4.0, 1.0), (4.0, 0.2)):
        parts = [
            gradient(HashLoss(beta=b, eta=eta, similarity_gradient=g), *case)
            for b, g in ((beta, "paper-code"), (0.0, "paper-code"), (beta, "exact"), (0.0, "exact"))
        ]
        torch.testing.assert_close(parts[0] - parts[1], parts[2] - parts[3], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("theta", [1e4, -1e4])
def test_large_products_do_not_overflow(theta, dtype):
    u = torch.full((1, 8), 1.0, dtype=dtype, requires_grad=True)
    bank = torch.full((2, 8), theta * 32 / 8, dtype=dtype)
    logits, labels = torch.zeros(1, 2, dtype=dtype), torch.tensor([0, 1])
    terms = HashLoss(beta=0)(Batch(u, logits, labels[:1], bank, labels))
    assert float(terms.similarity) == abs(theta) / 2  # of one pair nothing is lost, of the other all
    terms.total.backward()
    assert torch.isfinite(u.grad).all()


def test_parts_add_up_to_the_batch():
    u, logits, labels, bank, bank_labels = batch()
    loss = HashLoss()
    whole = loss(Batch(u, logits, labels, bank, bank_labels))
    parts = [loss(Batch(u[s], logits[s], labels[s], bank, bank_labels, size=M)) for s in (slice(0, 1), slice(1, M))]
    for term, a, b in zip(whole, *parts, strict=True):
        torch.testing.assert_close(term, a + b, rtol=1e-12, atol=0)


def test_half_precision_is_widened():
    u, logits, labels, bank, bank_labels = batch(torch.bfloat16)
    terms = HashLoss()(Batch(u, logits, labels, bank.float(), bank_labels))
    assert terms.total.dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"p": 0}, "p: expected a number above 0, got 0"),
        ({"beta": -1}, "beta: expected a number of at least 0, got -1"),
        ({"beta": float("nan")}, "beta"),
        ({"eta": 1.5}, "eta: expected 0 to 1, got 1.5"),
        ({"similarity_gradient": "code"}, "expected 'paper-code' or 'exact', got 'code'"),
        ({"loss_weighting": "tf"}, "expected 'matlab' or 'pytorch', got 'tf'"),
    ],
)
def test_settings_out_of_range(settings, match):
    with pytest.raises(ValueError, match=match):
        HashLoss(**settings)
