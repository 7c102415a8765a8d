"""What is added in one place is found in all the places where a person would look for it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from latent import compare, report, sampling
from latent.measure import findings
from latent.measure.evidence import REAL, Evidence
from latent.measure.exhibits import Exhibit
from latent.measure.fidelity import MEASURES
from latent.measure.measures import Measure
from latent.measure.scores import SCORES
from latent.measure.topics import TOPICS, Files, Topic
from latent.sampling import SAMPLERS, Sampler
from latent.space import LatentSpace
from tests.support.models import CHECKPOINTS


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
def few():
    space = LatentSpace.open(CHECKPOINTS / "ae-2.pt")  # of an untrained one nothing is reported but that
    return Evidence.of(space.judged_by(space.dataset.select(np.arange(300))))


class TestSampler:
    def test_it_is_registered_by_its_decorator(self, monkeypatch):
        monkeypatch.setattr(sampling, "SAMPLERS", {})
        assert sampling.add_sampler(Replay) is Replay
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
        assert "replayed codes" in findings.advice({REAL: found, "replay": found}).text

    def test_a_decoder_alone_is_offered_it_only_where_it_needs_no_codes(self, replay, few, monkeypatch):
        signature = replace(few.space.signature, has_encoder=False)
        monkeypatch.setattr(type(few.space.model), "signature", property(lambda model: signature), raising=False)
        assert few.samplers == ("normal",)
        monkeypatch.setattr(Replay, "needs_codes", False)
        assert few.samplers == ("normal", "replay")


class TestReport:
    @pytest.mark.exhaustive
    def test_an_added_sampler_and_measure_are_in_it(self, replay, few, monkeypatch):
        ones = Measure("share of 1s", "share", "neither", ".1%", "", lambda samples: 0.875)
        monkeypatch.setitem(MEASURES, "ones", ones)
        for name in few.rows:
            few.sampler(name, 0)
        text = report.page(few)
        assert "<b>Replay</b>, Fréchet distance" in text
        assert "<th>share of 1s</th>" in text
        assert "<td>87.5%</td>" in text
        assert set(report.numbers(few)["samplers"]) == set(few.rows)
        assert report.numbers(few)["samplers"]["replay"]["ones"] == 0.875

    def test_an_added_topic_is_in_it_once_what_it_needs_is_measured(self, few, monkeypatch):
        sizes = Topic(
            "sizes", "Sizes", ("reconstruction",), lambda view: iter([Exhibit(title="300 <images>")]),
            lambda view: Files({}, "", {}),
        )  # fmt: skip
        monkeypatch.setitem(TOPICS, "sizes", sizes)
        assert "Sizes" not in report.page(few)
        few.reconstruction()
        assert "<h2>Sizes</h2>" in report.page(few)
        assert "300 &lt;images&gt;" in report.page(few)


class TestMeasureOfSamplers:
    def test_it_is_measured_and_written_with_the_others(self, few, monkeypatch):
        def share_of_ones(samples):
            return samples.counts[1] / len(samples.features)

        ones = Measure("ones", "share", "neither", ".1%", "The share of 1s that the judge sees.", share_of_ones)
        monkeypatch.setitem(MEASURES, "ones", ones)
        found = few.sampler("normal", 0).fidelity
        assert found.value("ones") == found.class_counts[1] / found.class_counts.sum()
        assert list(found.to_dict())[-1] == "ones"

    def test_a_value_from_before_it_was_added_is_not_known(self, few, monkeypatch):
        found = few.sampler("normal", 0).fidelity
        monkeypatch.setitem(MEASURES, "late", Measure("late", "", "more", ".3g", "", lambda samples: 1.0))
        assert np.isnan(found.value("late"))


class TestScore:
    def test_it_is_in_the_table_of_two_models(self, tiny_space, monkeypatch):
        pixels = Measure(
            "Pixels", "", "more", ",.0f", "In an image.", lambda evidence: float(evidence.space.images[0].size)
        )
        for name in list(SCORES):
            monkeypatch.delitem(SCORES, name)  # which would take long to measure
        monkeypatch.setitem(SCORES, "pixels", pixels)
        numbers = compare.Comparison.of(tiny_space, tiny_space).numbers()
        assert numbers["a"]["pixels"] == numbers["b"]["pixels"] == 784
        assert numbers["better"] == {"pixels": None}
        assert compare.table_of(numbers) == [("Pixels", "784", "784", "")]
