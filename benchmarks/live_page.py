"""The Live section by itself: how it is mounted, and what `benchmarks.live` measures.

``python -m streamlit run benchmarks/live_page.py`` from the root; ``?checkpoint=vae-2`` opens another checkpoint,
``?checkpoint=large`` one of 64 × 64 pixels in colour, ``?way=server`` keeps the decoder from the browser, so that every
picture is asked for, and ``?way=slider`` is a plain page with one slider, for comparison.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import gc
import socket
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import traversal
from latent.browser import live, source
from latent.browser.inbox import parcel
from latent.checkpoint import Checkpoint
from latent.dataset import Dataset
from latent.errors import DecoderError
from latent.images import data_uri, sheet, to_uint8
from latent.model import AutoencoderConfig
from latent.page import heap
from latent.space import LatentSpace
from latent.train import initial_model

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
MOST_SLIDERS = 128
MOST_CODES = 1_000_000  # numbers in the real codes that are sent
NEIGHBOURS = 10
COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#ee7733", "#009988", "#cc3311",
)  # fmt: skip

hand = st.components.v2.component("latent_live", **live.live_component())
inbox = st.components.v2.component("latent_inbox", js=source("inbox.js"))


@st.cache_resource(max_entries=4)
def space_of(name: str) -> LatentSpace:
    space = large_space() if name == "large" else LatentSpace.open(CHECKPOINTS / f"{name}.pt")
    _ = space.statistics
    return space


def large_space() -> LatentSpace:
    """A model whose decoder has four million parameters and draws 64 × 64 pixels in colour, untrained: 140 million
    multiplications an image, as many as after any training."""
    config = AutoencoderConfig("ae", 64, (3, 64, 64), width=64, hidden=128)
    saved = Checkpoint(config, initial_model(config, 0).state_dict(), sha256="large")
    noise = np.random.default_rng(0).integers(0, 256, (500, 64, 64, 3), dtype=np.uint8)
    classes = np.arange(len(noise), dtype=np.int64) % 10
    return LatentSpace.of("large", saved, Dataset.of(noise, classes, tuple(map(str, range(10))), name="noise"))


def stage_name(space: LatentSpace, streamed: bool) -> str:
    return f"{space.checkpoint.sha256}{' streamed' * streamed}"


@st.cache_resource(max_entries=4, hash_funcs={LatentSpace: lambda space: space.checkpoint.sha256})
def stage_of(space: LatentSpace, streamed: bool) -> tuple[bytes, str]:
    """What the browser needs of a checkpoint, and why its decoder cannot run there, where it cannot."""
    program, refusal = None, "as the address asks" if streamed else ""
    try:
        program = None if streamed else live.compile(space.model)
    except DecoderError as error:
        refusal = str(error)
    statistics = space.statistics
    dimensions = statistics.most_spread(MOST_SLIDERS)
    effects = traversal.effects(space.decode, space.z[:16], statistics.std, dimensions)
    n = min(len(space.z), MOST_CODES // space.latent_dim)
    stage = live.Stage(
        program=program, codes=space.z[:n], labels=space.labels[:n], classes=space.classes, images=space.images[:n],
        order=dimensions[np.argsort(-effects, kind="stable")], low=statistics.quantile(0.01),
        high=statistics.quantile(0.99), start=space.z[0], axes=axes_of(space.z), colours=COLOURS,
        neighbours=NEIGHBOURS, distances=neighbour_distances(space.z[:n]),
    )  # fmt: skip
    return stage.parcel(stage_name(space, streamed)), refusal


def axes_of(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """The directions of the pad: of two dimensions they themselves, of more the first two principal axes."""
    if z.shape[1] == 2:
        return np.eye(2, dtype=np.float32)
    return np.linalg.svd(z[:2000] - z[:2000].mean(axis=0), full_matrices=False)[2][:2]


def neighbour_distances(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Percentiles of the mean distance from a real code to its nearest others."""
    some = z[:500]
    squares = np.square(some).sum(axis=1)[:, None] - 2 * some @ z.T + np.square(z).sum(axis=1)
    nearest = np.sort(np.sqrt(np.clip(squares, 0, None)), axis=1)[:, 1 : NEIGHBOURS + 1]
    return np.quantile(nearest.mean(axis=1), np.linspace(0, 1, 101)).astype(np.float32)


@st.fragment
def live_section(space: LatentSpace, streamed: bool) -> None:
    """Only this runs again when a picture is asked for and when a code is kept or chosen."""
    packed, refusal = stage_of(space, streamed)
    name = stage_name(space, streamed)
    key = f"live_{name}"  # of its own for every checkpoint, whose codes have their own length

    def remember() -> None:
        st.session_state["live_holds"] = st.session_state[key]["holds"]

    holds = st.session_state.get("live_holds", [])
    if name not in holds:
        inbox(key="stage", data=packed)
    if st.button("Take a real 4"):
        st.session_state["base"] = space.z[space.labels == 4][0].tolist()
    shelf = st.session_state.setdefault("shelf", [space.class_mean(digit).tolist() for digit in (3, 8, 5)])
    result = hand(
        key=key,
        data={
            "stage": name, "holds": holds, "base": st.session_state.get("base"), "asked": space.asked, "shelf": shelf,
            "refusal": refusal,
        },
        on_ask_change=lambda: None, on_keep_change=lambda: None, on_code_change=lambda: None,
        on_holds_change=remember,
    )  # fmt: skip
    if result.ask:
        pixels = to_uint8(space.decode(result.ask["code"])[0])
        inbox(key="answer", data=parcel("answer", serial=result.ask["serial"], pixels=pixels))
    if result.keep:
        shelf.append(result.keep)
        st.rerun(scope="fragment")
    st.text(f"Kept: {len(shelf)}")
    st.text(f"Chosen: {result.code}")


@st.cache_resource
def send_at_once() -> None:
    """No message waits until the one before it has been acknowledged: with Nagle's algorithm (RFC 896) some 40 ms.

    asyncio turns that off only for sockets that name their protocol, which Streamlit's does not (1.67).
    """
    for thing in gc.get_objects():
        if type(thing) is socket.socket and thing.type == socket.SOCK_STREAM and thing.fileno() >= 0:
            with contextlib.suppress(OSError):  # not of TCP
                thing.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def slider_section(space: LatentSpace) -> None:
    """What Streamlit does by itself: a slider and an image."""
    statistics = space.statistics
    low, high = float(statistics.quantile(0.01)[0]), float(statistics.quantile(0.99)[0])
    value = st.slider("Dimension 0", low, high, float(space.z[0, 0]))
    picture = space.decode(traversal.traverse(space.z[0], 0, [value]))
    st.image(data_uri(sheet(picture, 1, zoom=8).png()))


st.set_page_config("Live", layout="wide")
space = space_of(st.query_params.get("checkpoint", "ae-16"))
way = st.query_params.get("way", "browser")
if way == "slider":
    slider_section(space)
else:
    live_section(space, streamed=way == "server")
send_at_once()
heap.keep_small()  # behind the first mount, which loads modules of its own
