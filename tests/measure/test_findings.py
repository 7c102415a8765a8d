"""Findings: sentences made from planted numbers say what was planted."""

import re
from dataclasses import replace

import numpy as np
import pytest

from latent import sampling
from latent.measure import judge
from latent.measure.bounds import LikelihoodBounds
from latent.measure.dimensions import Dimensions, PropertyCorrelations, Reconstruction
from latent.measure.disentanglement import Disentanglement
from latent.measure.evidence import CODES, PCA, REAL, RECONSTRUCTIONS, SEED, Evidence, Predictions, Sampled
from latent.measure.fidelity import Fidelity
from latent.measure.findings import COPIES, RULES, advice, findings, foremost, recommended
from latent.measure.health import Health
from latent.measure.knowledge import Knowledge
from latent.measure.originals import JUDGE
from latent.measure.smoothness import KINDS, Smoothness
from latent.space import LatentSpace
from tests.support.models import tiny

RNG = np.random.default_rng(0)
N = 200


def fidelity(frechet, novelty=1.0, class_counts=None):
    class_counts = np.full(10, 100) if class_counts is None else np.array(class_counts)
    shares = class_counts[class_counts > 0] / class_counts.sum()
    return Fidelity(frechet, 1, 1, 1, 1, class_counts, float(-(shares * np.log2(shares)).sum()), 1, 0, novelty)


FRECHET = {REAL: 0.1, RECONSTRUCTIONS: 0.5, "normal": 40, "learned": 19, "uniform": 60, "gaussian": 9, "mixture": 1}
FIDELITIES = {name: fidelity(value) for name, value in FRECHET.items()}
FIDELITIES |= {"classes": fidelity(2), "around": fidelity(0.6, novelty=0.4)}


@pytest.fixture
def planted():
    """An evidence of 12 dimensions, every part of it made up."""
    space = LatentSpace.of("planted", tiny(latent_dim=12))
    few = replace(space.dataset.select(np.arange(N)), labels=np.arange(N, dtype=np.uint8) % 10)
    evidence = Evidence.of(space.judged_by(few))
    effect = np.ones(12)
    effect[[3, 9]] = 0.001
    correlation = np.eye(12)
    correlation[2, 7] = correlation[7, 2] = -0.8
    related = np.zeros((12, 2))
    related[5, 1] = 0.81
    overlap = np.eye(10) * 0.69
    overlap[4, 9] = 0.31
    errors = np.where(evidence.space.labels == 8, 0.02, np.where(evidence.space.labels == 1, 0.005, 0.01))
    changed = evidence.space.labels.copy()
    changed[:20] = (changed[:20] + 1) % 10
    length = {"linear": 40.0, "spherical": 50.0, "through codes": 20.0}
    scores = ("mig", "sap", "disentanglement", "completeness", "informativeness")
    evidence.found.update(
        {
            ("health",): Health(0.0105, 0.08, (0.06, 0.07), 0.28, 0.26, 0.2, 0.3, 1.0, 0.9),
            ("disentanglement",): Disentanglement(
                ("ink", "slant"), *(0.1, 0.2, 0.3, 0.4, 0.5), dict.fromkeys(scores, (0.08, 0.12)), np.zeros((12, 2))
            ),
            ("judges_real_images",): True,
            ("reconstruction",): Reconstruction(errors, evidence.space.labels),
            ("pca_errors",): np.linspace(0.08, 0.0212, 13),
            ("dimensions",): Dimensions(np.arange(12), np.ones(12), effect, np.ones(12), None, correlation, 8.0),
            ("property_correlations",): PropertyCorrelations(("ink", "slant"), np.arange(12), related, related),
            ("neighbours",): overlap,
            ("knowledge", CODES): Knowledge(0.93, 0.97, 0.6, 0.6),
            ("knowledge", PCA): Knowledge(0.85, 0.94, 0.5, 0.5),
            ("predictions",): Predictions(evidence.space.labels, changed),
        }
        | {("sampler", name, SEED): Sampled(each, np.zeros((1, 12)), None) for name, each in FIDELITIES.items()}
        | {
            ("smoothness", kind): Smoothness(
                *np.zeros((2, 16, 12)), length[kind] + np.arange(5) / 10, np.ones(5), np.full(5, 0.5), np.full(5, 0.25)
            )
            for kind in KINDS
        }
    )
    evidence.originals.found[JUDGE] = judge.load()
    return evidence


def texts(evidence):
    return [finding.text for finding in findings(evidence)]


