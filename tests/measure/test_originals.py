"""What is measured of images alone: once for all models, and never of other images than these."""

from dataclasses import replace

import numpy as np
import pytest

from latent import dataset
from latent.compare import Comparison
from latent.measure import judge, knowledge, properties
from latent.measure.evidence import PCA, RECONSTRUCTIONS, Evidence
from latent.measure.originals import Originals
from latent.space import LatentSpace
from tests.support.models import tiny

N = 300


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def digits():
    return dataset.shipped().select(np.arange(N))


@pytest.fixture
def originals(digits):
    return Originals(digits, digits.images)


def test_two_models_are_judged_by_images_that_were_measured_once(digits, originals, monkeypatch):
    looked = []
    opinion = judge.Judge.__call__
    monkeypatch.setattr(judge.Judge, "__call__", lambda of, images: looked.append(images) or opinion(of, images))
    spaces = [LatentSpace.of(kind, tiny(kind), digits) for kind in ("ae", "vae")]
    for space in spaces:
        evidence = Evidence.of(space, originals)
        evidence.predictions()
        evidence.disentanglement()
    assert sum(images is originals.images for images in looked) == 1
    assert len(looked) > 3, "reconstructions are looked at as well, of both"
    assert originals.has("property_values", "slant")


def test_a_second_seed_finds_what_was_measured_of_the_images(digits, originals):
    evidence = Evidence.of(LatentSpace.of("tiny", tiny(), digits), originals)
    assert evidence.drawn_by(1).originals is originals
    assert evidence.judge() is evidence.drawn_by(1).judge()


def test_properties_are_those_of_the_images(originals):
    assert set(originals.properties()) == set(properties.STROKES)
    for name, values in originals.properties().items():
        assert np.array_equal(values, properties.STROKES[name].measure(originals.images), equal_nan=True)


def test_padded_images_are_no_resized_ones(digits):
    """Both have the same set and size: what is kept on disk of one must not be told of the other."""
    side = (1, 32, 32)
    padded = Originals(digits, digits.fitted(side, True), framed=True)
    resized = Originals(digits, digits.fitted(side))
    assert padded.identity != resized.identity
    errors = [each.pca_curve(3) for each in (padded, resized)]
    assert not np.allclose(*errors)
    assert errors[0][0] == pytest.approx(errors_of_the_mean(padded.images), rel=0.02)
    assert errors[1][0] == pytest.approx(errors_of_the_mean(resized.images), rel=0.02)
    assert padded.knowledge(3, 0) != resized.knowledge(3, 0)


def errors_of_the_mean(images):
    return np.var(images / 255, axis=0).mean()


def test_what_was_kept_on_disk_is_found_by_another_evidence(digits, originals, monkeypatch):
    evidence = Evidence.of(LatentSpace.of("tiny", tiny(latent_dim=3), digits), originals)
    known = evidence.knowledge(PCA)
    monkeypatch.setattr(knowledge, "pixels", lambda images: pytest.fail("measured again"))
    assert replace(originals, found={}).knowledge(3, 0) == known


def test_pictures_of_an_untrained_model_are_not_judged_for_its_errors(digits, originals):
    evidence = Evidence.of(LatentSpace.of("tiny", tiny(), digits), originals)
    errors = evidence.reconstruction().errors
    assert np.allclose(errors, evidence.space.errors)
    assert not originals.has("seen"), "no gate lets anything be said of them"


@pytest.mark.parametrize("asked", ["predictions", "reconstruction"])
def test_what_rests_on_pictures_is_found_when_they_are_forgotten(space, digits, originals, asked):
    evidence = Evidence.of(space.judged_by(digits), originals)
    before = getattr(evidence, asked)()
    evidence.sampler(RECONSTRUCTIONS, 0)
    assert not any(part[0] == "seen_again" for part in evidence.found)
    assert getattr(evidence, asked)() is before
    assert evidence.has("predictions")
    assert evidence.has("reconstruction")


def test_two_models_that_are_compared_share_what_is_of_the_same_images(digits):
    a, b = (LatentSpace.of(kind, tiny(kind), digits) for kind in ("ae", "vae"))
    both = Comparison.of(a, b)
    assert both.a.originals is both.b.originals
    large = LatentSpace.of("large", tiny(image_shape=(1, 32, 32)), digits)
    other = Comparison.of(a, large)
    assert other.b.originals.images.shape == (N, 32, 32), "of another size, they are others"
