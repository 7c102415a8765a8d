"""Options that were renamed: links that were made before hold the old text, and open the same view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

SOURCES = {"real image": "test image", "random draw": "random code", "kept vector": "shelf item"}
OPTIONS: dict[str, Mapping[str, Any]] = {  # by how a query parameter ends: the old text, and the option it means
    "_source": SOURCES,
    "custom_start": SOURCES,
    "compare_digit": {"all digits": None} | {f"only {digit}s": digit for digit in range(10)},
    "diagnose_topic": {"Collapse": "collapse", "Digits": "overlap", "digits": "overlap"},
    "directions_kind": {"two digits": "two classes", "two vectors": "two codes", "kept direction": "shelf direction"},
    "map_colour": {"digit": "class", "reconstruction error": "MSE"},
    "statistics_codes": dict.fromkeys(("the 10,000 test digits", "the 10,000 test images"), "the images in use"),
    "runs_digits": {"one of each digit": "one per class", "in their order": "in order"},
}
CHOICES = {  # of how a file is read: by the choice, the old text and the new one
    "Mean of the code": {"even places": "even indices", "odd places": "odd indices"},
    "Label": {"behind": "after"},
}


def open_renamed_options() -> None:
    """Set the controls of options that the address calls by an old text.

    Before the controls are drawn: Streamlit passes over the text, which is none of their options any more.
    """
    for parameter, text in st.query_params.items():
        for end, renamed in OPTIONS.items():
            if parameter.endswith(end) and text in renamed and parameter not in st.session_state:
                st.session_state[parameter] = renamed[text]


def choice(name: str, chosen: str) -> str:
    """A choice of a reading as it is called now.

    >>> choice("Label", "behind"), choice("Label", "before"), choice("Upsampling", "behind")
    ('after', 'before', 'behind')
    """
    return CHOICES.get(name, {}).get(chosen, chosen)
