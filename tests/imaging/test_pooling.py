"""Pixels brought together: no count is lost, and smoothed counts are counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionprint.imaging.pooling import binning, reach, smoothing

WHOLE = slice(None)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    bins=st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 4)),
    seed=st.integers(0, 99),
)
def test_binning_sums_each_pixel_once(size, bins, seed):
    counts = np.random.default_rng(seed).poisson(3.0, (*size, 2))
    found = binning(size, bins) @ counts.reshape(-1, 2)
    shape = [-(-n // step) for n, step in zip(size, bins, strict=True)]
    expected = np.zeros((*shape, 2))
    for place in np.ndindex(*size):
        expected[tuple(p // step for p, step in zip(place, bins, strict=True))] += counts[place]
    assert (found.reshape(expected.shape) == expected).all()
    assert found.sum() == counts.sum()


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_smoothed_poisson_counts_scatter_as_so_many_counts(sigma):
    size, mean = (160, 160), 6.0
    counts = np.random.default_rng(1).poisson(mean, size[0] * size[1]).astype(float)
    kernel = smoothing((WHOLE, WHOLE), size, sigma)
    found = (kernel @ counts).reshape(size)
    edge = reach(sigma)
    # only pixels that share nothing are drawn apart
    alone = found[edge:-edge:2, edge:-edge:2]
    gain = kernel.sum(axis=1).reshape(size)[80, 80]
    assert alone.mean() == pytest.approx(gain * mean, rel=0.02)
    assert alone.var() / alone.mean() == pytest.approx(1, abs=0.25)
    # of a wide Gaussian as many pixels as its area
    if sigma > 1:
        assert gain == pytest.approx(4 * np.pi * sigma**2, rel=0.02)


@pytest.mark.parametrize("sigma", [0.7, 2.0])
def test_at_the_edge_of_the_image_mean_and_variance_are_alike_too(sigma):
    kernel = smoothing((WHOLE, WHOLE), (9, 12), sigma)
    mean, variance = kernel.sum(axis=1), (kernel.multiply(kernel)).sum(axis=1)
    assert mean == pytest.approx(variance, rel=1e-5)
    assert mean.min() >= 1 and mean[0] == pytest.approx(mean.min()) and mean[0] < mean.max()


def test_a_narrow_gaussian_leaves_counts_alone():
    kernel = smoothing((WHOLE, WHOLE), (4, 5), 0.05)
    assert (kernel.toarray() == np.eye(20)).all()


@settings(max_examples=40, deadline=None)
@given(
    sigma=st.floats(0.1, 2.0),
    rows=st.tuples(st.integers(0, 14), st.integers(1, 6)),
    columns=st.tuples(st.integers(0, 14), st.integers(1, 6)),
)
def test_a_piece_with_its_surroundings_is_smoothed_as_the_whole_image(sigma, rows, columns):
    counts = np.random.default_rng(3).poisson(4.0, (20, 20)).astype(float)
    whole = (smoothing((WHOLE, WHOLE), (20, 20), sigma) @ counts.ravel()).reshape(20, 20)
    inside, wide = [], []
    for first, number in (rows, columns):
        start = max(first - reach(sigma), 0)
        wide.append(slice(start, min(first + number + reach(sigma), 20)))
        inside.append(slice(first - start, first + number - start))
    around = counts[tuple(wide)]
    found = smoothing(tuple(inside), around.shape, sigma) @ around.ravel()
    own = slice(rows[0], sum(rows)), slice(columns[0], sum(columns))
    assert found == pytest.approx(whole[own].ravel(), rel=1e-5)
