"""Write the report: one HTML file that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig

    from ionprint.figures.profiles import Proof
    from ionprint.report.page import Picture
    from ionprint.stages.results import ResultFiles

SHOWN = 15  # ion families of a compound


def run(cfg: DictConfig) -> None:
    """Write `<outputs>/report/report.html` from the result files and figures.

    Parameters
    ----------
    cfg : DictConfig
        Uses `outputs`, `peaks` and `figures`.

    Raises
    ------
    MissingInputError
        A result file is not there.
    """
    from ionprint.figures.style import compound_looks
    from ionprint.files import fresh_folder, read_json, required
    from ionprint.report.charts import charts
    from ionprint.report.page import Page, render
    from ionprint.report.sentences import findings, proof
    from ionprint.stages.results import ResultFiles
    from ionprint.stages.terminal import summary

    results = ResultFiles(cfg)
    index = read_json(required(results.path("figures/figures.json"), "figures"))
    evidence = results.table("composition/evidence.csv")
    gathered = None if evidence is None else proof(evidence, results.ranking)
    polarity = results.about_model["polarity"]
    charge = "-" if polarity == "negative" else "+"
    numbers = {}
    if results.explained is not None:
        numbers = charts(
            results.explained,
            results.samples,
            compound_looks(results.compounds),
            charge,
            raw_spectra(results, cfg.figures),
            cfg.figures.samples,
        )
    page = Page(
        name=results.dataset["name"],
        source=results.source,
        polarity=polarity,
        compounds=results.compounds,
        measured=measured(results),
        roles=roles(results),
        findings=findings(results.samples, gathered, charge),
        proof=gathered,
        ranking=first_ions(results),
        metrics=results.metrics,
        checks=results.table("checks/checks.csv"),
        pictures=pictures(results, index["figures"], bool(numbers)),
        left_out=index["left_out"],
        charts=numbers,
        settings=settings(results),
        config=required(results.path("model/config.yaml"), "train").read_text(encoding="utf-8"),
    )
    with fresh_folder(results.outputs / "report") as folder:
        path = folder / "report.html"
        path.write_text(render(page), encoding="utf-8", newline="\n")
        size = path.stat().st_size / 1e6
    summary(
        f"Report ({page.source} data)",
        [
            ("samples", len(page.findings)),
            ("figures", len(page.pictures)),
            ("open", f"{results.outputs / 'report' / 'report.html'} ({size:.1f} MB)"),
        ],
    )


def measured(results: ResultFiles) -> list[tuple[str, str]]:
    """Say what was measured, in words and values."""
    about, samples = results.dataset, results.peak_table.samples
    told = [
        ("spectra", str(about["spectra"])),
        ("peaks", f"{about['peaks']}, up to m/z {about['mz_max']:g}"),
        ("areas", {"fit": "peak shapes fitted", "borders": "counts between borders"}.get(
            about["integration"], about["integration"])),
        ("mass scale", about["scale"]),
    ]  # fmt: skip
    for column, word in (
        ("primary_ion", "primary ions"),
        ("sputter_dose", "sputter doses (ions/cm²)"),
    ):
        if column in samples:
            values = [v for v in dict.fromkeys(samples[column]) if v]
            told.append((word, ", ".join(values[:8]) + (" ..." if len(values) > 8 else "")))
    counts = results.peak_table.areas.sum(axis=1)
    told.append(("counts a spectrum", f"{counts.min():,.0f} to {counts.max():,.0f}"))
    return [(word, value) for word, value in told if value]


def roles(results: ResultFiles) -> pd.DataFrame:
    """Return how many spectra there are of each reference compound, mixture and anode."""
    import pandas as pd

    rows = []
    samples = results.peak_table.samples
    for role in ("reference", "mixture", "anode"):
        own = samples[samples["role"] == role]
        by = "compound" if role == "reference" else "sample"
        for name, part in own.groupby(by, sort=role == "reference"):
            rows.append(
                {
                    "role": role,
                    "compound": name if role == "reference" else "",
                    "sample": f"{part['sample'].nunique()} samples"
                    if role == "reference"
                    else name,
                    "spectra": len(part),
                }
            )
    return pd.DataFrame(rows)


def first_ions(results: ResultFiles) -> pd.DataFrame | None:
    """Return the first ion families of each compound."""
    from ionprint.models.families import families

    if results.ranking is None:
        return None
    return families(results.ranking).groupby("compound", sort=True).head(SHOWN)


def raw_spectra(results: ResultFiles, settings: DictConfig) -> dict[str, Proof]:
    """Return the raw spectra around the ions of each sample; none where areas were imported."""
    from ionprint.stages.drawings import LeftOut
    from ionprint.stages.drawings.composition import proofs

    try:
        return {proof.row["sample"]: proof for proof in proofs(results, settings)}
    except LeftOut:
        return {}


def pictures(results: ResultFiles, index: list[dict[str, str]], charts: bool) -> list[Picture]:
    """Return the figures that were drawn, but for those that the page draws itself."""
    from ionprint.files import required
    from ionprint.report.page import Picture

    folder = results.outputs / "figures"
    return [
        Picture(**one, path=required(folder / one["topic"] / f"{one['name']}.png", "figures"))
        for one in index
        if not (charts and one["name"].startswith(("mirror_", "profiles_")))
    ]


def settings(results: ResultFiles) -> list[tuple[str, str]]:
    """Return the choices, versions and fingerprints that repeat the results."""
    about = results.about_model
    params = ", ".join(f"{k} = {v:.4g}" if isinstance(v, float) else f"{k} = {v}"
                       for k, v in about["params"].items())  # fmt: skip
    return [
        ("normalisation", about["normalisation"]),
        ("scaling", about["scaling"]),
        ("model", f"{about['model']} ({params})" if params else about["model"]),
        ("folds keep together", str(about["group"] or "nothing: every spectrum stands alone")),
        ("seed", str(about["seed"])),
        ("fingerprint of the spectra", results.dataset["sha256"]),
        *((f"{name}", version) for name, version in about["versions"].items()),
        ("repeat with", "dvc repro, in a checkout with these spectra and this configuration"),
    ]