def test_planted_numbers_come_out_in_words(planted):
    said = " ".join(texts(planted))
    for sentence in (
        "test MSE 0.0105, against 0.0212 for PCA with 12 components",
        "MSE is highest for class 8 (0.0200), lowest for class 1 (0.0050)",
        "Reconstruction changes the predicted class of 10.0% of images",
        "10 of 12 dimensions are active. Dimensions 3 and 9 have no visible effect (below 1% of the average)",
        "Dimensions 2 and 7 are correlated (r = -0.80)",
        "Dimension 5 correlates with slant (r = 0.81); its traversal confirms it",
        "Best sampler: the mixture, Fréchet distance 1.00, against 19.00 for the learned sampler (real images: 0.10, "
        "reconstructions: 0.50)",
        "Not compared: perturbed real codes (0.60), which repeat the codes they were fitted to (novelty 0.40; unseen "
        "images: 1)",
        "Samples from the learned sampler show every class; the rarest at 100% (",
        "Entropy 3.32 bits (real: 3.32)",
        "Least separated: 31.0% of the neighbours of class 4 are class 9",
        "a linear probe reaches 93.0%, 5-NN 97.0%; on equal-size PCA, 85.0% and 94.0%",
        "Images change more smoothly on paths through real codes: perceptual path length 20, against 40 on linear "
        "paths",
        "On linear paths, 25% of the points are out of distribution, and the largest step is 2.0 times the mean one",
        "Disentanglement of ink and slant: MIG 0.100 (0.080–0.120), SAP 0.200 (0.080–0.120), DCI 0.30",
    ):
        assert sentence in said
    assert 5 <= len(texts(planted)) <= 11


def test_each_finding_carries_its_number_and_its_picture(planted):
    by_topic = {}
    for finding in findings(planted):
        by_topic.setdefault(finding.topic, []).append(finding)
        assert np.isfinite(finding.value)
    assert set(by_topic) == {"reconstruction", "dimensions", "samplers", "collapse", "overlap", "smoothness"}
    assert by_topic["samplers"][0].value == pytest.approx(19)
    assert [finding.dimension for finding in by_topic["dimensions"]] == [3, 7, 5, None]


def test_nothing_is_said_of_what_is_not_measured_and_nothing_is_measured_to_say_it(planted):
    del planted.found["knowledge", PCA]
    del planted.found["sampler", "uniform", SEED]
    before = set(planted.found)
    said = " ".join(texts(planted))
    assert "linear probe" not in said
    assert "Best sampler" not in said
    assert "Least separated" in said
    assert set(planted.found) == before


def test_where_only_the_health_is_known_the_error_is_set_against_the_mean_image(planted):
    for part in set(planted.found) - {("health",)}:
        del planted.found[part]
    health = planted.health()
    low, high = (bound / health.mean_image_mse for bound in health.gain)
    (said,) = texts(planted)
    assert f"test MSE is {health.mse:.4f}, {low:.0%} to {high:.0%}" in said


def test_a_sampler_stuck_on_one_digit_is_found_out(planted):
    stuck = fidelity(50, class_counts=[0, 1000, 0, 0, 0, 0, 0, 0, 0, 0])
    planted.found["sampler", "learned", SEED] = Sampled(stuck, np.zeros((1, 12)), None)
    said = " ".join(texts(planted))
    assert "Samples from the learned sampler rarely show classes 0, 2, 3, 4, 5, 6, 7, 8 and 9" in said
    assert re.search(r"Entropy -?0\.00 bits \(real: 3\.32\)", said)


def test_a_sampler_that_copies_is_not_recommended_however_near_it_comes():
    assert FIDELITIES["around"].frechet < FIDELITIES["mixture"].frechet
    assert FIDELITIES["around"].novelty < COPIES
    assert recommended(FIDELITIES) == "mixture"
    assert recommended(FIDELITIES | {"around": fidelity(0.6, novelty=0.9)}) == "around"
    assert recommended({REAL: fidelity(0), "around": fidelity(1, novelty=0.1)}) == "around", "where there is no other"


def with_interval(frechet, reach, **others):
    return replace(fidelity(frechet, **others), intervals={"frechet": (frechet - reach, frechet + reach)})


def test_samplers_are_ranked_only_where_their_intervals_part():
    apart = FIDELITIES | {"mixture": with_interval(1, 0.2), "classes": with_interval(2, 0.2)}
    assert advice(apart).text.startswith("Best sampler: the mixture, Fréchet distance 1.00 (0.80–1.20), against 19.00")
    near = FIDELITIES | {"mixture": with_interval(1, 0.6), "classes": with_interval(2, 0.6)}
    assert (
        "no difference found: the mixture and per-class Gaussians, Fréchet distances 1.00 and 2.00" in advice(near).text
    )
    alike = near | {"learned": with_interval(1.1, 0.6)}
    assert advice(alike).text.startswith("No sampler is found better than the learned sampler: Fréchet distance 1.10")


