"""The picker of images: the set that ships, those in the folder of data sets, and those opened in this session."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from latent import dataset, pictures
from latent.checkpoint import Checkpoint
from latent.dataset import MNIST, Dataset
from latent.errors import DataError, LatentError
from latent.files import PROJECT, label, stamp, unlike
from latent.page import cached
from latent.page.show import show_error
from latent.page.state import LARGEST_UPLOAD, LONGEST_NAME, state, value_of

KEY = "images"  # of the picker, and in the address
MOST_OFFERED = 200  # files of the folder


def image_folder() -> Path:
    """The folder of data sets: ``LATENT_IMAGES``, or ``images`` beside the page."""
    return Path(os.environ.get("LATENT_IMAGES", PROJECT / "images"))


def given_set() -> dict[str, Path]:
    """The data set that every model is evaluated on at first, ``LATENT_DATASET``, by its name; none where there is
    none."""
    path = os.environ.get("LATENT_DATASET")
    return {unlike(dataset.name_of(Path(path)), [MNIST]): Path(path)} if path else {}


def offered_sets() -> dict[str, Path]:
    """The given data set and those of the folder, by the names that the picker has for them."""
    folder, offered = image_folder(), given_set()
    if not os.path.isdir(folder):
        return offered
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return offered
    if any(entry.suffix.lower() in pictures.SUFFIXES for entry in entries):  # the folder is a data set itself
        entries = [folder]
    for path in [each for each in entries if dataset.may_be_one(each)][:MOST_OFFERED]:
        offered[unlike(dataset.name_of(path), [MNIST, *offered])] = path
    return offered


def offer_own(saved: Checkpoint) -> None:
    """Let the picker offer the images that a model's file holds, for this session."""
    if saved.images is not None and own_name(saved) is None:
        name = unlike(label(saved.images.name, LONGEST_NAME), [MNIST, *state().sets, *offered_sets()])
        state().sets[name] = saved.images.called(name)


def own_name(saved: Checkpoint) -> str | None:
    """What the picker calls the images that a model's file holds, None where it holds none or they are not offered."""
    own = saved.images
    same = [name for name, each in state().sets.items() if own is not None and each.sha256 == own.sha256]
    return same[0] if same else None


def set_of(saved: Checkpoint, names: Mapping[str, object]) -> str:
    """Which of the sets a model is evaluated on at first: the given one, else that which its file holds or names; the
    one that ships where it does neither, or that is not here."""
    remembered = next(iter(given_set()), None) or own_name(saved) or str(saved.recipe.get("dataset", MNIST))
    return remembered if remembered in names else MNIST


def names_of_sets() -> dict[str, Path | None]:
    """All that the picker offers: by name the file or folder, where there is one."""
    return {MNIST: None, **offered_sets(), **dict.fromkeys(state().sets)}


def images_for(saved: Checkpoint, names: Mapping[str, Path | None]) -> Dataset:
    """The data set to evaluate a model on that was just opened: of those that the picker offers that which its file
    names, else the one in use. Raises `DataError` where it cannot be read."""
    own, origins = set_of(saved, names), state().origins
    origin = "" if own == MNIST else saved.sha256
    if origins.get(KEY, "") != origin:
        if KEY in origins or KEY not in st.query_params:  # what a link says comes first
            st.session_state[KEY] = own
        origins[KEY] = origin
    return images_in_use(names)


def images_in_use(names: Mapping[str, Path | None]) -> Dataset:
    """The data set that the picker is at, also before it is drawn. Raises `DataError` where it cannot be read."""
    name = value_of(KEY, names, next(iter(given_set()), MNIST))
    path = names[name]
    if path is not None:
        return cached.dataset_in(os.fsencode(path), stamp_of(path))
    return state().sets.get(name) or cached.shipped_images()


def stamp_of(path: Path) -> tuple[int, ...]:
    """What changes when a data set does: of a folder, when files were added to it or to one of its own folders."""
    try:
        folders = [path, *sorted(each for each in path.iterdir() if each.is_dir())] if os.path.isdir(path) else [path]
        return tuple(part for folder in folders for part in stamp(folder))
    except OSError as error:
        raise DataError(f"{label(path.name)} cannot be read: {error.strerror}.") from error


def show_picker() -> None:
    """The picker of images, and what was done to those in use."""
    names = names_of_sets()
    wanted = st.session_state.get(KEY, st.query_params.get(KEY))
    if wanted and wanted not in names:
        st.warning("Linked images not found, so others are in use:")
        st.text(str(wanted)[:80])
    st.selectbox(
        "Images", list(names), key=KEY, bind="query-params",
        help="The images that the model is evaluated on: best those of the kind it was trained for.",
    )  # fmt: skip


def show_opener() -> None:
    """The opener for images of one's own."""
    st.file_uploader(
        "Images: a zip of a folder, .npz, .npy or idx", key="upload_images", on_change=take_images,
        help=(
            "In a zip, sub-folders are classes. An .npz has arrays “images” and, where there are classes, “labels” and "
            "“classes”. At most 10,000 images are used. They stay in this session only."
        ),
    )  # fmt: skip


def take_images() -> None:
    """Add the uploaded images to the picker, for this session, and choose them."""
    file = st.session_state["upload_images"]
    if file is None:
        return
    try:
        if file.size > LARGEST_UPLOAD:  # the server's own limit, checked again
            raise DataError(f"{label(file.name)} is larger than 200 MB.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / (label(Path(file.name).name, LONGEST_NAME) or "upload")
            path.write_bytes(file.getbuffer())
            opened = dataset.read(path)
    except LatentError as error:
        state().mistake = str(error)
        return
    except OSError as error:  # of the server's folder for temporary files
        state().mistake = f"The server has no room to open {label(file.name)}: {error.strerror or error}."
        return
    sets = state().sets
    named = f"{label(file.name, LONGEST_NAME)} (uploaded)"
    known = [name for name, each in sets.items() if each.sha256 == opened.sha256]
    name = known[0] if known else unlike(named, [MNIST, *sets, *offered_sets()])
    sets[name] = opened.called(name)
    st.session_state[KEY] = name


def show_mistake() -> None:
    """Why images that were just opened cannot be used, once."""
    if state().mistake:
        show_error(DataError(state().mistake))
        state().mistake = ""
