"""What a registered model does in MLflow: spectra in, answers out, a row each.

MLflow copies this file into the model's folder and runs it there when the model is loaded.
"""

from pathlib import Path

import mlflow.models
import mlflow.pyfunc
import pandas as pd
from mlflow.exceptions import MlflowException


class SpectraToAnswers(mlflow.pyfunc.PythonModel):
    """Read a trained model from its folder and answer as everywhere else."""

    def load_context(self, context):
        """Load the model; what its files may hold is decided by ionprint, not by them."""
        from ionprint.tracking.fetch import fetched

        self.model = fetched(Path(context.artifacts["model"]))

    def predict(self, context, model_input: pd.DataFrame, params=None):
        """Return one row for each row of spectra, its columns the keys of an answer.

        Columns are `name`, and `export` (the text of an export), or `mz` with `counts`, or `mz`
        with `area`; or one column a peak, named by its m/z with four decimals.

        Raises
        ------
        MlflowException
            INVALID_PARAMETER_VALUE: a spectrum cannot be read; the message says which and why.
        """
        from ionprint.errors import IonprintError

        if not isinstance(model_input, pd.DataFrame):
            _refuse(f"expected a table with named columns, got {type(model_input).__name__}")
        try:
            return pd.DataFrame(list(self.model.predict(model_input)), dtype=object)
        except IonprintError as error:
            _refuse(str(error))


def _refuse(message):
    raise MlflowException.invalid_parameter_value(message)


mlflow.models.set_model(SpectraToAnswers())
