"""Figures of what mixtures and anodes hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ionprint.stages.drawings import Drawing, LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from omegaconf import DictConfig

    from ionprint.figures.profiles import Proof
    from ionprint.stages.results import ResultFiles

PAGE = 20
"""Samples in one figure of compositions; further ones get a figure of their own."""

SAME = 2e-4
"""u; m/z are written with four decimals."""
ROWS = 6
"""Compounds of a sample whose peak profiles are drawn at most."""


def samples(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Probabilities of the classifier."""
    from ionprint.figures.samples import samples_figure

    table = results.samples
    if (table["role"] == "reference").all():
        raise LeftOut("No figure of the samples: the data set has no mixture and no anode.")
    yield Drawing(
        "samples",
        "Probabilities of the classifier",
        f"Mean probability of each compound in {len(table)} mixtures and anodes as stacked bars, "
        f"beside what was expected.",
        samples_figure(table, results.source, results.compounds),
    )


def depth(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Depth profiles, one a sample that was taken at several doses."""
    from ionprint.figures.depth import depth_figure

    profiles = results.table("composition/depth.csv")
    if profiles is None:
        raise LeftOut("No depth profile: no sample has five sputter doses or more.")
    artefacts = results.table("composition/depth_artefacts.csv")
    for number, sample in enumerate(dict.fromkeys(profiles["sample"]), start=1):
        own = profiles[profiles["sample"] == sample]
        yield Drawing(
            f"depth_{number}",
            f"Depth profile of {sample}",
            f"Fraction of each compound in {sample} against sputter dose with 90 % intervals, and "
            f"at which steps it is present.",
            depth_figure(own, artefacts, results.source, results.compounds),
        )


def composition(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Fractions with their intervals, and the alarm."""
    from ionprint.figures.composition import composition_figure

    table = _read_samples(results, "figure of the composition")
    pages = range(0, len(table), PAGE)
    for number, start in enumerate(pages, start=1):
        page = table.iloc[start : start + PAGE]
        part = f" (part {number} of {len(pages)})" if len(pages) > 1 else ""
        yield Drawing(
            "composition" if number == 1 else f"composition_{number}",
            f"Composition{part}",
            f"Fraction of each compound in {len(page)} of {len(table)} mixtures and anodes with "
            f"90 % intervals, full where it is called present, what proves it, and the alarm where "
            f"the references do not explain a sample.",
            composition_figure(page, results.source, results.compounds),
        )


def mirror(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Spectra of samples against what the references explain of them."""
    from ionprint.figures.mirror import mirror_figure

    table = _read_samples(results, "mirrored spectra")
    for number, row in enumerate(table.head(settings.samples).to_dict("records"), start=1):
        own = _explained_of(results, row)
        yield Drawing(
            f"mirror_{number}",
            f"Spectrum of {row['sample']} and what explains it",
            f"Peak areas of {row['sample']} (mean over {row['spectra']} spectra) upwards and what "
            f"the references explain of them downwards, on a root scale; the strongest ions and "
            f"those that are not explained are named.{_told_first(table, settings.samples)}",
            mirror_figure(own, results.source, results.compounds),
        )


def profiles(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Raw spectra around the ions that speak for each compound of a sample."""
    from ionprint.figures.profiles import profiles_figure

    table = _read_samples(results, "peak profiles")
    drawn = False
    for number, proof in enumerate(proofs(results, settings), start=1):
        row, claims = proof.row, proof.claims
        if claims["mz"].isna().all():
            continue
        drawn = True
        count = row["spectra"]
        claims = claims.assign(
            verdict=[
                f"{row[f'proof_{name}']}\nin {called} of {count} "
                f"{'spectrum' if count == 1 else 'spectra'}"
                for name, called in zip(claims["compound"], claims["called"], strict=True)
            ]
        )
        short = f" Only the {ROWS} compounds of largest fraction." if proof.short else ""
        yield Drawing(
            f"profiles_{number}",
            f"Ions that speak for the compounds of {row['sample']}",
            f"Summed raw spectra around the first ions of each compound called present in "
            f"{row['sample']}, with the verdict: the sample, the pure compound, and what the other "
            f"compounds explain of the sample, per million counts on a root scale.{short}"
            f"{_told_first(table, settings.samples)}",
            profiles_figure(
                claims,
                proof.spectrum,
                proof.references,
                proof.parts,
                proof.width,
                results.source,
                results.compounds,
            ),
        )
    if not drawn:
        raise LeftOut("No peak profiles: no ion speaks for a compound in any sample.")


def proofs(results: ResultFiles, settings: DictConfig) -> Iterator[Proof]:
    """Return the raw spectra of the first samples.

    Raises
    ------
    LeftOut
        There are no spectra, only areas, or none of the references.
    """
    import numpy as np

    from ionprint.figures.profiles import Proof
    from ionprint.spectra.sample_sums import REFERENCE, background

    sums, peaks = results.sums, results.found
    if sums is None or peaks is None:
        raise LeftOut("No peak profiles: there are no spectra, only areas.")
    evidence = results.table("composition/evidence.csv", "composition")
    known = {name: sums.spectrum(name, REFERENCE) for name in results.compounds}
    references = {name: spectrum for name, spectrum in known.items() if spectrum is not None}
    if len(references) < len(known):
        raise LeftOut("No peak profiles: these spectra are without the references.")
    for row in results.samples.head(settings.samples).to_dict("records"):
        spectrum = sums.spectrum(row["sample"], row["role"])
        if spectrum is None:
            continue
        claims = first_ions(evidence[evidence["sample"] == row["sample"]], settings.profile_ions)
        there = sorted(claims["compound"].unique(), key=lambda name: -row[f"fraction_{name}"])
        claims = claims[claims["compound"].isin(there[:ROWS])].reset_index(drop=True)
        nearest = np.abs(peaks.mz - claims["mz"].to_numpy()[:, None]).argmin(axis=1)
        # false for NaN
        same = np.abs(peaks.mz[nearest] - claims["mz"]) <= peaks.widths[nearest]
        borders = {"lower": peaks.lower, "upper": peaks.upper}
        borders["background"] = background(spectrum, peaks)
        for name, values in borders.items():
            claims[name] = np.where(same, values[nearest], np.nan)
        parts = _parts(results, row)
        yield Proof(row, claims, len(there) > ROWS, spectrum, references, parts, peaks.width)


def _parts(results: ResultFiles, row: dict[str, Any]) -> dict[str, float]:
    """Return the share of a sample's counts that each compound explains."""
    explained = _explained_of(results, row)
    total = explained["counts"].sum()
    return {c: float(explained[f"explained_{c}"].sum() / total) for c in results.compounds}


def _explained_of(results: ResultFiles, row: dict[str, Any]) -> pd.DataFrame:
    """Return what compounds explain of the ions of one sample."""
    table = results.explained
    return table[(table["sample"] == row["sample"]) & (table["role"] == row["role"])]


def components(results: ResultFiles, settings: DictConfig) -> Iterator[Drawing]:
    """Components found without references beside the references."""
    import numpy as np

    from ionprint.figures.components import components_figure

    profile = results.table("composition/profile.csv")
    if profile is None:
        raise LeftOut(
            "No components: they are sought where samples are read by more than the classifier."
        )
    known = results.references
    shares = known.areas / known.areas.sum(axis=1, keepdims=True)
    named = known.column("compound")
    means = {}
    for name, own in profile.groupby("compound"):
        apart = np.abs(known.mz - own["mz"].to_numpy()[:, None])
        mean = shares[named == name].mean(axis=0)[apart.argmin(axis=1)]
        # an ion that the references' peaks do not have
        means[name] = np.where(apart.min(axis=1) < SAME, mean, 0.0)
    low = profile["similarity"].min()
    yield Drawing(
        "components",
        "Components found without references",
        f"First ions of {len(means)} components that a factorisation of all spectra found, beside "
        f"their share in the references of the compound each is likest; the least similarity is "
        f"{low:.2f}.",
        components_figure(profile, means, results.source, results.compounds),
    )


def first_ions(evidence: pd.DataFrame, most: int) -> pd.DataFrame:
    """Bring the evidence of a sample's spectra together.

    Parameters
    ----------
    evidence : DataFrame
        Of one sample: file, compound, rank, side, mz, ion.
    most : int
        Ions a compound.

    Returns
    -------
    DataFrame
        compound, called (spectra in which it is called present), mz, ion: those that speak for the
        compound in most spectra, the first of them first. One row without an ion (NaN, "") where
        none speaks for it.
    """
    import pandas as pd

    from ionprint.composition.tables import evidence_by_ion

    rows = []
    for compound, own in evidence.groupby("compound"):
        ions = evidence_by_ion(own[own["side"] == "for"]).head(most)
        named = list(zip(ions["mz"], ions["ion"], strict=True)) or [(float("nan"), "")]
        rows += [(compound, own["file"].nunique(), mz, ion) for mz, ion in named]
    return pd.DataFrame(rows, columns=["compound", "called", "mz", "ion"])


def _told_first(table: pd.DataFrame, most: int) -> str:
    """Say that not every sample has a picture of its own."""
    if len(table) <= most:
        return ""
    return f" Only the first {most} of {len(table)} samples are drawn (figures.samples)."


def _read_samples(results: ResultFiles, what: str) -> pd.DataFrame:
    """Return the samples with all their readings, or say that there is none."""
    table = results.samples
    if table.empty:
        raise LeftOut(f"No {what}: the data set has no mixture and no anode.")
    if "outside" not in table:
        raise LeftOut(f"No {what}: samples were read by the classifier alone.")
    return table


plans = (composition, samples, mirror, profiles, components, depth)
