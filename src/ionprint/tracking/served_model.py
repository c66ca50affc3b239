"""What a served model does: peak areas by name in, probabilities of the compounds out.

MLflow copies this file into the model's folder and runs it there when the model is loaded.
"""

import mlflow.models
import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

_MOST_NAMED = 5


class PeakAreasToProbabilities(mlflow.pyfunc.PythonModel):
    """Read a trained model from its folder and answer with probabilities."""

    def load_context(self, context):
        """Load the model; what its file may hold is decided by ionprint's own list."""
        from ionprint.models.storage import load_model

        self.model = load_model(context.artifacts["model"])

    def predict(self, context, model_input: pd.DataFrame, params=None):
        """Return one row of p_<compound> for each row of peak areas.

        Columns are found by their names: their order is free and others are left aside. A model
        that divides by the primary ions of a spectrum asks for their column too.

        Raises
        ------
        MlflowException
            INVALID_PARAMETER_VALUE: a peak is missing, or an area is not a number of counts.
        """
        from ionprint.errors import IonprintError

        areas = _areas(model_input, self.model.inputs, self.model.dose_column)
        try:
            return self.model.probabilities(areas)
        except IonprintError as error:
            _refuse(str(error))


def _areas(table, columns, dose):
    """Return the model's columns in the model's order, every value a number of counts."""
    if not isinstance(table, pd.DataFrame):
        _refuse(f"expected a table with named columns, got {type(table).__name__}")
    names = table.columns.map(str)
    missing = [c for c in columns if c not in set(names)]
    if missing == [dose]:
        _refuse(f"the column {dose!r} is missing: the primary ions of each spectrum")
    if missing:
        kind = "columns" if dose in missing else "peak columns"
        _refuse(
            f"{len(missing)} of {len(columns)} {kind} are missing: {_named(missing)}. "
            f"Columns are m/z with 4 decimals; order is free"
        )
    twice = [c for c in columns if c in set(names[names.duplicated()])]
    if twice:
        _refuse(f"columns given twice: {_named(twice)}")
    table = table.set_axis(names, axis=1)[columns]
    try:
        numbers = table.to_numpy(dtype=float)
    except (TypeError, ValueError):  # some are text: find out which
        numbers = table.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    bad = [c for c, good in zip(columns, np.isfinite(numbers).all(axis=0), strict=True) if not good]
    if bad:
        _refuse(f"not a number in {_named(bad)}")
    negative = [c for c, low in zip(columns, (numbers < 0).any(axis=0), strict=True) if low]
    if negative:
        _refuse(f"negative peak area in {_named(negative)}")
    return pd.DataFrame(numbers, columns=columns)


def _named(columns):
    more = len(columns) - _MOST_NAMED
    return ", ".join(columns[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _refuse(message):
    raise MlflowException.invalid_parameter_value(message)


mlflow.models.set_model(PeakAreasToProbabilities())
