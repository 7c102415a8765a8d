"""Clusters: how well they match the classes, and for each its centre, its most typical and its strangest member."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, images
from latent.clustering import Clusters, Match
from latent.images import Sheet
from latent.page.show import real_names, show_chart, show_codes, show_facts
from latent.space import LatentSpace


def show_match(match: Match) -> None:
    """How well the clusters match the classes, in four numbers."""
    facts = {
        "Accuracy": f"{match.accuracy:.3f}",
        "Purity": f"{match.purity:.3f}",
        "NMI": f"{match.nmi:.3f}",
        "ARI": f"{match.ari:.3f}",
    }
    means = {
        "Accuracy": "Share in the cluster matched to their class.",
        "Purity": "Share in their cluster's majority class.",
        "NMI": "Mutual information of clusters and classes over the mean of their entropies, from 0 to 1.",
        "ARI": "Adjusted Rand index: 0 = chance, 1 = identical to the classes.",
    }
    show_facts(facts, means)


def show_sizes(space: LatentSpace, clusters: Clusters, match: Match, icons: Sequence[str]) -> None:
    """How many images each cluster has, of each class where classes are known."""
    if space.has_classes:
        st.subheader("Classes by cluster")
        text = "Number of images of each class in each cluster"
        show_chart(text, charts.match_chart, match.table[match.order], space.classes, icons)
    else:
        st.subheader("Images by cluster")
        names = [str(row) for row in range(len(clusters))]
        show_chart("Number of images in each cluster", charts.classes_chart, clusters.sizes[match.order], names)
        st.caption("The images in use have no labels, so clusters cannot be compared with classes.")


def show_members(space: LatentSpace, clusters: Clusters, match: Match, centroids: NDArray[np.float32]) -> Sheet:
    """A row for each cluster, in the order of the table; ``centroids`` are the decoded centres."""
    st.subheader("Members")
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
    show_codes(
        "clusters_members", space, sheet, z, names, "Decoded centre, nearest and farthest member of each cluster"
    )
    st.caption("Rows: decoded centre, nearest member, farthest member; clusters as in the table.")
    return sheet
