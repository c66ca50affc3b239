"""Unsupervised components of all spectra, matched to the compounds: for the eye."""

import numpy as np
import pandas as pd

from ionprint.composition.references import References


def components(
    counts: np.ndarray, references: References, seed: int
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Factorise spectra into as many non-negative components as there are compounds.

    Parameters
    ----------
    counts : ndarray, shape (n_spectra, n_peaks)
        References, mixtures and anodes together; nothing is told of which is which.
    references : References
        Only to name the components afterwards.
    seed : int

    Returns
    -------
    amounts : ndarray, shape (n_spectra, n_classes)
        Share of each component in each spectrum, in the order of the compounds matched; rows sum
        to 1.
    spectra : ndarray, shape (n_classes, n_peaks)
        The components, in the same order; rows sum to 1.
    matches : DataFrame
        compound, similarity: the cosine between the square roots of component and of the compound's
        mean spectrum, each compound matched once, so that the sum is the largest.

    Notes
    -----
    Non-negative matrix factorisation with the Kullback-Leibler loss, the one of Poisson counts (Lee
    and Seung, Nature 401 (1999) 788), as in Zhao, Otto et al. 2023, section S8.
    """
    import warnings

    from scipy.optimize import linear_sum_assignment
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    shares = counts / counts.sum(axis=1, keepdims=True)
    means = references.means()
    model = NMF(
        len(means),
        init="nndsvda",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=500,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # it creeps for long at the end, by less than an eye sees
        warnings.simplefilter("ignore", ConvergenceWarning)
        amounts = model.fit_transform(shares)
    size = model.components_.sum(axis=1)
    spectra, amounts = model.components_ / size[:, None], amounts * size
    similarity = np.sqrt(means) @ np.sqrt(spectra).T  # both of length 1
    _, order = linear_sum_assignment(-similarity)
    amounts = amounts[:, order] / amounts.sum(axis=1, keepdims=True)
    matches = pd.DataFrame(
        {
            "compound": references.classes,
            "similarity": similarity[np.arange(len(order)), order],
        }
    )
    return amounts, spectra[order], matches
