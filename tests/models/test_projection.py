import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ionprint.errors import DataError
from ionprint.models.projection import (
    decision_map,
    fit_projection,
    scaled_by,
    strongest_loadings,
    window,
)


@pytest.fixture(scope="module")
def cloud():
    """Spectra that vary by 5, 2 and 1 along three peaks, around 10."""
    rng = np.random.default_rng(0)
    return 10 + rng.normal(size=(60, 4)) * [5.0, 2.0, 1.0, 0.0]


def test_components_are_those_of_the_variance(cloud):
    found = fit_projection(cloud)
    variances = cloud.var(axis=0, ddof=1)
    assert found.shares.sum() == pytest.approx(1.0)
    assert found.shares == pytest.approx(np.sort(variances)[:0:-1] / variances.sum(), rel=0.05)
    assert np.abs(found.loadings).argmax(axis=1).tolist() == [0, 1, 2]
    assert found.loadings @ found.loadings.T == pytest.approx(np.eye(3))


def test_signs_are_fixed(cloud):
    first, mirrored = fit_projection(cloud), fit_projection(-cloud)
    assert (first.loadings.max(axis=1) == np.abs(first.loadings).max(axis=1)).all()
    assert mirrored.loadings == pytest.approx(first.loadings)


def test_scores_go_back_to_spectra(cloud):
    found = fit_projection(cloud)
    scores = found.scores(cloud)
    assert scores.mean(axis=0) == pytest.approx(np.zeros(3))
    assert found.restored(scores, (1, 2, 3)) == pytest.approx(cloud)
    # other components at 0
    alone = found.scores(found.restored(scores[:, [1, 2]], (2, 3)))
    assert alone == pytest.approx(scores * [0, 1, 1])


def test_components_are_limited_by_the_data(cloud):
    assert len(fit_projection(cloud[:3]).shares) == 2
    assert len(fit_projection(cloud, most=9).shares) == 4
    with pytest.raises(DataError, match="need 3 reference spectra, there are 2"):
        fit_projection(cloud[:2])
    with pytest.raises(DataError, match="all reference spectra are the same"):
        fit_projection(np.ones((5, 4)))


def test_map_is_what_the_classifier_says_there(cloud):
    found = fit_projection(cloud)
    y = np.where(cloud[:, 0] > 10, "LiH", "Li2O")
    classifier = LogisticRegression().fit(cloud, y)
    across, up, probability = decision_map(
        found, classifier, "LiH", (1, 2), ((-8.0, 8.0), (-4.0, 4.0)), steps=11
    )
    assert (across[0], across[-1], up[0], up[-1]) == (-8.0, 8.0, -4.0, 4.0)
    spectrum = found.restored(np.array([[across[7], up[2]]]), (1, 2))
    assert probability[2, 7] == pytest.approx(classifier.predict_proba(spectrum)[0, 1])
    assert probability[5, -1] > 0.9 and probability[5, 0] < 0.1
    with pytest.raises(DataError, match="knows no 'Li3N'; it knows Li2O, LiH"):
        decision_map(found, classifier, "Li3N", (1, 2), ((-1, 1), (-1, 1)))


def test_every_model_has_a_map(each_model, choose_parts, pellets):
    areas, y, _ = pellets(1.0, 0.1, classes=3, per_class=2, peaks=30)
    pipeline = choose_parts(model=each_model).fit(areas, y)
    found = fit_projection(scaled_by(pipeline, areas))
    ends = ((-9.0, 9.0), (-9.0, 9.0))
    _, _, probability = decision_map(found, pipeline[-1], "c1", (1, 2), ends, steps=4)
    assert probability.shape == (4, 4)
    assert ((probability >= 0) & (probability <= 1)).all()


def test_every_scaling_can_be_projected(each_scaling, choose_parts, pellets):
    areas, y, _ = pellets(1.0, 0.1, classes=3, per_class=2, peaks=30)
    pipeline = choose_parts(scaling=each_scaling).fit(areas, y)
    assert fit_projection(scaled_by(pipeline, areas)).shares.size == 3


def test_one_far_sample_does_not_shrink_the_references():
    low, high = window(np.array([0.0, 1.0]), np.array([0.5, 400.0]))
    assert low == pytest.approx(-0.16) and high == pytest.approx(2.16)
    assert window(np.array([0.0, 1.0]), np.array([])) == pytest.approx((-0.08, 1.08))


def test_loadings_stand_beside_the_weights(cloud):
    mz = np.array([7.0165, 12.0005, 15.9955, 17.0033])
    ranking = pd.DataFrame(
        [
            (name, at, ion, weight if name == "LiH" else -weight)
            for name in ("LiH", "Li2O")
            for at, ion, weight in zip(mz, ["Li", "C", "O", ""], [1.0, -2.0, 3.0, 0.0], strict=True)
        ],
        columns=["compound", "mz", "ion", "weight"],
    )
    table = strongest_loadings(fit_projection(cloud), mz, ranking, first=2)
    assert table["component"].tolist() == [1, 1, 2, 2, 3, 3]
    first = table.groupby("component").head(1)
    assert first["ion"].tolist() == ["Li", "C", "O"]
    assert first["strongest"].tolist() == ["LiH", "Li2O", "LiH"]
    assert first["w_LiH"].tolist() == [1.0, -2.0, 3.0]
    sizes = table["loading"].abs()
    assert (sizes[::2].to_numpy() >= sizes[1::2].to_numpy()).all()
