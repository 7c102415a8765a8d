"""The page in Streamlit's own test harness, and what is on it."""

import json
import re
from contextlib import contextmanager
from html import unescape

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.support.models import ROOT

SECTIONS = [
    "Overview",
    "Model",
    "Statistics",
    "Map",
    "Clusters",
    "Generate",
    "Sampler lab",
    "Real vs generated",
    "Live",
    "Custom vector",
    "Draw",
    "Dimensions",
    "Directions",
    "Arithmetic",
    "Interpolate",
    "Diagnose",
    "Compare runs",
]
MEASURED = ("Sampler lab", "Diagnose", "Compare runs")  # tested on few digits: on all of them they take a minute
IN_TURN = sorted(SECTIONS, key=MEASURED.__contains__)  # all that are tested on few digits together


@contextmanager
def own_folders(base):
    """The page on the data sets in ``images`` and the models in ``models`` of a folder, with a store of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENT_IMAGES", str(base / "images"))
        patch.setenv("LATENT_CHECKPOINTS", str(base / "models"))
        patch.setenv("LATENT_CACHE", str(base / "store"))
        st.cache_data.clear()
        st.cache_resource.clear()
        yield
    st.cache_data.clear()
    st.cache_resource.clear()


def opened(section="Model", *, python=False, **query):
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    app.query_params.update({"section": section, **query})
    app.session_state["python"] = python  # whether the lines at the end of the section are open
    app.run()
    return healthy(app)


def unfold(app, key):
    """The page after somebody opened an expander."""
    app.session_state[key] = True
    return healthy(app.run())


def healthy(app):
    assert not app.exception, app.exception[0].message
    return app


def shown(app):
    """Everything that is a picture or a chart, as it goes to the browser."""
    kinds = ("image", "bidi_component", "vega_lite_chart", "html")
    found = [element.proto.SerializeToString() for kind in kinds for element in app.main.get(kind)]
    return [each for each in found if b"latent-facts" not in each]


def facts(app):
    """The numbers that the page states, by their names."""
    texts = " ".join(element.proto.body for element in app.main.get("html"))
    return {unescape(name): unescape(value) for name, value in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", texts)}


def tables(app):
    """Every table of texts on the page: its rows, each by the titles of its columns."""
    found = []
    for element in app.main.get("html"):
        if "latent-texts" in element.proto.body:
            head, *rows = [
                [unescape(cell) for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", row)]
                for row in re.findall(r"<tr>(.*?)</tr>", element.proto.body)
            ]
            found.append([dict(zip(head, row)) for row in rows])
    return found


def parts(app, name):
    """What our own components of this name are given, by the key they have on the page."""
    found = {}
    for element in (*app.main.get("bidi_component"), *app.sidebar.get("bidi_component")):
        if element.proto.component_name == f"latent_{name}":
            found[element.proto.id.split("-")[-1]] = json.loads(element.proto.json)
    return found


def delivered(app):
    """What the browser is to take in, by name: what each parcel says beside its arrays."""
    given = (element.proto for element in app.main.get("bidi_component"))
    parcels = (proto.bytes for proto in given if proto.component_name == "latent_inbox")
    found = [json.loads(content[4 : 4 + int.from_bytes(content[:4], "little")]) for content in parcels]
    return {each["name"]: each for each in found}


def sheets(app):
    """The data of every sheet of pictures, by key; the rows of a strip by its key and their place."""
    rows = {f"{key} {i}": row for key, strip in parts(app, "strip").items() for i, row in enumerate(strip["rows"])}
    return parts(app, "grid") | rows


def move(app, kind, key, value):
    return healthy(getattr(app, kind)(key=key).set_value(value).run())
