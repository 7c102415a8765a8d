"""The model picker: the files of the folder, and those that were opened in this session."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from latent import checkpoint
from latent.checkpoint import Checkpoint, File
from latent.dataset import Dataset
from latent.errors import CheckpointError, NoReadingError
from latent.files import PROJECT, label, unlike
from latent.page import cached, datasets, renamed
from latent.page.show import show_error
from latent.page.state import LARGEST_UPLOAD, LONGEST_NAME, Upload, state, value_of
from latent.space import LatentSpace

DEFAULT_MODEL = "ae-16"


def model_place() -> Path:
    """The folder of model files, or the only one: ``LATENT_CHECKPOINTS``, or the shipped folder."""
    return Path(os.environ.get("LATENT_CHECKPOINTS", PROJECT / "checkpoints"))


def model_folder() -> Path:
    """The folder that model files may lie in."""
    place = model_place()
    return place.parent if os.path.isfile(place) else place


def offered_names(files: Mapping[str, Path]) -> list[str]:
    """What the picker offers: these files of the folder, and the uploads. Raises `CheckpointError` for nothing."""
    uploads = state().uploads
    if not files and not uploads:
        folder = model_folder()
        raise CheckpointError(
            f"There is no model file in {folder}: train a model with python -m latent.train --out "
            f"{folder / 'ae-16.pt'}, or set LATENT_CHECKPOINTS to another folder."
        )
    return [*files, *uploads]


def default_of(names: Sequence[str]) -> str:
    """The model that opens where none is named."""
    return DEFAULT_MODEL if DEFAULT_MODEL in names else names[0]


def chosen_model(files: Mapping[str, Path]) -> LatentSpace:
    """The space of the model and the images that the pickers are at, also before they are drawn."""
    names = offered_names(files)
    name = value_of("checkpoint", names, default_of(names))
    sets = datasets.names_of_sets()
    saved = opened(name, files, datasets.images_in_use(sets))
    datasets.offer_own(saved)
    return open_space(name, files, datasets.images_for(saved, datasets.names_of_sets()))


def show_picker(files: Mapping[str, Path]) -> None:
    """The model picker."""
    names = offered_names(files)
    state().files = list(files.values())
    wanted = st.session_state.get("checkpoint", st.query_params.get("checkpoint"))
    if wanted and wanted not in names:
        st.warning("Linked model not found, so another is open:")
        st.text(wanted[:80])
    index = names.index(default_of(names))
    st.selectbox("Model file", names, index=index, key="checkpoint", bind="query-params")


def offered_files() -> dict[str, Path]:
    """The files of the folder by the names that the picker has for them."""
    try:
        place = model_place()
        alone = os.path.isfile(place) and checkpoint.is_model_file(place)
        found = [place] if alone else checkpoint.find(place)
    except CheckpointError as error:
        if not state().uploads:
            raise
        show_error(error)  # what was opened in this session is still there
        found = []
    return names_of(found, model_folder())


def names_of(files: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Model files by what the picker calls them: without the end of the name where that tells them apart, and with a
    number where two names look alike."""
    places = [path.relative_to(folder) for path in files]
    short = Counter(str(place.with_suffix("")) for place in places)
    named: dict[str, Path] = {}
    for path, place in zip(files, places):
        stem = str(place.with_suffix(""))
        named[unlike(label(stem if short[stem] == 1 else str(place)), named)] = path
    return named


def opened(name: str, files: Mapping[str, Path], images: Dataset) -> Checkpoint:
    """What a file that the picker offers holds; weights alone are read by these images, or where that fails by those
    that ship."""
    try:
        return read_by(name, files, images)
    except CheckpointError:
        if images.ships:
            raise
        return read_by(name, files, cached.shipped_images())


def read_by(name: str, files: Mapping[str, Path], images: Dataset) -> Checkpoint:
    """What a file that the picker offers holds; weights alone are read by these images."""
    if name in state().uploads:
        upload = state().uploads[name]
        read = cached.uploaded(upload.sha256, name, upload.files, images)
    else:
        read = cached.loaded(os.fsencode(files[name]), checkpoint.stamp(files[name]), str(model_folder()), images)
    if isinstance(read, str):
        raise NoReadingError(read)
    return read


def open_space(name: str, files: Mapping[str, Path], images: Dataset) -> LatentSpace:
    """The space of a file that the picker offers, read as this session has it read, and of these images."""
    saved = opened(name, files, images)
    overruling = json.dumps(overruled_by(saved.sha256)) if saved.scored and overruled_by(saved.sha256) else ""
    return cached.space_of(name, saved, images, overruling)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file as it is now."""
    return cached.fingerprint(str(path), checkpoint.stamp(path))


def take_upload() -> None:
    """Add the models in the new uploads to the picker, for this session, and choose the last. An encoder and a decoder
    are one model, also where one of them was there before."""
    free, taken = list(st.session_state["upload"]), state().taken
    new = [file for file in free if file.file_id not in taken]
    taken.update(dict.fromkeys(file.file_id for file in new))
    for file in new:
        if file in free:  # and no half of a model before it
            free.remove(file)
            others = [each for each in free if are_halves(file, each)][:1]
            free = [each for each in free if each not in others]
            st.session_state["checkpoint"] = add_upload(tuple(map(content_of, (file, *others))))


def content_of(file: UploadedFile) -> File:
    """An uploaded file, empty where it is larger than the server's own limit, which is checked again here."""
    return file.name, file.getvalue() if file.size <= LARGEST_UPLOAD else b""


def are_halves(first: UploadedFile, second: UploadedFile) -> bool:
    """Whether two uploads are the encoder and the decoder of one model: by their names, or by the graphs they hold."""
    if checkpoint.name_of_other_half(first.name) == second.name:
        return not any(checkpoint.is_whole(content_of(each)) for each in (first, second))
    return {half_in(first), half_in(second)} == {"encoder", "decoder"}


def half_in(file: UploadedFile) -> str:
    """Which half of a model an upload describes, see `checkpoint.described_half`; looked at once."""
    taken = state().taken
    found = taken[file.file_id]
    if found is None:
        found = taken[file.file_id] = checkpoint.described_half(content_of(file))
    return found


def add_upload(files: tuple[File, ...]) -> str:
    """Add a model to the uploads of this session; what the picker calls it. The same bytes are there once."""
    contents = [content for _, content in files]
    uploads, sha256 = state().uploads, checkpoint.sha256_of(contents)
    known = [name for name, upload in uploads.items() if all(contents) and upload.sha256 == sha256]
    called = " + ".join(label(name, LONGEST_NAME) for name, _ in files)
    name = known[0] if known else unlike(f"{called} (uploaded)", uploads)
    uploads[name] = Upload(sha256, files)
    return name


def overruled_by(sha256: str) -> dict[str, str]:
    """What this session chose otherwise in the reading of a file; at first, what the address says."""
    overruled = state().overruled
    if not overruled and "reading" in st.query_params:
        with suppress(ValueError, TypeError, RecursionError):  # a link that was cut short, or forged
            choices = dict(json.loads(st.query_params["reading"]))
            overruled[sha256] = {str(name): renamed.choice(str(name), str(chosen)) for name, chosen in choices.items()}
    return overruled.get(sha256, {})