def test_where_samples_are_as_good_as_reconstructions_there_is_nothing_left_to_gain():
    limit = "the decoder is the limit"
    assert limit not in advice(FIDELITIES).text
    assert limit in advice(FIDELITIES | {"mixture": with_interval(0.6, 0.2)}).text
    assert limit in advice(FIDELITIES | {"mixture": fidelity(0.4)}).text


def test_a_vae_is_compared_with_its_own_prior():
    assert "against 40.00 for N(0, 1)" in advice(FIDELITIES, has_prior=True).text


def test_a_sampler_of_which_a_third_copies_is_not_recommended_whatever_its_median_novelty():
    real = replace(fidelity(0.1), near_copies=0.4, intervals={"near_copies": (0.38, 0.42)})
    third = replace(fidelity(0.3, novelty=0.99), near_copies=0.5, intervals={"near_copies": (0.48, 0.52)})
    honest = replace(fidelity(0.6), near_copies=0.39, intervals={"near_copies": (0.37, 0.41)})
    assert recommended({REAL: real, "around": third, "mixture": honest}) == "mixture"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (101, "show every class; the rarest at 99% ("),  # nine are as rare as the one
        (80, "show every class; the rarest, 3, at 80% ("),
        (34, "show every class; the rarest, 3, at 34% (31% to 38%) of its real frequency"),
        (1, "rarely show class 3"),
    ],
)
def test_a_class_at_a_third_of_its_share_is_neither_missing_nor_fine(planted, count, said):
    drawn = [count * 10 if each == 3 else 1000 for each in range(10)]
    drawn[0] += 10_000 - sum(drawn)
    real = np.full(10, 1000)
    for name, class_counts in (("learned", drawn), (REAL, real)):
        planted.found["sampler", name, SEED] = Sampled(fidelity(5, class_counts=class_counts), np.zeros((1, 12)), None)
    assert f"Samples from the learned sampler {said}" in " ".join(texts(planted))


def test_a_class_that_few_samples_lack_is_neither_called_shown_nor_missing(planted):
    for name, class_counts in (("learned", [5, 5, 5, 0]), (REAL, np.full(4, 5))):
        counted = fidelity(5, class_counts=class_counts)
        planted.found["sampler", name, SEED] = Sampled(counted, np.zeros((1, 12)), None)
    said = " ".join(texts(planted))
    assert "Samples from the learned sampler show class 3 at 0% (0% to " in said
    assert "every class" not in said


@pytest.mark.parametrize("novelty", [0.4, 1.0])
def test_a_sampler_is_left_out_of_the_comparison_only_where_it_copies(planted, novelty):
    planted.found["sampler", "around", SEED] = Sampled(fidelity(0.6, novelty=novelty), np.zeros((1, 12)), None)
    assert ("Not compared: perturbed real codes (0.60)" in " ".join(texts(planted))) == (novelty < 0.75)


def test_paths_are_ranked_only_where_the_paired_difference_is_clear(planted):
    through = planted.found["smoothness", "through codes"]
    noisy = replace(through, path_length=np.array([0, 100, 0, 100, 2.0]))
    planted.found["smoothness", "through codes"] = noisy
    assert "no difference of 10% or more found in perceptual path length" in " ".join(texts(planted))


@pytest.mark.parametrize(("longer", "said"), [(1.05, "no difference of 10%"), (1.2, "more smoothly on linear paths")])
def test_a_difference_of_paths_that_is_clear_but_small_is_no_finding(planted, longer, said):
    linear = planted.found["smoothness", "linear"]
    through = replace(linear, path_length=linear.path_length * longer)
    planted.found["smoothness", "through codes"] = through
    assert said in " ".join(texts(planted))


