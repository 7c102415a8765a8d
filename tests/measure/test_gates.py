"""Gates: each planted illness is found, first and alone, and a healthy model has none."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latent import checkpoint
from latent.measure.evidence import Evidence
from latent.measure.findings import findings
from latent.measure.gates import ALL, Looked, closed
from latent.measure.health import Health
from latent.model import Signature
from latent.report import gather, numbers, page
from latent.space import LatentSpace
from tests.support.models import CHECKPOINTS, ROOT, tiny

PLANTED = ROOT.parent / "shared" / "cases" / "planted-models"
CONDITIONAL = (
    ROOT.parent / "shared" / "foreign_checkpoints" / "ah-afshin__generative_digit_clustering__cvae_autoencoder.pth"
)
VAE = Signature("vae", 16, (1, 28, 28), (16,))


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path))


def few(space, n=300):
    """The same space with few images, so that all is measured quickly."""
    rows = np.linspace(0, len(space.images) - 1, n).astype(int)
    return Evidence.of(space.judged_by(space.dataset.select(rows)))


def changed(name, change):
    """The evidence of a shipped model after a change to its weights, given as a dictionary by name."""
    saved = checkpoint.load(CHECKPOINTS / f"{name}.pt")
    state = {key: value.clone() for key, value in saved.state.items()}
    linear = [key for key in state if key.endswith("weight") and state[key].ndim == 2]
    encoder = [key for key in linear if key.startswith("encoder.")]
    decoder = [key for key in linear if key.startswith("decoder.")]
    change(state, encoder[-1], decoder[0])
    return few(LatentSpace.of(name, replace(saved, state=state, scores={}, history=[], sha256="")))


def bias(weight):
    return weight.removesuffix("weight") + "bias"


def all_findings(evidence):
    list(gather(evidence))
    return findings(evidence)


def inverted(state, code, first):
    """Black and white change places in what the decoder makes."""
    last = [key for key in state if key.startswith("decoder.") and key.endswith("weight")][-1]
    state[last] *= -1
    state[bias(last)] *= -1


def widened(state, code, first):
    """The posterior's standard deviations are twenty times what they were; its means stay."""
    state[bias(code)][len(state[code]) // 2 :] += 2 * np.log(20)


def dark(state, code, first):
    """The last layer puts out one number."""
    last = [key for key in state if key.startswith("decoder.") and key.endswith("weight")][-1]
    state[last][:] = 0
    state[bias(last)][:] = -3


def deaf(state, code, first):
    """The decoder does not look at the code."""
    state[first][:] = 0


def still(state, code, first):
    state[code][:] = 0


def nearly_still(state, code, first):
    state[code] *= 1e-7


@pytest.mark.parametrize(
    ("change", "said"),
    [(dark, "draws one image"), (deaf, "draws one image"), (still, "same code"), (nearly_still, "same code")],
)
def test_a_constant_half_is_the_only_finding_and_nothing_else_is_measured(change, said):
    evidence = changed("ae-16", change)
    found = all_findings(evidence)
    assert [said in each.text for each in found] == [True]
    assert found[0].defect
    assert {part[0] for part in evidence.parts()} == {"health", "reconstruction", "pca_errors"}
    assert numbers(evidence)["samplers"] is None
    assert page(evidence).count(found[0].text) == 2, "among the findings, and over the reconstructions"


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", ["ae", "vae"])
def test_an_untrained_model_is_said_to_be_that_and_nothing_else(kind, seed):
    found = all_findings(few(LatentSpace.of("untrained", tiny(kind, latent_dim=8, seed=seed))))
    assert len(found) == 1
    assert found[0].text.startswith("Not trained, or not on such images")


def test_random_weights_that_draw_noise_are_not_taken_for_a_trained_model():
    def noise(state, code, first):
        generator = torch.Generator().manual_seed(3)
        for name, values in state.items():
            if name.endswith("weight") and values.ndim > 1:
                values[:] = torch.randn(values.shape, generator=generator) * (2 / values[0].numel()) ** 0.5

    found = all_findings(changed("ae-16", noise))
    assert len(found) == 1
    assert "against" in found[0].text


def collapsed(dimensions):
    def change(state, code, first):
        for d in dimensions:
            for row in (d, 16 + d):
                state[code][row] = 0
                state[bias(code)][row] = 0
        state[first][:, dimensions] = 0

    return change


def test_a_collapsed_vae_is_worse_than_the_mean_image_and_its_active_dimensions_are_counted():
    found = all_findings(changed("vae-16", collapsed([*range(4, 16)])))
    assert [each.defect for each in found] == [True, True]
    assert found[0].text.startswith("Reconstructions are worse than the mean image: test MSE 0.0")
    assert found[1].text.startswith("4 of 16 dimensions are active. Dimensions 4, 5, 6, 7, 8, 9 and 6 more collapsed")


@pytest.mark.exhaustive
def test_a_vae_with_two_collapsed_dimensions_still_works_and_has_its_other_findings():
    found = [each.text for each in all_findings(changed("vae-16", collapsed([3, 9])))]
    assert any(text.startswith("14 of 16 dimensions are active. Dimensions 3 and 9 collapsed") for text in found)
    assert any("Codes explain" in text for text in found)


def test_a_healthy_model_has_no_gate_closed(space):
    evidence = few(space)
    health = evidence.health()
    assert evidence.gates == []
    assert health.agreement > 0.9
    assert health.gain[0] > 0.05
    x = evidence.space.images / np.float32(255)
    assert health.mse == pytest.approx(
        np.square(evidence.space.reconstruct(evidence.space.images) - x).mean(), rel=1e-3
    )
    assert health.mean_image_mse == pytest.approx(x.var(axis=0).mean(), rel=1e-3)


def looked(health=None, **others):
    well = Health(0.005, 0.067, (0.06, 0.064), 0.26, 0.25, 0.2, 0.3, 1.0, 0.97)
    return Looked(**{"health": health or well, "signature": VAE, "recipe": {}, "history": []} | others)


def test_overfitting_is_told_by_the_losses_of_training():
    rows = [{"epoch": e, "train_loss": 0.02 / e, "test_loss": 0.02 + 0.001 * abs(e - 3)} for e in range(1, 11)]
    (gate,) = closed(looked(history=rows))
    assert "after 10 epochs the test loss is 0.0270, against 0.0020 in training" in gate.text
    assert "lowest, 0.0200, after epoch 3" in gate.text
    assert closed(looked(history=rows[:1])) == []


@pytest.mark.parametrize("name", ["ae-2", "ae-16", "vae-2", "vae-16"])
def test_no_shipped_model_is_overfitted(name):
    assert closed(looked(history=checkpoint.load(CHECKPOINTS / f"{name}.pt").history)) == []


def test_a_conditional_model_says_so_and_nothing_of_missing_or_overlapping_classes():
    (gate,) = closed(looked(signature=replace(VAE, n_classes=10)))
    assert gate.closes == {"coverage", "overlap"}
    assert "The class is an input" in gate.text


def test_a_model_of_other_images_says_so_also_where_it_works_on_these():
    (gate,) = closed(looked(recipe={"dataset": "FashionMNIST"}, dataset="MNIST"))
    assert gate.text.startswith("It was trained on FashionMNIST")
    assert gate.closes == frozenset()
    bad = Health(0.09, 0.067, (-0.03, -0.02), 0.26, 0.2, 0.2, 0.3, 1.0, 0.3)
    (gate,) = closed(looked(bad, recipe={"dataset": "FashionMNIST"}, dataset="MNIST"))
    assert "worse than the mean image" in gate.text
    assert gate.text.endswith("It was trained on FashionMNIST, not on these images.")


def test_a_decoder_alone_is_looked_at_without_images():
    z = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    images, labels = np.zeros((50, 2, 2), np.uint8), np.zeros(50, int)
    grey = Health.of(images, z, labels, lambda z, labels: np.full((len(z), 2, 2), 0.3), has_encoder=False)
    alone = replace(VAE, has_encoder=False)
    assert [gate.closes for gate in closed(looked(grey, signature=alone))] == [ALL]
    varied = Health.of(images, z, labels, lambda z, labels: np.tanh(z[:, :4].reshape(-1, 2, 2)), has_encoder=False)
    assert closed(looked(varied, signature=alone)) == []


@pytest.mark.skipif(not PLANTED.exists(), reason="the shared cases are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "beginnings"),
    [
        pytest.param("constant-decoder.pt", ["The decoder draws one image"], marks=pytest.mark.exhaustive),
        pytest.param("constant-encoder.pt", ["The encoder gives every image"], marks=pytest.mark.exhaustive),
        ("random-ae.pt", ["Not trained, or not on such images"]),
        ("collapsed-vae.pt", ["Reconstructions are worse than the mean image", "4 of 16 dimensions are active"]),
    ],
)
def test_planted_models_have_exactly_their_findings(name, beginnings):
    found = [each.text for each in all_findings(few(LatentSpace.open(PLANTED / name)))]
    assert len(found) == len(beginnings)
    assert all(text.startswith(beginning) for text, beginning in zip(found, beginnings))


def test_inverted_reconstructions_are_the_only_finding():
    (found,) = all_findings(changed("ae-16", inverted))
    assert found.text.startswith("Not trained, or not on such images: reconstructions have nothing in common")


@pytest.mark.exhaustive
def test_posteriors_that_are_too_wide_lower_the_bounds_and_change_no_other_finding():
    healthy, wide = (all_findings(changed("vae-16", change)) for change in (lambda *given: None, widened))
    (of_healthy,), (of_wide,) = ([each for each in found if "log-likelihood" in each.text] for found in (healthy, wide))
    assert of_wide.value < of_healthy.value - 100
    assert [each.text for each in wide if each is not of_wide] == [
        each.text for each in healthy if each is not of_healthy
    ]


@pytest.mark.exhaustive
@pytest.mark.skipif(not CONDITIONAL.exists(), reason="the shared cases are not beside this checkout")
def test_a_strangers_conditional_model_has_what_holds_beside_a_class_and_no_word_of_classes_in_the_code():
    found = [each.text for each in all_findings(few(LatentSpace.open(CONDITIONAL)))]
    assert found[0].startswith("The class is an input of this model beside the code")
    assert any(
        "codes that hold nothing of the class, which is given beside them, would reach" in text for text in found
    )
    assert any(" within a class. On linear paths" in text for text in found)
    for words in ("Least separated", "Samples from", "log-likelihood", "5-NN"):
        assert not any(text.startswith(words) or words in text for text in found)
