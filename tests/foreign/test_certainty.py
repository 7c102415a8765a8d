"""How sure: each doubt lowers the level, is said in a sentence, and comes with what would settle it."""

from dataclasses import replace

import pytest

from latent.foreign.certainty import Certainty, Level
from latent.foreign.chains import chains
from latent.foreign.clock import Clock
from latent.foreign.layers import layers_of
from latent.foreign.search import FINE_IMAGES, Examples, Search, first_readings
from tests.support.authors import pooled, unshrunk

SURE = Certainty(margin=1.2, advantage=1.2, relative_error=0.4)


def test_a_clear_lead_and_a_low_error_make_a_reading_certain():
    assert SURE.level == Level.CERTAIN
    assert (SURE.reasons(), SURE.remedy) == ([], "")


@pytest.mark.parametrize(
    ("doubt", "level", "words"),
    [
        ({"advantage": 1.02}, Level.LIKELY, "other images"), ({"advantage": 0.9}, Level.GUESS, "other images"),
        ({"relative_error": 0.7}, Level.LIKELY, "other images"),
        ({"relative_error": 0.95}, Level.GUESS, "other images"),
        ({"not_run": ("attention",)}, Level.LIKELY, "attention"), ({"open_size": True}, Level.LIKELY, "how large"),
        ({"wide_code": True}, Level.GUESS, "no smaller than the image"), ({"two_scales": True}, Level.GUESS, "scale"),
        ({"in_time": False}, Level.LIKELY, "time"), ({"decoder_alone": True}, Level.GUESS, "no encoder"),
    ],
)  # fmt: skip
def test_every_doubt_is_said_and_never_certain(doubt, level, words):
    found = replace(SURE, **doubt)
    assert found.level == level
    assert any(words in reason for reason in found.reasons())
    assert found.remedy


def test_it_is_kept_as_plain_values():
    found = replace(SURE, not_run=("a", "b"), margin=float("inf"))
    assert Certainty.from_dict(found.to_dict()) == found
    with pytest.raises(KeyError):
        Certainty.from_dict({})


@pytest.mark.parametrize(("build", "wide"), [(unshrunk, True), (pooled, False)])
def test_a_code_as_large_as_the_image_proves_no_reading(build, wide):
    chain, *_ = chains(layers_of(build().state_dict()))
    search = Search(Examples.shipped())
    best = search.scored(next(first_readings(chain, {}, False, False)), FINE_IMAGES)
    assert search.certainty(best, Clock(5)).wide_code == wide


def test_pixels_that_come_out_on_another_scale_than_they_go_in_are_only_guessed():
    chain, *_ = chains(layers_of(pooled().state_dict()))
    search, reading = Search(Examples.shipped()), next(first_readings(chain, {}, False, False))
    for output, scale, expected in (
        ("tanh for [-1, 1]", "[0, 1]", True), ("tanh for [-1, 1]", "[-1, 1]", False),
        ("sigmoid", "standardised", False), ("sigmoid for standardised", "standardised", False),
    ):  # fmt: skip
        best = search.scored(replace(reading, pixels=scale, output=output), FINE_IMAGES)
        assert search.certainty(best, Clock(5)).two_scales == expected


def test_what_was_kept_before_codes_were_measured_is_as_sure_as_it_was():
    values = {name: value for name, value in SURE.to_dict().items() if name not in ("wide_code", "two_scales")}
    assert Certainty.from_dict(values) == SURE
