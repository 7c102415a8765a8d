"""How sure: each doubt lowers the level, is said in a sentence, and comes with what would settle it."""

from dataclasses import replace

import pytest

from latent.foreign.certainty import Certainty, Level

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
