"""Scores are scikit-learn's own, out of fold."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss
from sklearn.model_selection import cross_val_predict, cross_validate

from ionprint.models import evaluation
from ionprint.models.folds import plain_folds


@pytest.fixture
def problem(choose, pellets):
    areas, y, _ = pellets(signal=0.06, effect=0.2, peaks=20)
    return choose(), areas, y, plain_folds(y, 5, 0)


def test_scores_are_those_of_scikit_learn(problem):
    pipeline, areas, y, folds = problem
    names = {"accuracy": "accuracy", "f1_macro": "f1_macro", "log_loss": "neg_log_loss"}
    theirs = cross_validate(pipeline, areas, y, cv=folds.splits, scoring=list(names.values()))
    ours = evaluation.cross_validate(pipeline, areas, y, folds)
    assert 0.3 < ours.folds["accuracy"].mean() < 1
    for name, scorer in names.items():
        values = np.abs(theirs[f"test_{scorer}"])
        assert ours.folds[name].to_numpy() == pytest.approx(values)
        assert ours.summary()[name] == pytest.approx(values.mean(), abs=5e-5)
        assert ours.summary()[f"{name}_sd"] == pytest.approx(values.std(ddof=1), abs=5e-5)


def test_probabilities_are_out_of_fold(problem):
    pipeline, areas, y, folds = problem
    ours = evaluation.cross_validate(pipeline, areas, y, folds)
    theirs = cross_val_predict(pipeline, areas, y, cv=folds.splits, method="predict_proba")
    assert ours.probabilities == pytest.approx(theirs)
    for number, (_, test) in enumerate(folds.splits, 1):
        assert (ours.fold[test] == number).all()


def test_the_confusion_counts_every_spectrum(problem):
    pipeline, areas, y, folds = problem
    ours = evaluation.cross_validate(pipeline, areas, y, folds)
    table = evaluation.confusion(y, ours).set_index("compound")
    predicted = ours.classes[ours.probabilities.argmax(axis=1)]
    assert table.to_numpy().tolist() == confusion_matrix(y, predicted).tolist()
    assert list(table.index) == list(table.columns) == list(ours.classes)


def test_a_class_never_predicted_has_its_column():
    y = np.array(["a", "b", "c"])
    probabilities = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    done = evaluation.Evaluation(None, probabilities, np.ones(3), np.unique(y))
    assert evaluation.confusion(y, done)["c"].tolist() == [0, 0, 0]


def test_score_on_a_fold_without_one_class():
    y, classes = np.array(["a", "a", "b"]), np.array(["a", "b", "c"])
    p = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.7, 0.2]])
    predicted = classes[p.argmax(axis=1)]
    got = evaluation.score(y, p, classes)
    assert got["accuracy"] == accuracy_score(y, predicted)
    assert got["f1_macro"] == f1_score(y, predicted, average="macro")
    assert got["log_loss"] == pytest.approx(log_loss(y, p, labels=classes))
    assert got["log_loss"] == pytest.approx(-np.log([0.8, 0.3, 0.7]).mean())
