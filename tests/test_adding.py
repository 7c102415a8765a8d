"""What is added in one place is found in all the places where a person would look for it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from latent import sampling
from latent.measure import findings
from latent.measure.evidence import Evidence
from latent.sampling import SAMPLERS, Sampler


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path))


@dataclass(frozen=True)
class Replay(Sampler):
    """The first codes that it was fitted to, again and again."""

    name = "replay"
    noun = "replayed codes"
    help = "The codes of the first real images, over and over."
    needs_labels = True

    codes: sampling.Codes

    @classmethod
    def fitted(cls, z, *, labels=None, **unused):
        return cls(z[: 5 if labels is None else 7])

    def draw(self, n, scale, rng):
        return np.resize(self.codes, (n, self.codes.shape[1]))


@pytest.fixture
def replay(monkeypatch):
    monkeypatch.setitem(SAMPLERS, "replay", Replay)


@pytest.fixture
def few(tiny_space):
    return Evidence(replace(tiny_space, images=tiny_space.images[:300], labels=tiny_space.labels[:300]))


class TestSampler:
    def test_it_is_registered_by_its_decorator(self, monkeypatch):
        monkeypatch.setattr(sampling, "SAMPLERS", {})
        assert sampling.sampler(Replay) is Replay
        assert list(sampling.SAMPLERS.items()) == [("replay", Replay)]

    def test_it_is_fitted_and_drawn_from_by_its_name(self, replay):
        z = np.arange(40, dtype=np.float32).reshape(20, 2)
        assert np.array_equal(sampling.sample(sampling.fit("replay", z), 6)[5], z[0])
        assert np.array_equal(sampling.sample(sampling.fit("replay", z, labels=np.zeros(20, int)), 6)[5], z[5])

    def test_it_is_measured_and_spoken_of(self, replay, few):
        assert few.samplers[-1] == few.rows[-1] == "replay"
        assert ("sampler", "replay", 0) in few.parts()
        found = few.sampler("replay", 0).fidelity
        assert found.novelty == 0
        assert "replayed codes" in findings.advice({"real images": found, "replay": found}).text

    def test_a_decoder_alone_is_offered_it_only_where_it_needs_no_codes(self, replay, few, monkeypatch):
        signature = replace(few.space.signature, has_encoder=False)
        monkeypatch.setattr(type(few.space.model), "signature", property(lambda model: signature), raising=False)
        assert few.samplers == ("normal",)
        monkeypatch.setattr(Replay, "needs_codes", False)
        assert few.samplers == ("normal", "replay")
