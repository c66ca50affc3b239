"""Views that know no model, and maps made small, of hand-made stores."""

import numpy as np
import pytest
import zarr

from ionprint.imaging.maps import FEW, READ, UNREAD
from ionprint.imaging.views import shrunk, together, views_of

N_PEAKS = 40


@pytest.fixture
def store(tmp_path):
    return zarr.create_group(tmp_path / "maps.zarr")


def with_overview(store, counts):
    """Keep counts, shape (layers, rows, columns, peaks), in small chunks."""
    chunks = (1, 8, 8, counts.shape[-1])
    array = store.create_array("overview", shape=counts.shape, chunks=chunks, dtype="float32")
    array[...] = counts
    return store


@pytest.fixture
def two_phases():
    """A square of one phase in another, with Poisson counts: counts and where the square is."""
    rng = np.random.default_rng(0)
    square = np.zeros((32, 24), bool)
    square[6:20, 5:15] = True
    base, island = rng.gamma(0.5, size=(2, N_PEAKS))
    base[3], island[3] = 20.0, 20.0  # strong in both, so it tells nothing
    base[[7, 9]], island[[7, 9]] = 0.02, 1.5
    mean = np.where(square[..., None], island, base)
    return rng.poisson(np.broadcast_to(mean / 2, (2, *mean.shape))), square


def test_a_phase_shows_by_itself_with_its_ions(store, two_phases):
    counts, square = two_phases
    for view in views_of(with_overview(store, counts), 2, 1):
        best = max(
            range(2),
            key=lambda n: abs(np.corrcoef(view.scores[..., n].ravel(), square.ravel())[0, 1]),
        )
        scores = view.scores[..., best]
        inside, outside = scores[square], scores[~square]
        apart = np.abs(inside.mean() - outside.mean())
        assert apart > 3 * (inside.std() + outside.std()) / 2
        assert {7, 9} & set(view.strongest(best, 4))
        assert view.strongest(best, 2) != [3]


def test_factors_are_counts_and_components_have_a_fixed_sign(store, two_phases):
    counts, _ = two_phases
    pca, nmf = views_of(with_overview(store, counts), 3, 1)
    assert (pca.method, nmf.method) == ("PCA", "NMF")
    found = nmf.scores @ nmf.loadings
    assert np.abs(found.sum() / counts.sum() - 1) < 0.1
    assert nmf.loadings.sum(axis=1) == pytest.approx(1)
    assert nmf.share.sum() == pytest.approx(1) and (np.diff(nmf.share) <= 0).all()
    most = np.abs(pca.loadings).argmax(axis=1)
    assert (pca.loadings[range(3), most] > 0).all()
    assert np.linalg.norm(pca.loadings, axis=1) == pytest.approx(1)


def test_the_same_seed_gives_the_same_views(store, two_phases):
    with_overview(store, two_phases[0])
    for one, other in zip(views_of(store, 3, 5), views_of(store, 3, 5), strict=True):
        assert np.array_equal(one.scores, other.scores)
        assert np.array_equal(one.loadings, other.loadings)


def test_pixels_without_counts_are_left_out(store, two_phases):
    counts = two_phases[0].astype(float)
    counts[:, :4] = 0
    counts[0, 30:] = np.nan  # a block that was not read in this layer
    counts[..., 5] = 0
    counts[0, 8, 8, 11] = -0.5  # where peaks overlap
    for view in views_of(with_overview(store, counts), 2, 1):
        assert np.isnan(view.scores[:4]).all() and not np.isnan(view.scores[4:]).any()
        assert (view.loadings[:, 5] == 0).all()


def test_where_there_is_next_to_nothing_there_are_fewer_views_or_none(store, tmp_path):
    counts = np.zeros((1, 3, 3, N_PEAKS))
    assert views_of(with_overview(store, counts), 4, 1) == []
    counts[0, 0, 0, :3] = counts[0, 1, 1, 1:5] = counts[0, 2, 2, 4] = 5
    views = views_of(with_overview(zarr.create_group(tmp_path / "few.zarr"), counts), 4, 1)
    assert [view.scores.shape for view in views] == [(3, 3, 2)] * 2
    assert views_of(store, 0, 1) == []


def test_together_is_the_mean_of_what_is_known(store):
    rng = np.random.default_rng(2)
    values = rng.random((2, 21, 10, 3)).astype("float32")
    values[1, :5, :3] = np.nan
    array = store.create_array("fraction", shape=values.shape, chunks=(1, 4, 4, 3), dtype="f4")
    array[...] = values
    found = shrunk(store, "fraction", 1, 4)
    assert found.shape == (6, 3, 3)
    assert found[1, 0] == pytest.approx(np.nanmean(values[1, 4:8, :4], axis=(0, 1)), rel=1e-6)
    assert found[5, 2] == pytest.approx(values[1, 20:, 8:].mean(axis=(0, 1)), rel=1e-6)
    assert np.isnan(together(values[1], 3)[0, 0]).all()
    assert shrunk(store, "fraction", 0, 1) == pytest.approx(values[0])


def test_together_pixels_are_as_good_as_the_best_of_them(store):
    state = np.full((1, 4, 6), UNREAD, "uint8")
    state[0, 0, 0], state[0, 1, 1], state[0, 0, 2] = FEW, READ, FEW
    array = store.create_array("state", shape=state.shape, chunks=(1, 2, 2), dtype="uint8")
    array[...] = state
    assert shrunk(store, "state", 0, 2).tolist() == [[READ, FEW, UNREAD], [UNREAD] * 3]
