"""Clusters: how well they match the digits, and for each its centre, its most typical and its strangest member."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import images
from latent.clustering import Clusters, Match
from latent.images import Sheet
from latent.page.show import real_names, show_codes, show_facts
from latent.space import LatentSpace


def show_match(match: Match) -> None:
    """How well the clusters match the digits, in four numbers."""
    facts = {
        "Accuracy": f"{match.accuracy:.3f}",
        "Purity": f"{match.purity:.3f}",
        "NMI": f"{match.nmi:.3f}",
        "ARI": f"{match.ari:.3f}",
    }
    means = {
        "Accuracy": "The share of digits in the cluster of their kind, one cluster a digit.",
        "Purity": "The share of digits that are the most frequent kind of their cluster.",
        "NMI": "Mutual information of clusters and digits over the mean of their entropies, 0 to 1.",
        "ARI": "Adjusted Rand index: 0 for chance, 1 for clusters that are the digits.",
    }
    show_facts(facts, means)


def show_members(space: LatentSpace, clusters: Clusters, match: Match, centroids: NDArray[np.float32]) -> Sheet:
    """A row for each cluster, in the order of the table; ``centroids`` are the decoded centres."""
    st.subheader("Centre, typical, strangest")
    order, n = match.order, len(clusters)
    members = [clusters.typical[order], clusters.strangest[order]]
    columns = [images.to_uint8(centroids[order]), *(space.images[rows] for rows in members)]
    pictures = np.stack(columns, axis=1).reshape(3 * n, *columns[0].shape[1:])
    sheet = images.sheet(pictures, 3, 2, row_names=[str(row) for row in range(n)])
    z = np.stack([clusters.centres[order], *(space.z[rows] for rows in members)], axis=1).reshape(3 * n, -1)
    names = [
        name
        for row in range(n)
        for name in (f"centre of cluster {row}", *(real_names(space, rows[row : row + 1])[0] for rows in members))
    ]
    show_codes("clusters_members", space, sheet, z, names, "Every cluster's centre, typical and strangest member")
    st.caption("A row a cluster, as in the table: its centre decoded, its most typical member, its strangest one.")
    return sheet
