"""The result files of the last run, read when they are asked for."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionprint.files import read_json, read_table, read_yaml, required

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig

    from ionprint.models.sealing import Sealed
    from ionprint.models.storage import TrainedModel
    from ionprint.spectra.sample_sums import SampleSums
    from ionprint.spectra.search import Peaks
    from ionprint.spectra.spectrum import Spectrum
    from ionprint.spectra.table import PeakTable

SAMPLES, RANKING = "composition/samples.csv", "ranking/ions.csv"


class ResultFiles:
    """What the stages have written, each file read once.

    Parameters
    ----------
    cfg : DictConfig
        Uses `outputs` and `peaks`.

    Attributes
    ----------
    outputs, peaks : Path
        The results folder, and the folder of the peak table, which several may share.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self.outputs, self.peaks = Path(cfg.outputs), Path(cfg.peaks)
        self._tables: dict[str, pd.DataFrame | None] = {}

    def path(self, name: str) -> Path:
        """Return where a result file is, `ranking/ions.csv`."""
        folder, _, rest = name.partition("/")
        return self.peaks / rest if folder == "peaks" else self.outputs / name

    def table(self, name: str, stage: str | None = None) -> pd.DataFrame | None:
        """Read a CSV table.

        Parameters
        ----------
        name : str
            Below the results folder.
        stage : str, optional
            What writes it, where every run has it.

        Returns
        -------
        pandas.DataFrame or None
            None where this run has none of it.

        Raises
        ------
        MissingInputError
            `stage` is given and the file is not there.
        """
        if name not in self._tables:
            path = self.path(name)
            if stage is not None:
                required(path, stage)
            self._tables[name] = read_table(path) if path.exists() else None
        return self._tables[name]

    @functools.cached_property
    def dataset(self) -> dict[str, Any]:
        """What the peak table says about itself: name, source, number of spectra and peaks."""
        return read_json(required(self.peaks / "dataset.json", "peaks"))

    @property
    def source(self) -> str:
        """Where the spectra come from: simulated or measured."""
        return self.dataset["source"]

    @functools.cached_property
    def metrics(self) -> dict[str, Any]:
        """The cross-validated scores."""
        return read_json(required(self.path("evaluation/metrics.json"), "evaluate"))

    @functools.cached_property
    def best(self) -> dict[str, Any]:
        """The choices that were tuned, with their hyperparameters."""
        return read_yaml(required(self.path("tuning/best.yaml"), "tune"))

    @property
    def samples(self) -> pd.DataFrame:
        """What mixtures and anodes hold, a row a sample."""
        return self.table(SAMPLES, "composition")

    @functools.cached_property
    def explained(self) -> pd.DataFrame:
        """What the compounds explain of each ion of a sample; not there in a sweep."""
        import pandas as pd

        return pd.read_parquet(required(self.path("composition/explained.parquet"), "composition"))

    @property
    def ranking(self) -> pd.DataFrame | None:
        """The ion ranking; None for a model without weights, or when no ion was ranked."""
        ions = self.table(RANKING)
        return None if ions is None or ions.empty else ions

    @property
    def compounds(self) -> list[str]:
        """The compounds of the model, sorted."""
        prefix = "p_"
        names = [c.removeprefix(prefix) for c in self.samples if c.startswith(prefix)]
        return sorted({*names, *([] if self.ranking is None else self.ranking["compound"])})

    @functools.cached_property
    def peak_table(self) -> PeakTable:
        """The areas of all spectra."""
        from ionprint.spectra.table import PeakTable

        return PeakTable.read(required(self.peaks / "peak_table.parquet", "peaks"))

    @functools.cached_property
    def model(self) -> TrainedModel:
        """The trained pipeline."""
        from ionprint.models.storage import load_model

        return load_model(self.model_files)

    @functools.cached_property
    def about_model(self) -> dict[str, Any]:
        """What the trained pipeline says about itself, without loading it."""
        from ionprint.models.sealing import about_of

        return about_of(self.model_files)

    @functools.cached_property
    def references(self) -> PeakTable:
        """The spectra that the model learned from."""
        from ionprint.models.storage import load_references

        return load_references(self.model_files)

    @functools.cached_property
    def model_files(self) -> Sealed:
        """The files of the trained model, its seal checked."""
        from ionprint.models.sealing import sealed

        return sealed(required(self.outputs / "model", "train"))

    @functools.cached_property
    def sums(self) -> SampleSums | None:
        """The summed spectra of compounds and samples; None where areas were imported."""
        import pandas as pd

        from ionprint.spectra.sample_sums import SampleSums

        path = self.peaks / "sample_spectra.parquet"
        if not path.exists():
            return None
        about = read_json(self.peaks / "sum_spectrum.json")
        groups = pd.DataFrame(about["sums"])
        grid = (about["start"], about["step"], about["bins"])
        return SampleSums(groups, pd.read_parquet(path), *grid)

    @functools.cached_property
    def found(self) -> Peaks | None:
        """The peaks, with their width and shape; None where areas were imported."""
        from ionprint.spectra.search import Peaks
        from ionprint.spectra.shape import PeakShape

        path = self.peaks / "sum_spectrum.json"
        if not path.exists():
            return None
        about = read_json(path)
        shape = about["shape"]
        if shape is not None:
            tails = tuple((share, length) for share, length in shape["tails"])
            shape = PeakShape(**{**shape, "tails": tails})
        table = self.table("peaks/peaks.csv", "peaks")
        columns = ("mz", "lower", "upper", "counts", "counts_error")
        return Peaks(*(table[c].to_numpy(float) for c in columns), about["width"], shape)

    @functools.cached_property
    def fit(self) -> tuple[Spectrum, Peaks, pd.Series] | None:
        """The summed spectrum, the peaks fitted to it and their ions; None if none were fitted."""
        import numpy as np
        import pandas as pd

        from ionprint.spectra.spectrum import Spectrum

        peaks = self.found
        if peaks is None or peaks.shape is None:
            return None
        about = read_json(self.peaks / "sum_spectrum.json")
        some = pd.read_parquet(self.peaks / "sum_spectrum.parquet")
        counts = np.zeros(about["bins"])
        counts[some["bin"]] = some["counts"]
        total = Spectrum("all spectra", counts, about["start"], about["step"])
        return total, peaks, self.table("peaks/peaks.csv", "peaks")["ion"]