def test_classes_whose_errors_are_not_told_apart_are_named_together(planted):
    labels = planted.space.labels
    spread = np.where(np.arange(N) // 10 % 2, 0.002, -0.002)
    errors = np.where(np.isin(labels, [8, 2]), 0.02, np.where(labels == 1, 0.005, 0.01)) + spread
    planted.found["reconstruction",] = Reconstruction(errors, labels)
    assert "MSE is highest for classes 2 (0.0200) and 8 (0.0200), lowest for class 1" in " ".join(texts(planted))
    planted.found["reconstruction",] = Reconstruction(np.full(N, 0.01) + spread, labels)
    assert "MSE is highest" not in " ".join(texts(planted))


def test_the_log_likelihood_comes_with_its_interval_and_what_the_posterior_costs(planted):
    vae = replace(tiny("vae", latent_dim=12), recipe={"beta": 0.1})
    evidence = replace(planted, space=LatentSpace.of("vae", vae, planted.space.dataset))
    spread = np.tile([-1.0, 1.0], 50)
    evidence.found["likelihood_bounds",] = LikelihoodBounds(
        "normal pixels of variance 0.05", 16, 10 + spread, 12 + spread, -80 + spread
    )
    (said,) = [text for text in texts(evidence) if "log-likelihood" in text]
    assert said == (
        "The log-likelihood is at least 12.0 nats per image (11.8 to 12.2), against -80.0 for the mean image: "
        "importance-weighted bound of 16 samples, normal pixels of variance 0.05, as in training. The ELBO is 10.0, so "
        "the encoder's posterior costs at least 2.0 nats."
    )
    evidence.found["likelihood_bounds",] = None
    assert not any("log-likelihood" in text for text in texts(evidence))


def test_of_pairs_of_classes_that_are_not_told_apart_none_is_called_the_least_separated_alone(planted):
    overlap = planted.found["neighbours",] = np.eye(10)
    overlap[4, 9] = 0.6
    sentence = "Least separated: 60.0% of the neighbours of class 4 are class 9"
    assert f"{sentence}." in texts(planted)
    overlap[3, 5] = overlap[5, 3] = 0.5
    assert f"{sentence}; no difference found from 2 other pairs of classes." in texts(planted)


def test_behind_a_closed_gate_nothing_else_is_said(planted):
    planted.found["health",] = Health(0.09, 0.08, (-0.02, -0.01), 0.28, 0.2, 0.2, 0.3, 1.0, 0.4)
    said = texts(planted)
    assert len(said) == 2
    assert said[0].startswith("Reconstructions are worse than the mean image")
    assert said[1].startswith("10 of 12 dimensions are active")
    del planted.found["health",]
    assert texts(planted) == []


def test_advice_compares_with_the_usual_choice_or_with_real_images():
    learned = {**FIDELITIES, "learned": fidelity(0.2)}
    assert "Best sampler: the learned sampler, Fréchet distance 0.20" in advice(learned).text
    assert "against 40.00 for N(0, 1)" in advice(learned).text
    alone = advice({REAL: fidelity(0.1), "normal": fidelity(3, novelty=np.nan)})
    assert alone.text == "Samples from N(0, 1): Fréchet distance 3.00 (real images: 0.10)."


def test_a_space_of_one_dimension_and_one_without_represented_properties_have_their_sentences(planted):
    planted.found["property_correlations",] = PropertyCorrelations(
        ("ink", "slant"), np.arange(12), np.full((12, 2), 0.1), np.zeros((12, 2))
    )
    assert any(text.startswith("No dimension represents ink or slant") for text in texts(planted))
    planted.found["dimensions",] = Dimensions(
        np.array([4]), np.ones(1), np.ones(1), np.ones(1), None, np.ones((1, 1)), 1.0
    )
    assert not any(
        "no visible" in text or "are correlated" in text or "affect the image" in text for text in texts(planted)
    )
    planted.found["dimensions",] = Dimensions(
        np.arange(3), np.ones(3), np.array([1, 2, 0.5]), np.ones(3), None, np.eye(3), 3.0
    )
    assert "All 3 dimensions affect the image, with 43% to 171% of the average effect." in texts(planted)


def test_every_rule_needs_something_that_there_is_to_measure(planted):
    vae = Evidence.of(LatentSpace.of("vae", replace(tiny("vae"), recipe={"beta": 1.0})))
    known = {part[0] for each in (planted, vae) for part in each.parts()}
    assert all(known.issuperset(rule.needs) and rule.needs for rule in RULES)
    assert set(FIDELITIES) == {REAL, RECONSTRUCTIONS, *sampling.SAMPLERS}


def test_what_is_wrong_comes_first_and_then_how_good_the_model_is(planted):
    first = foremost(findings(planted))
    assert [each.topic for each in first] == ["dimensions", "reconstruction", "samplers"]
    assert first[0].defect
    assert "Dimensions 3 and 9" in first[0].text
    flawless = [each for each in findings(planted) if not each.defect]
    assert [each.topic for each in foremost(flawless)] == ["reconstruction", "samplers", "overlap"]
    assert foremost([]) == []
