"""Links that hold the old text of an option open the same view as before it was renamed."""

import json

import pytest

from latent import checkpoint
from latent.page.renamed import CHOICES
from tests.support.authors import network_of
from tests.support.exhaustive import few_rows_of
from tests.support.model_files import saved
from tests.support.models import tiny
from tests.support.page import opened, shown

OLD_LINKS = [
    ("Dimensions", {"dimensions_source": "random draw"}, "random code"),
    ("Arithmetic", {"arithmetic_a_source": "real image"}, "test image"),
    ("Interpolate", {"interpolate_from_source": "kept vector"}, "shelf item"),
    ("Custom vector", {"custom_start": "random draw"}, "random code"),
    ("Directions", {"directions_kind": "two digits"}, "two classes"),
    ("Directions", {"directions_kind": "two vectors"}, "two codes"),
    ("Directions", {"directions_kind": "kept direction"}, "shelf direction"),
    ("Map", {"map_colour": "reconstruction error"}, "MSE"),
    ("Compare runs", {"runs_digits": "in their order"}, "in order"),
    ("Real vs generated", {"compare_digit": "only 4s"}, 4),
]


@pytest.mark.parametrize(("section", "query", "option"), few_rows_of(OLD_LINKS, OLD_LINKS[:5]))
def test_an_old_link_opens_the_same_view(section, query, option, folder):
    (key, _), *_ = query.items()
    app = opened(section, **query)
    assert app.selectbox(key=key).value == option
    assert not app.error
    app.run()
    assert app.selectbox(key=key).value == option, "it stays"
    assert shown(app)


@pytest.mark.parametrize(
    ("text", "topic"),
    few_rows_of([("Collapse", "collapse"), ("Digits", "overlap"), ("digits", "overlap")], [("Digits", "overlap")]),
)
@pytest.mark.few_digits
def test_an_old_link_opens_the_same_topic(text, topic, folder, monkeypatch):
    from latent.page.panels import findings, topics

    monkeypatch.setattr(topics, "show_topic", lambda *given: None)
    monkeypatch.setattr(findings, "measure_and_show", lambda *given: None)
    monkeypatch.setattr(findings, "show_first", lambda *given: None)
    app = opened("Diagnose", diagnose_topic=text)
    assert app.radio(key="diagnose_topic").value == topic


def test_a_new_link_opens_what_it_says():
    app = opened("Custom vector", custom_start="zeros")
    assert app.selectbox(key="custom_start").value == "zeros"


@pytest.mark.parametrize(
    ("network", "choice", "old"),
    few_rows_of(
        [("one head, interleaved", "Mean of the code", "odd places"), ("conditional", "Label", "before")],
        [("one head, interleaved", "Mean of the code", "odd places")],
    ),
)
def test_an_old_link_reads_a_file_as_it_did(network, choice, old, tmp_path, monkeypatch):
    (tmp_path / "model.pth").write_bytes(saved(network_of(network).state_dict()))
    checkpoint.save(tmp_path / "other.pt", tiny())
    monkeypatch.setenv("LATENT_CHECKPOINTS", str(tmp_path))
    app = opened("Model", checkpoint="model", reading=json.dumps({choice: old}))
    box = next(box for box in app.selectbox if box.key.startswith(f"model_{choice}"))
    assert box.value == CHOICES[choice].get(old, old)
    assert shown(app) != shown(opened("Model", checkpoint="model"))
