"""Feature post-processing: identities, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import rsir_fast as rf
from rsir_fast.retrieval import L2, PCA, Center, Power, fit_steps, parse_steps


def some(n: int = 60, dim: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((n, dim)) @ rng.standard_normal((dim, dim))
    return (mixed + rng.standard_normal(dim)).astype(np.float32)


def distances(x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.float64)
    return ((wide[:, None] - wide) ** 2).sum(axis=2)


@pytest.mark.parametrize(("n", "dim"), [(60, 12), (9, 12)])
def test_pca_without_truncation_keeps_distances(n, dim):
    x = some(n, dim)
    fitted = fit_steps([PCA(min(n, dim))], x)
    np.testing.assert_allclose(distances(fitted.transform(x)), distances(x), rtol=1e-4, atol=1e-4)
    assert fitted.figures == {f"1 pca:{min(n, dim)}": {"variance_kept": 1.0}}


def test_pca_is_that_of_a_singular_value_decomposition():
    x = some()
    found = fit_steps("pca:3", x).transform(x)
    centred = x.astype(np.float64) - x.astype(np.float64).mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(found), np.abs(u[:, :3] * s[:3]), rtol=1e-4, atol=1e-5)


def test_few_items_have_the_directions_of_many_dimensions():
    x = some(8, 20)
    more = np.concatenate([x] * 4)  # the same covariance, found the other way
    few, many = (fit_steps("pca:5", database).transform(x) for database in (x, more))
    np.testing.assert_allclose(few, many, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n", "dims"), [(200, 12), (10, 9)])
def test_whitened_features_have_unit_covariance(n, dims):
    x = some(n, 12)
    y = fit_steps([PCA(dims, whiten=True)], x).transform(x).astype(np.float64)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(y.T @ y / n, np.eye(dims), atol=1e-4)


def test_euclidean_distance_of_unit_vectors_ranks_as_the_cosine():
    x = some(seed=3)
    ids = rf.euclidean_topk(*[fit_steps("cosine", x).transform(x)] * 2, k=60)[1]
    wide = x / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    cosine = np.take_along_axis(wide @ wide.T, ids, axis=1)
    assert (np.diff(cosine, axis=1) <= 1e-6).all()
    assert not np.array_equal(ids, rf.euclidean_topk(x, x, k=60)[1])


def test_power_is_signed_and_center_takes_the_mean_of_the_database():
    x = np.array([[-4, 9], [16, 1]], np.float32)
    assert fit_steps("power", x).transform(x).tolist() == [[-2, 3], [4, 1]]
    np.testing.assert_allclose(fit_steps("power:0.25", x).transform(x), [[-(4**0.25), 9**0.25], [2, 1]], rtol=1e-6)
    assert fit_steps("center", x).transform(np.zeros((1, 2), np.float32)).tolist() == [[-6, -5]]


def test_the_order_of_steps_counts():
    x = some()
    one, other = (fit_steps(text, x).transform(x) for text in ("center,l2", "l2,center"))
    assert np.abs(one - other).max() > 0.1


def test_a_vector_of_zeros_stays():
    assert fit_steps("l2", some()).transform(np.zeros((1, 12), np.float32)).tolist() == [[0.0] * 12]


def test_a_row_depends_on_itself_only():
    x = some(300)
    fitted = fit_steps("power,center,l2,whiten:7,l2", x)
    together = fitted.transform(x)
    assert np.array_equal(together, np.concatenate([fitted.transform(row[None]) for row in x]))
    assert np.array_equal(together, fit_steps("power,center,l2,whiten:7,l2", x).transform(x))


def test_text_and_steps_are_the_same():
    assert parse_steps(" power:0.3, center,l2 ,pca:4,whiten:2") == (
        Power(0.3),
        Center(),
        L2(),
        PCA(4),
        PCA(2, whiten=True),
    )
    assert parse_steps(" ") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pca", "expected a number behind the colon, got 'pca'"),
        ("pca:x", "expected a number behind the colon"),
        ("power:0", "expected an exponent over 0, at most 1, got 0"),
        ("power:nan", "expected an exponent"),
        ("whiten:0", "whiten: expected at least 1 dimension"),
        ("l2:3", "expected power"),
        ("l2,,center", "expected power"),
        ("pca:13", "pca:13: expected at most 12 dimensions for 60 items of 12 values"),
        ("l2,pca:4,whiten:5", "whiten:5: expected at most 4 dimensions"),
    ],
)
def test_what_cannot_be_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        fit_steps(text, some())


def test_whitening_refuses_directions_without_variance():
    x = np.concatenate([some(60, 3), some(60, 3)], axis=1)  # 3 dimensions, twice
    with pytest.raises(ValueError, match="whiten:4: expected at most 3 dimensions, as the features vary in no more"):
        fit_steps("whiten:4", x)
    fit_steps("whiten:3", x)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(value):
    x = some()
    x[2, 3] = value
    with pytest.raises(ValueError, match="1 of 60 rows have NaN or infinity"):
        fit_steps("l2", x)


def test_vectors_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"expected feature vectors \[m, 12\]"):
        fit_steps("l2", some()).transform(some(5, 11))
    with pytest.raises(ValueError, match="got no features"):
        fit_steps("l2", np.empty((0, 3), np.float32))
