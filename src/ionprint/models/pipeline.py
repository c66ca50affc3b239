"""The pipeline that learns from data: normalise, scale, classify; refitted whole in every fold."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.pipeline import Pipeline

from ionprint.errors import ConfigError, IonprintError
from ionprint.models.normalisation import PerDose, nearest_peaks
from ionprint.models.parts import SCALARS, STEPS, made


def build(
    normalisation: Mapping,
    scaling: Mapping,
    model: Mapping,
    params: Mapping[str, Any] | None = None,
    mz: np.ndarray | None = None,
    charge: int = -1,
) -> Pipeline:
    """Build the pipeline that the configuration chooses.

    Parameters
    ----------
    normalisation, scaling : mapping
        As in conf/normalisation and conf/scaling: `name`, `transformer` with `_target_`; a
        normalisation may have `ions` to divide by, or the `column` that primary ions stand in.
    model : mapping
        As in conf/model: `name`, `estimator` with `_target_`.
    params : mapping, optional
        Tuned hyperparameters of the estimator.
    mz : ndarray, shape (n_peaks,), optional
        m/z of the peaks (u); needed where ions are named.
    charge : int
        Of the named ions, -1 or +1.

    Returns
    -------
    sklearn.pipeline.Pipeline
        With the steps `normalise`, `scale` and `classify`.

    Raises
    ------
    ConfigError
        A `_target_` cannot be made, a hyperparameter is not one of the estimator's, a named ion has
        no peak, or ions or column do not go with the normalisation.
    """
    chosen = {
        "normalise": ("normalisation", normalisation, normalisation["transformer"]),
        "scale": ("scaling", scaling, scaling["transformer"]),
        "classify": ("model", model, model["estimator"]),
    }
    steps = []
    for step, (group, choice, part) in chosen.items():
        try:
            steps.append((step, made(plain(part), STEPS[step])))
        except ConfigError as exc:
            raise ConfigError(f"{group}={choice['name']} cannot be made: {exc}") from exc
    _complete(steps[0][1], normalisation, mz, charge)
    pipeline = Pipeline(steps)
    tuned = plain(params or {})
    if odd := [name for name, value in tuned.items() if not isinstance(value, SCALARS)]:
        raise ConfigError(f"model {model['name']}: {odd[0]} is no plain value: {tuned[odd[0]]!r}")
    try:
        pipeline[-1].set_params(**tuned)
    except ValueError as exc:
        raise ConfigError(f"model {model['name']}: {exc}") from exc
    return pipeline


def plain(part: Any) -> Any:
    """Return a part of a composed configuration as plain values."""
    from omegaconf import OmegaConf

    return OmegaConf.to_container(part, resolve=True) if OmegaConf.is_config(part) else part


def _complete(
    normaliser: TransformerMixin, chosen: Mapping, mz: np.ndarray | None, charge: int
) -> None:
    """Tell the normaliser which peaks it divides by; refuse settings it would not heed."""
    name, ions, column = chosen["name"], chosen.get("ions"), chosen.get("column")
    by_peaks = "peaks" in normaliser.get_params()
    if ions is not None and not by_peaks:
        raise ConfigError(
            f"normalisation={name} divides by no ions; leave normalisation.ions out, or choose "
            f"normalisation=selected_ions"
        )
    if (column is not None) != isinstance(normaliser, PerDose):
        raise ConfigError(
            f"normalisation={name} reads no column of the sample sheet; leave normalisation.column "
            f"out, or choose normalisation=primary_ion_dose"
            if column is not None
            else f"normalisation={name} needs normalisation.column: the column of the sample sheet "
            f"with the primary ions of each spectrum"
        )
    if ions is not None:
        if mz is None:
            raise ConfigError(f"normalisation={name} needs the m/z of the peaks to find its ions")
        normaliser.set_params(peaks=nearest_peaks(ions, mz, charge))


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
