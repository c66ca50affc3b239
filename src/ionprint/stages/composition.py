"""Read what mixtures and anodes hold."""

from pathlib import Path
from typing import TYPE_CHECKING

from ionprint.files import fresh_folder, required, write_table

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(cfg: "DictConfig") -> None:
    """Apply the trained model to every mixture and anode and write `composition/`."""
    from ionprint.composition.probability import average_samples, read_spectra
    from ionprint.models.storage import load_model
    from ionprint.spectra.table import PeakTable

    table = PeakTable.read(required(Path(cfg.peaks) / "peak_table.parquet", "peaks"))
    model = load_model(required(Path(cfg.outputs) / "model", "train"))
    if list(model.mz) != list(table.mz):
        from ionprint.errors import DataError

        raise DataError(
            f"{cfg.outputs}/model was trained on another peak list than {cfg.peaks} holds; "
            f"run `ionprint train` again"
        )
    spectra = read_spectra(model, table.of_role("mixture", "anode"))
    samples = average_samples(spectra)
    with fresh_folder(Path(cfg.outputs) / "composition") as out:
        write_table(spectra, out / "spectra.csv", 4)
        write_table(samples, out / "samples.csv", 4)
    print(f"{len(spectra)} spectra of {len(samples)} mixtures and anodes ({table.source} data)")
    for row in samples.itertuples(index=False):
        largest = sorted(zip(model.classes, row[5:], strict=True), key=lambda p: -p[1])[:2]
        told = ", ".join(f"{c} {p:.2f}" for c, p in largest)
        print(f"  {row.sample}: {told}" + (f"   (expected {row.expected})" if row.expected else ""))
