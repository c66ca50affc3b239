"""What a model may be made of: the estimators and transformers of `conf/`, a closed list.

Settings may come from a model, a registry or a run, and a setting that could name anything could
run anything. So a name is looked up here, never imported.
"""

from collections.abc import Mapping
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from ionprint.config import near
from ionprint.errors import ConfigError
from ionprint.models.normalisation import (
    PerDose,
    ProbabilisticQuotient,
    SumOfPeaks,
    TotalCounts,
)
from ionprint.models.pls import PLSDiscriminant
from ionprint.models.scaling import Log, Pareto, Poisson, Robust, SquareRoot

TARGET = "_target_"
SCALARS = (bool, int, float, str, type(None))
"""What a hyperparameter may be."""
CLASSIFIERS: dict[str, type] = {
    "ionprint.models.pls.PLSDiscriminant": PLSDiscriminant,
    "sklearn.calibration.CalibratedClassifierCV": CalibratedClassifierCV,
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": LinearDiscriminantAnalysis,
    "sklearn.dummy.DummyClassifier": DummyClassifier,
    "sklearn.ensemble.GradientBoostingClassifier": GradientBoostingClassifier,
    "sklearn.ensemble.RandomForestClassifier": RandomForestClassifier,
    "sklearn.linear_model.LogisticRegression": LogisticRegression,
    "sklearn.naive_bayes.GaussianNB": GaussianNB,
    "sklearn.neighbors.KNeighborsClassifier": KNeighborsClassifier,
    "sklearn.neural_network.MLPClassifier": MLPClassifier,
    "sklearn.svm.LinearSVC": LinearSVC,
    "sklearn.svm.SVC": SVC,
    "sklearn.tree.DecisionTreeClassifier": DecisionTreeClassifier,
}
TRANSFORMERS: dict[str, type] = {
    "ionprint.models.normalisation.PerDose": PerDose,
    "ionprint.models.normalisation.ProbabilisticQuotient": ProbabilisticQuotient,
    "ionprint.models.normalisation.SumOfPeaks": SumOfPeaks,
    "ionprint.models.normalisation.TotalCounts": TotalCounts,
    "ionprint.models.scaling.Log": Log,
    "ionprint.models.scaling.Pareto": Pareto,
    "ionprint.models.scaling.Poisson": Poisson,
    "ionprint.models.scaling.Robust": Robust,
    "ionprint.models.scaling.SquareRoot": SquareRoot,
    "sklearn.preprocessing.FunctionTransformer": FunctionTransformer,
    "sklearn.preprocessing.MaxAbsScaler": MaxAbsScaler,
    "sklearn.preprocessing.MinMaxScaler": MinMaxScaler,
    "sklearn.preprocessing.StandardScaler": StandardScaler,
}
STEPS = {"normalise": TRANSFORMERS, "scale": TRANSFORMERS, "classify": CLASSIFIERS}
"""What each step of a pipeline may be."""
TYPES = [
    *(f"{part.__module__}.{part.__qualname__}" for part in TRANSFORMERS.values()),
    *(f"{part.__module__}.{part.__qualname__}" for part in CLASSIFIERS.values()),
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
]
"""Types that a stored pipeline may hold beyond those that skops trusts by itself."""


def made(part: Mapping[str, Any], allowed: Mapping[str, type]) -> Any:
    """Make what a part of the configuration names, and what is named within it.

    Parameters
    ----------
    part : mapping
        `_target_`, and the arguments by name: plain values, or parts that are classifiers.
    allowed : mapping of str to type
        What it may name.

    Raises
    ------
    ConfigError
        It names what is not on the list, or has arguments that this does not take.
    """
    target = part.get(TARGET)
    if target not in allowed:
        raise ConfigError(
            f"{TARGET} is {str(target)[:100]!r}.{near(str(target), list(allowed))} Known: "
            f"{', '.join(allowed)}. Others are added in ionprint/models/parts.py"
        )
    given = {}
    for name, value in part.items():
        if name == TARGET:
            continue
        if str(name).startswith("_"):
            raise ConfigError(f"{target}: {name} is no argument of it")
        given[name] = made(value, CLASSIFIERS) if isinstance(value, Mapping) else value
    try:
        return allowed[target](**given)
    except TypeError as exc:
        raise ConfigError(f"{target}: {exc}") from exc
