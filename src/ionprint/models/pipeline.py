"""The pipeline that learns from data: normalise, scale, classify; refitted whole in every fold."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from sklearn.pipeline import Pipeline

from ionprint.errors import ConfigError, IonprintError


def build(
    normalisation: Mapping,
    scaling: Mapping,
    model: Mapping,
    params: Mapping[str, Any] | None = None,
) -> Pipeline:
    """Build the pipeline that the configuration chooses.

    Parameters
    ----------
    normalisation, scaling : mapping
        As in conf/normalisation and conf/scaling: `name`, `transformer` with `_target_`.
    model : mapping
        As in conf/model: `name`, `estimator` with `_target_`.
    params : mapping, optional
        Tuned hyperparameters of the estimator.

    Returns
    -------
    sklearn.pipeline.Pipeline
        With the steps `normalise`, `scale` and `classify`.

    Raises
    ------
    ConfigError
        A `_target_` cannot be made, or a hyperparameter is not one of the estimator's.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        steps = [
            ("normalise", instantiate(normalisation["transformer"])),
            ("scale", instantiate(scaling["transformer"])),
            ("classify", instantiate(model["estimator"])),
        ]
    except InstantiationException as exc:
        raise ConfigError(str(exc).splitlines()[0]) from exc
    pipeline = Pipeline(steps)
    try:
        pipeline[-1].set_params(**(params or {}))
    except ValueError as exc:
        raise ConfigError(f"model {model['name']}: {exc}") from exc
    return pipeline


@contextlib.contextmanager
def fitting() -> Iterator[list]:
    """Collect the solver's convergence warnings, and say whose fault a refused fit is.

    Yields
    ------
    list
        One entry for each fit that stopped before it converged.

    Raises
    ------
    ConfigError
        scikit-learn refuses to fit with the settings it was given.
    """
    from sklearn.exceptions import ConvergenceWarning

    stopped: list = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield stopped
        except IonprintError:
            raise
        except ValueError as exc:
            raise ConfigError(
                f"the model cannot be fitted: {str(exc).splitlines()[0]} Check the settings of "
                f"model, scaling and normalisation."
            ) from exc
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            stopped.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
