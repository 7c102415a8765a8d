"""Disentanglement: how far each measured property of images has a dimension of the code of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.errors import ArgumentError
from latent.measure.dimensions import correlations
from latent.measure.intervals import Interval, jackknife, leave_out

BINS = 20  # of equal frequency, as many as Locatello et al. 2019 (arXiv:1811.12359) take
N_GROUPS = 10  # that are left out one at a time, for the intervals
PENALTY = 0.02  # of the lasso, on standardised codes and properties
N_STEPS = 100  # of coordinate descent, each over all dimensions
TINY = 1e-12

SCORES = ("mig", "sap", "disentanglement", "completeness", "informativeness")
Table = NDArray[np.float64]


@dataclass(frozen=True)
class Disentanglement:
    """Scores from 0 to 1, 1 where every property is in one dimension of its own, with 95% ``intervals`` over images.

    ``mig`` the mutual information gap (Chen et al. 2018, arXiv:1802.04942): of the two dimensions that say most of a
    property the difference in what they say, as a share of the property's entropy, the mean over properties. ``sap``
    the same gap of the variance that one dimension explains linearly (Kumar et al. 2018, arXiv:1711.00848).
    ``disentanglement``, ``completeness`` and ``informativeness`` (Eastwood & Williams 2018, ICLR) are of the weights of
    a lasso: whether a dimension matters for one property alone, whether a property needs one dimension alone, and the
    share of its variance that the code predicts. ``information`` (n_dimensions, n_properties) is mutual information in
    bits. None of these depends on the units of dimensions; all depend on the axes that the code is written in.
    """

    names: tuple[str, ...]
    mig: float
    sap: float
    disentanglement: float
    completeness: float
    informativeness: float
    intervals: Mapping[str, Interval]
    information: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, z: NDArray[np.floating[Any]], properties: Mapping[str, NDArray[np.floating[Any]]]) -> Disentanglement:
        """Of codes ``z`` (n, n_dimensions) and properties of their images, name -> (n,); those that vary count.

        Raises `ArgumentError` where there is not a value for every code, or no property varies.
        """
        if any(len(values) != len(z) for values in properties.values()):
            raise ArgumentError(f"Expected a value of each property for each of {len(z)} codes.")
        varying = {name: np.asarray(values, np.float64) for name, values in properties.items() if np.ptp(values) > 0}
        if not varying:
            raise ArgumentError("Expected properties that vary, got constant ones.")
        codes, factors = np.asarray(z, np.float64), np.stack(list(varying.values()), axis=1)
        bins = binned(codes), binned(factors)
        values = np.array(scores_of(codes, factors, *bins))
        groups = leave_out(len(codes), N_GROUPS)
        without = np.array([scores_of(codes[r], factors[r], bins[0][r], bins[1][r]) for r in groups])
        intervals = {name: within_0_and_1(jackknife(values[i], without[:, i])) for i, name in enumerate(SCORES)}
        named = dict(zip(SCORES, values.tolist(), strict=True))
        return cls(tuple(varying), **named, intervals=intervals, information=mutual_information(*bins)[0])


def within_0_and_1(interval: Interval) -> Interval:
    """An interval of a score, which is never outside.

    >>> within_0_and_1((-0.02, 0.04))
    (0.0, 0.04)
    """
    low, high = (min(max(bound, 0.0), 1.0) for bound in interval)
    return low, high


def scores_of(codes: Table, factors: Table, z_bins: NDArray[np.intp], factor_bins: NDArray[np.intp]) -> list[float]:
    """The values of `SCORES`."""
    information, entropies = mutual_information(z_bins, factor_bins)
    columns = np.hstack([codes, factors])
    covariance = correlations(columns, columns)
    d = codes.shape[1]
    weights = lasso(covariance[:d, :d], covariance[:d, d:])
    explained = 2 * (weights * covariance[:d, d:]).sum(axis=0) - np.einsum(
        "df,de,ef->f", weights, covariance[:d, :d], weights
    )
    return [
        float((gap(information) / np.maximum(entropies, TINY)).mean()),
        float(gap(np.square(covariance[:d, d:])).mean()),
        *importances(np.abs(weights)),
        float(np.clip(explained, 0, 1).mean()),
    ]


def binned(columns: Table) -> NDArray[np.intp]:
    """The bin, of `BINS` of equal frequency or fewer where values repeat, of each value of columns (n, d), (n, d)."""
    places = np.empty(columns.shape, np.intp)
    for column, values in enumerate(columns.T):
        edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
        places[:, column] = np.searchsorted(edges, values, side="right")
    return places


def mutual_information(z_bins: NDArray[np.intp], factor_bins: NDArray[np.intp]) -> tuple[Table, NDArray[np.float64]]:
    """Mutual information in bits (d, f) of bins of dimensions (n, d) and of properties (n, f); the latter's entropies.

    The bias of few codes per bin is taken off to first order (Miller 1955).
    """
    n, d = z_bins.shape
    of_z = one_hot(z_bins)
    information, entropies = np.empty((d, factor_bins.shape[1])), np.empty(factor_bins.shape[1])
    for place, column in enumerate(factor_bins.T):
        levels, own = np.unique(column, return_inverse=True)
        table = (of_z.T @ np.eye(len(levels), dtype=np.float32)[own]).reshape(d, -1, len(levels)).astype(np.float64)
        rows, columns = table.sum(axis=2, keepdims=True), table.sum(axis=1, keepdims=True)
        expected = rows * columns / n
        seen = table > 0
        terms = np.zeros_like(table)
        terms[seen] = table[seen] * np.log(table[seen] / expected[seen])
        bias = (seen.sum(axis=(1, 2)) - (rows > 0).sum(axis=(1, 2)) - len(levels) + 1) / (2 * n)
        information[:, place] = np.maximum(terms.sum(axis=(1, 2)) / n - bias, 0) / np.log(2)
        shares = columns[0, 0] / n
        entropies[place] = -(shares * np.log2(shares)).sum()
    return information, entropies


def one_hot(bins: NDArray[np.intp]) -> NDArray[np.float32]:
    """Bins (n, d) as a table of zeros and ones (n, d * BINS)."""
    n, d = bins.shape
    table = np.zeros((n, d * BINS), np.float32)
    table[np.arange(n)[:, None], bins + BINS * np.arange(d)] = 1
    return table


def gap(table: Table) -> NDArray[np.float64]:
    """The largest of each column less the second largest, (n_columns,); the largest where there is no second."""
    ordered = np.sort(np.vstack([table, np.zeros((1, table.shape[1]))]), axis=0)
    return ordered[-1] - ordered[-2]


def lasso(gram: Table, target: Table, penalty: float = PENALTY) -> Table:
    """Weights (d, f) of standardised dimensions for standardised properties, with an L1 penalty (Tibshirani 1996).

    By coordinate descent (Friedman et al. 2010) on correlations of dimensions ``gram`` (d, d), and of dimensions with
    properties ``target`` (d, f).
    """
    weights = np.zeros_like(target)
    live = np.flatnonzero(np.diag(gram) > TINY)
    for _ in range(N_STEPS):
        before = weights.copy()
        for d in live:
            rest = target[d] - gram[d] @ weights + gram[d, d] * weights[d]
            weights[d] = np.sign(rest) * np.maximum(np.abs(rest) - penalty, 0) / gram[d, d]
        if np.abs(weights - before).max() < 1e-6:
            break
    return weights


def importances(weights: Table) -> tuple[float, float]:
    """Disentanglement and completeness of how much (n_dimensions, n_properties) dimensions matter for properties."""
    d, f = weights.shape
    total = weights.sum()
    if total == 0:
        return 0.0, 0.0
    of_dimensions = 1 - entropy_share(weights, f)
    of_properties = 1 - entropy_share(weights.T, d)
    shares = weights.sum(axis=1) / total, weights.sum(axis=0) / total
    return float((of_dimensions * shares[0]).sum()), float((of_properties * shares[1]).sum())


def entropy_share(rows: Table, base: int) -> NDArray[np.float64]:
    """The entropy of each row's shares, over that of equal ones; 1 for a row of zeros."""
    if base < 2:
        return np.zeros(len(rows))
    sums = rows.sum(axis=1, keepdims=True)
    shares = np.divide(rows, sums, out=np.full_like(rows, 1 / base), where=sums > 0)
    return -(shares * np.log(np.maximum(shares, TINY))).sum(axis=1) / np.log(base)
