"""Whether a stored pipeline can be what was fitted: its parts, sizes, indices and numbers.

Compiled code of scikit-learn follows the indices of a stored model without looking: one that points
outside its arrays ends the process, or reads what lies there. skops checks types alone.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV, _CalibratedClassifier, _SigmoidCalibration
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, LabelBinarizer
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.tree._tree import Tree

from ionprint.errors import UnsoundError
from ionprint.models.parts import CLASSIFIERS, STEPS, TRANSFORMERS

WITHIN = (
    *CLASSIFIERS.values(),
    *TRANSFORMERS.values(),
    *(Pipeline, LabelBinarizer, DecisionTreeRegressor, Tree, np.random.RandomState),
    *(_CalibratedClassifier, _SigmoidCalibration),
)
"""Whatever may be met within a pipeline, beside plain values and arrays."""
LOSSES = "sklearn._loss."
"""Loss functions that boosting keeps: of these skops trusts a closed list, and none holds data."""
DEEPEST = 20
"""Objects within one another; a calibrated support vector machine takes six."""
LEAF = -1
ONE = 1e-6
"""What probabilities may miss 1 by."""


def refuse_unsound(pipeline: Pipeline, n_inputs: int) -> None:
    """Raise UnsoundError where a pipeline cannot be one that was fitted here.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    n_inputs : int
        Columns that it is to read.

    Raises
    ------
    UnsoundError
        It has other steps or parts than are on the list, an index or a size that does not fit, a
        number that is none; or it gives no probabilities.
    """
    steps = pipeline.steps
    names = [step[0] for step in steps]
    if names != list(STEPS) or pipeline.memory is not None:
        raise UnsoundError(f"its steps are {names}, expected {list(STEPS)}, and no memory")
    for name, part in steps:
        if type(part) not in STEPS[name].values():
            raise UnsoundError(f"its step {name!r} is {_name(part)}, which is not on the list")
    _walk(pipeline, "pipeline", 0)
    classes = pipeline.classes_
    if classes.ndim != 1 or classes.size < 2 or np.unique(classes).size != classes.size:
        raise UnsoundError(f"its classes are {classes.tolist()[:10]}, expected two or more")
    # a spectrum with a count in each peak: whatever else does not agree ends in an exception here
    try:
        with np.errstate(all="ignore"):
            chances = pipeline.predict_proba(np.ones((2, n_inputs)))
    except Exception as exc:
        raise UnsoundError(f"it cannot be asked: {exc}") from exc
    if chances.shape != (2, classes.size) or not np.allclose(chances.sum(axis=1), 1, atol=ONE):
        raise UnsoundError(f"it gives {chances.tolist()} for two spectra, expected probabilities")


def _walk(value: Any, where: str, depth: int) -> None:
    """Look at all that a pipeline holds."""
    if depth > DEEPEST:
        raise UnsoundError(f"{where}: too deep")
    if isinstance(value, np.ndarray) and type(value) is np.ndarray:
        if value.dtype.kind == "O":
            for item in value.ravel():
                _walk(item, where, depth + 1)
        elif value.dtype.kind == "f" and np.isnan(value).any():
            raise UnsoundError(f"{where} holds what is no number")
        elif value.dtype.kind not in "fiubU":
            raise UnsoundError(f"{where} is an array of {value.dtype}")
        return
    if value is None or type(value) in (bool, int, float, str) or isinstance(value, np.generic):
        if value != value:
            raise UnsoundError(f"{where} is no number")
    elif type(value) in (list, tuple, set):
        for item in value:
            _walk(item, where, depth + 1)
    elif type(value) is dict:
        for key, item in value.items():
            _walk(item, f"{where}.{key}", depth + 1)
    elif type(value) in WITHIN:
        if (check := CHECKS.get(type(value))) and not _unfitted(value):
            _fitting(check, value, where)
        for key, item in getattr(value, "__dict__", {}).items():
            _walk(item, f"{where}.{key}", depth + 1)
    elif not type(value).__module__.startswith(LOSSES):
        raise UnsoundError(f"{where} is {_name(value)}, which is not on the list")


def _unfitted(estimator: Any) -> bool:
    """Tell whether it holds settings alone, as the pattern of the parts of an ensemble does."""
    fresh = type(estimator)(**estimator.get_params(deep=False))
    return set(vars(estimator)) <= set(vars(fresh))


def _fitting(check: Any, value: Any, where: str) -> None:
    try:
        check(value)
    except UnsoundError as exc:
        raise UnsoundError(f"{where}: {exc}") from exc
    except (AttributeError, TypeError, ValueError, IndexError) as exc:
        raise UnsoundError(f"{where} is not what was fitted: {exc}") from exc


def _name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _must(true: Any, what: str) -> None:
    if not true:
        raise UnsoundError(what)


def _whole(values: Any, size: int, low: int, high: int, what: str) -> np.ndarray:
    """Return whole numbers, so many of them, from `low` up to but not `high`."""
    found = np.asarray(values)
    _must(found.dtype.kind in "iu" and found.shape == (size,), f"{what}: expected {size} numbers")
    _must(
        not size or (found.min() >= low and found.max() < high),
        f"{what}: expected {low} to {high - 1}",
    )
    return found


# ---- trees: nodes point at nodes, at features and at values


@contextlib.contextmanager
def sound_trees() -> Iterator[None]:
    """Let skops make no tree within the block whose indices lead out of it.

    A tree takes sizes from the file before it could be looked at, so the file's values are looked
    at before there is a tree.
    """
    from skops.io import _audit, _sklearn

    key = ("TreeNode", _sklearn.PROTOCOL)
    before = _audit.NODE_TYPE_MAPPING[key]

    class SoundTree(before):
        def _construct(self) -> Any:
            refuse_unsound_tree(self.args.construct(), self.attrs.construct())
            return super()._construct()

    _audit.NODE_TYPE_MAPPING[key] = SoundTree
    try:
        yield
    finally:
        _audit.NODE_TYPE_MAPPING[key] = before


def refuse_unsound_tree(args: Any, state: Any) -> None:
    """Raise UnsoundError where a stored tree cannot be followed from its root to a leaf.

    Parameters
    ----------
    args : tuple
        Number of features, of classes of each output, of outputs.
    state : dict
        max_depth, node_count, nodes, values.
    """
    try:
        n_features, n_classes, n_outputs = args
        nodes, values, count = state["nodes"], state["values"], state["node_count"]
        left, right, feature = (nodes[k] for k in ("left_child", "right_child", "feature"))
        numbers = (n_features, n_outputs, count, state["max_depth"])
        kinds = [isinstance(n, (int, np.integer)) for n in numbers]
        n_classes = np.asarray(n_classes)
    except (TypeError, ValueError, KeyError, IndexError) as exc:
        raise UnsoundError(f"a tree is damaged: {exc}") from exc
    _must(all(kinds) and n_features > 0 and state["max_depth"] >= 0, "a tree's sizes are no sizes")
    _must(n_outputs == 1, f"a tree of {n_outputs} outputs, expected 1")
    _must(n_classes.dtype == np.intp and n_classes.shape == (1,), "a tree's classes are no number")
    _must(0 < n_classes[0] < 1 << 16, f"a tree of {n_classes[0]} classes")
    _must(nodes.ndim == 1 and count == nodes.size > 0, f"a tree of {count} nodes has {nodes.shape}")
    _must(
        values.dtype == np.float64 and values.shape == (count, 1, n_classes[0]),
        f"a tree's values are of shape {values.shape}, expected ({count}, 1, {n_classes[0]})",
    )
    _must(np.isfinite(values).all(), "a tree's values are no numbers")
    at, leaf = np.arange(count), left == LEAF
    _must((leaf == (right == LEAF)).all(), "a tree's node has one branch alone")
    # children stand behind their node, so each step leads on and the way ends
    inner = ~leaf
    for child in (left[inner], right[inner]):
        _must(((child > at[inner]) & (child < count)).all(), "a tree's node leads out of the tree")
    _must(
        ((feature[inner] >= 0) & (feature[inner] < n_features)).all(),
        f"a tree's node asks for a feature beyond {n_features}",
    )
    _must(not np.isnan(nodes["threshold"]).any(), "a tree's threshold is no number")


def _tree(estimator: DecisionTreeClassifier | DecisionTreeRegressor) -> None:
    tree = estimator.tree_
    _must(type(tree) is Tree, "its tree is none")
    _must(tree.n_features == estimator.n_features_in_, "its tree reads other features")
    refuse_unsound_tree((tree.n_features, tree.n_classes, tree.n_outputs), tree.__getstate__())
    classes = len(estimator.classes_) if isinstance(estimator, DecisionTreeClassifier) else 1
    _must(tree.n_classes[0] == classes, f"its tree knows {tree.n_classes[0]} of {classes} classes")


def _forest(forest: RandomForestClassifier) -> None:
    trees = forest.estimators_
    _must(type(trees) is list and trees, "it has no trees")
    for tree in trees:
        _must(type(tree) is DecisionTreeClassifier, "a tree of it is none")
        _must(tree.n_features_in_ == forest.n_features_in_, "a tree of it reads other features")
        _must(len(tree.classes_) == len(forest.classes_), "a tree of it knows other classes")


def _boosting(boosted: GradientBoostingClassifier) -> None:
    trees, classes = boosted.estimators_, len(boosted.classes_)
    each = 1 if classes == 2 else classes
    _must(
        isinstance(trees, np.ndarray) and trees.ndim == 2 and trees.shape[1] == each,
        f"its trees are {np.shape(trees)}, expected {each} a step",
    )
    _must(boosted.n_trees_per_iteration_ == each, "its steps are of another number of trees")
    for tree in trees.ravel():
        _must(type(tree) is DecisionTreeRegressor, "a tree of it is none")
        _must(tree.n_features_in_ == boosted.n_features_in_, "a tree of it reads other features")


def _vectors(svc: SVC) -> None:
    """Check a support vector machine: libsvm takes sizes and places from its arrays."""
    vectors, classes = svc.support_vectors_, len(svc.classes_)
    n, features = vectors.shape
    _must(svc.kernel in ("rbf", "linear", "poly", "sigmoid"), f"its kernel is {svc.kernel!r}")
    _must(
        svc._sparse is False and svc.probability in (False, "deprecated"), "it is of another kind"
    )
    _must(features == svc.n_features_in_, "its vectors have other features")
    _must(classes >= 2, "it knows one class")
    pairs = classes * (classes - 1) // 2
    each = _whole(svc._n_support, classes, 0, n + 1, "support vectors of a class")
    _must(each.sum() == n and n > 0, f"{each.sum()} support vectors of {n}")
    _whole(svc.support_, n, 0, 1 << 31, "places of support vectors")
    for name, shape in (("dual_coef_", (classes - 1, n)), ("_dual_coef_", (classes - 1, n))):
        _must(getattr(svc, name).shape == shape, f"{name}: expected {shape}")
    for name in ("intercept_", "_intercept_"):
        _must(getattr(svc, name).shape == (pairs,), f"{name}: expected {pairs} numbers")
    for name in ("_probA", "_probB"):
        _must(getattr(svc, name).size == 0, f"{name}: expected none")
    floats = ("support_vectors_", "dual_coef_", "_dual_coef_", "intercept_", "_intercept_")
    for name in floats:
        values = getattr(svc, name)
        _must(values.dtype == np.float64 and np.isfinite(values).all(), f"{name}: no numbers")
    _must(np.isfinite(svc._gamma) and svc._gamma >= 0, "its gamma is no number")


def _neighbours(knn: KNeighborsClassifier) -> None:
    known, classes = knn._fit_X, len(knn.classes_)
    _must(knn._fit_method == "brute" and knn._tree is None, "it searches in another way")
    _must(knn.metric in ("euclidean", "manhattan", "cosine"), f"its metric is {knn.metric!r}")
    _must(knn.effective_metric_ == knn.metric and not knn.effective_metric_params_, "its metric")
    _must(knn.weights in ("uniform", "distance"), f"its weights are {knn.weights!r}")
    _must(known.dtype == np.float64 and known.ndim == 2, "its spectra are no numbers")
    _must(np.isfinite(known).all() and len(known) == knn.n_samples_fit_, "its spectra do not agree")
    _must(known.shape[1] == knn.n_features_in_, "its spectra have other features")
    _must(1 <= knn.n_neighbors <= len(known), f"{knn.n_neighbors} neighbours of {len(known)}")
    _must(knn.outputs_2d_ is False, "it has several outputs")
    _whole(knn._y, len(known), 0, classes, "classes of its spectra")


def _calibrated(model: CalibratedClassifierCV) -> None:
    _must(type(model.estimator) in CLASSIFIERS.values(), "what it calibrates is not on the list")
    for part in model.calibrated_classifiers_:
        _must(type(part) is _CalibratedClassifier, "a part of it is none")
        _must(type(part.estimator) is type(model.estimator), "a part of it is of another kind")
        _must(all(type(one) is _SigmoidCalibration for one in part.calibrators), "its calibration")


def _function(transformer: FunctionTransformer) -> None:
    _must(transformer.func is None and transformer.inverse_func is None, "it has a function")


CHECKS = {
    CalibratedClassifierCV: _calibrated,
    DecisionTreeClassifier: _tree,
    DecisionTreeRegressor: _tree,
    FunctionTransformer: _function,
    GradientBoostingClassifier: _boosting,
    KNeighborsClassifier: _neighbours,
    RandomForestClassifier: _forest,
    SVC: _vectors,
}
"""Of what compiled code follows; arrays alone are asked once, by numpy, which looks itself."""
