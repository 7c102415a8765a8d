"""What a model file is, and what its model makes of real images or of random codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from latent import images
from latent.measure.evidence import Evidence
from latent.page import cached
from latent.page.show import real_names, show_codes, show_facts
from latent.page.snippet import Snippet, snippet
from latent.space import LatentSpace

KINDS = {"ae": "autoencoder", "vae": "VAE"}
MANY_MEGABYTES = 100  # of images, which are worth a sentence


class Shown(NamedTuple):
    """What was shown: its arrays by name, the Python that gives them, and what makes the picture."""

    arrays: dict[str, Any]
    python: Snippet
    png: Callable[[], bytes]


def show_file(space: LatentSpace, *, explained: bool = True) -> None:
    """The facts of the file, ``explained`` where there is room for it, and whether images are resized for it."""
    saved = space.checkpoint
    means = {
        "Test MSE": f"Mean squared error per pixel on the {len(space.images):,} images in use, pixels in [0, 1].",
        "File": f"{saved.container}, sha256 {saved.sha256[:16]}…",
    }
    if warning := of_other_images(cached.evidence_of(space)):
        st.warning(warning)
    show_facts(facts_of(space), means if explained else None)
    for sentence in notes_on_images(space):
        st.caption(sentence)
    if explained and space.dataset.note:
        st.text(space.dataset.note)


def of_other_images(evidence: Evidence) -> str:
    """Why the model was probably trained on other images, and what to do, as sentences; empty where it was not."""
    for gate in evidence.measured_gates():
        if gate.doubts_images:
            return (
                f"{gate.text} To explore this model, give it its own images: **Open a file** in the sidebar, or a "
                "folder named by `LATENT_IMAGES`."
            )
    return ""


def notes_on_images(space: LatentSpace) -> Iterator[str]:
    """What is done to the images for this model, as sentences."""
    (own, *size), (channels, height, width) = space.dataset.image_shape, space.signature.image_shape
    if size != [height, width]:
        yield f"Images are resized from {size[0]} × {size[1]} to {height} × {width}."
    if own != channels:
        kinds = {1: "grey", 3: "three channels", 4: "four channels"}
        yield f"Images are brought to {kinds.get(channels, f'{channels} channels')} for this model."
    if (megabytes := space.dataset.images.nbytes / 1e6) >= MANY_MEGABYTES:
        yield f"The images in use take {megabytes:,.0f} MB of the server's memory."


def facts_of(space: LatentSpace) -> dict[str, str]:
    """What the file says of itself, and its error."""
    saved, signature = space.checkpoint, space.signature
    recipe, history = saved.recipe, saved.history
    unfinished = bool(recipe) and not saved.scores
    code = " × ".join(map(str, signature.code_shape)) + f" = {space.latent_dim}" * (len(signature.code_shape) > 1)
    facts = {
        "Kind": "conditional " * signature.conditional
        + (KINDS[signature.kind] if signature.has_encoder else "decoder"),
        "Latent dimensions": code,
        "Parameters": f"{sum(p.numel() for p in space.model.parameters()):,}",
        "Data set": str(recipe.get("dataset", "unknown")),
    }
    if history or recipe:
        facts |= {
            "Epochs": f"{len(history)} of {recipe['epochs']}" if unfinished else str(len(history)),
            "Training time": f"{sum(row['seconds'] for row in history) / 60:.1f} min",
        }
    if signature.has_encoder:
        facts["Test MSE"] = "not finished" if unfinished else f"{cached.test_error(space):.5f}"
    return facts | {"File": space.name}


def show_reconstructions(space: LatentSpace, first: int, n: int) -> Shown:
    """Real images over their reconstructions."""
    real, labels = space.images[first : first + n], space.labels[first : first + n]
    z, indices = space.codes(first, first + n), np.arange(first, first + n)
    x_hat = cached.pictures_of(space, z, labels)
    st.subheader("Originals and reconstructions")
    sheet, names = images.rows_sheet([real, x_hat], zoom=3), real_names(space, indices)
    text = f"{n} originals over their reconstructions"
    show_codes("model_grid", space, sheet, np.tile(z, (2, 1)), names * 2, text, stretch=n > 10)
    errors = np.square(x_hat - real / 255).reshape(n, -1).mean(axis=1)
    st.caption(
        f"Top: originals. Bottom: reconstructions from {space.latent_dim} number{'s' * (space.latent_dim > 1)}. Mean "
        f"MSE {errors.mean():.4f} ({errors.min():.4f}–{errors.max():.4f})."
    )
    python = snippet(
        f"real, labels = space.images[{first}:{first + n}], space.labels[{first}:{first + n}]\n"
        f"z = space.z[{first}:{first + n}]\npictures = space.decode(z, labels)"
    )
    return Shown({"real": real, "z": z, "pictures": x_hat}, python, sheet.png)


def show_draws(space: LatentSpace, first: int, n: int) -> Shown:
    """What a decoder alone makes of random codes."""
    st.subheader("Images decoded from random codes")
    z = space.z[first : first + n]
    drawn = cached.pictures_of(space, z)
    sheet, names = images.sheet(drawn, n, zoom=3), [f"random code {first + i}" for i in range(n)]
    show_codes("model_grid", space, sheet, z, names, f"{n} images decoded from random codes", stretch=n > 10)
    st.caption("Decoder-only file: without an encoder, codes are random from N(0, 1).")
    python = snippet(f"z = space.z[{first}:{first + n}]\npictures = space.decode(z)")
    return Shown({"z": z, "pictures": drawn}, python, sheet.png)
