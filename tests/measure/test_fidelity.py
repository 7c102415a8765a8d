import numpy as np
import pytest

from latent.errors import ArgumentError
from latent.measure import fidelity
from latent.measure.fidelity import (
    PixelComponents,
    Reference,
    entropy,
    frechet_distance,
    frechet_interval,
    halves,
    overlap,
)
from latent.measure.judgement import Judgement, Seen

RNG = np.random.default_rng(0)


def gaussian_features(mean, covariance, n=4000, seed=0):
    """Features whose sample mean and covariance are exactly these."""
    white = np.random.default_rng(seed).normal(size=(n, len(mean)))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white.T))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def covariance(d, seed):
    mix = np.random.default_rng(seed).normal(size=(d, d))
    return mix @ mix.T + 0.1 * np.eye(d)


def test_frechet_of_diagonal_gaussians_has_its_closed_form():
    mean_a, mean_b, std_a, std_b = RNG.uniform(0.5, 2, (4, 6))
    a, b = gaussian_features(mean_a, np.diag(std_a**2)), gaussian_features(mean_b, np.diag(std_b**2), seed=1)
    closed = np.square(mean_a - mean_b).sum() + np.square(std_a - std_b).sum()
    assert frechet_distance(a, b) == pytest.approx(closed, rel=1e-9)


def test_frechet_agrees_with_the_root_of_the_product_of_the_covariances():
    from scipy.linalg import sqrtm

    one, two = covariance(5, 1), covariance(5, 2)
    a, b = gaussian_features(np.zeros(5), one), gaussian_features(np.arange(5), two, seed=1)
    closed = np.square(np.arange(5)).sum() + np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert frechet_distance(a, b) == pytest.approx(closed, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(closed, rel=1e-9)


def test_frechet_is_0_to_itself_also_for_fewer_rows_than_features_and_for_constant_features():
    few = RNG.normal(size=(10, 40)).astype(np.float32)
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(few, few + 2) == pytest.approx(4 * 40, rel=1e-5)
    constant = np.ones((10, 40), np.float32)
    assert frechet_distance(constant, constant) == 0
    # To a point the distance is that of the means and all of the variance.
    expected = np.square(few.mean(axis=0) - 1).sum() + few.var(axis=0, ddof=1).sum()
    assert frechet_distance(few, constant) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("wrong", [np.zeros((1, 3)), np.zeros((5, 2)), np.zeros(3)])
def test_frechet_refuses_what_has_no_covariance_or_another_width(wrong):
    with pytest.raises(ArgumentError):
        frechet_distance(np.zeros((5, 3)), wrong)


def test_overlap_of_small_sets_worked_out_by_hand():
    # Real balls on a line: about 0, reaching to 2; about 10, reaching to 1; about 20, reaching to 3, clipped to 2.
    real, real_radii = np.array([[0.0], [10.0], [20.0]]), np.array([2.0, 1.0, 3.0])
    # Samples: 1 lies in the ball of 0; 12 in none, though its own ball holds 10; 18.5 in that of 20, 22.5 in that as it
    # is before it is clipped.
    samples, sample_radii = np.array([[1.0], [12.0], [18.5], [22.5]]), np.array([0.5, 2.5, 1.0, 1.0])
    precision, recall, density, coverage = overlap(real, real_radii, samples, sample_radii)
    assert precision == 2 / 4
    assert recall == 1 / 3
    assert density == pytest.approx(2 / (fidelity.N_NEIGHBOURS * 4))
    assert coverage == pytest.approx((1 + 0 + 2) / (fidelity.N_NEIGHBOURS * 3))


def by_definition(real, fake, k):
    """Precision, recall, density and coverage from the tables of all distances, as their papers define them."""

    def table(a, b):
        return np.linalg.norm(a[:, None] - b, axis=2)

    real_radii, fake_radii = (np.sort(table(rows, rows), axis=1)[:, k] for rows in (real, fake))
    between = table(real, fake)
    clipped = between < np.minimum(real_radii, np.median(real_radii))[:, None]
    return (
        clipped.any(axis=0).mean(),
        (between < fake_radii).any(axis=1).mean(),
        np.minimum(clipped.sum(axis=0) / k, 1).mean(),
        np.minimum((between < real_radii[:, None]).sum(axis=1) / k, 1).mean(),
    )


def measure(real, samples, digits=None, z=None, known=None, held_out=None):
    reference = Reference.of(
        Seen(judged(real.astype(np.float32), np.zeros(len(real), int), 0.9)),
        real.astype(np.float32) if known is None else known,
        real.astype(np.float32) + 1 if held_out is None else held_out,
    )
    digits = np.arange(len(samples)) % 10 if digits is None else digits
    return reference.measure(Seen(judged(samples, digits, 0.9)), z)


def judged(features, digits, confidence):
    """What a judge makes of pictures of these classes: the rest of the confidence is shared among the others."""
    probabilities = np.full((len(features), 10), (1 - confidence) / 9, np.float32)
    probabilities[np.arange(len(features)), digits] = confidence
    return Judgement(features.astype(np.float32), probabilities)


@pytest.mark.parametrize("shift", [0.0, 1.0, 5.0])
def test_a_measured_set_has_the_values_of_the_definitions(shift):
    real, samples = RNG.normal(size=(150, 4)), 0.8 * RNG.normal(size=(120, 4)) + shift
    found = measure(real, samples)
    expected = by_definition(real, samples, fidelity.N_NEIGHBOURS)
    assert np.allclose((found.precision, found.recall, found.density, found.coverage), expected, atol=1e-12)


def test_unseen_real_ones_score_as_real_and_noise_far_away_scores_nothing():
    real, unseen = RNG.normal(size=(2, 2000, 8))
    good = measure(real, unseen)
    assert good.recall > 0.8
    assert min(good.precision, good.coverage) > 0.5
    assert good.duplicates == pytest.approx(fidelity.DUPLICATE_QUANTILE, abs=0.01)
    bad = measure(real, unseen + 50)
    assert (bad.precision, bad.recall, bad.density, bad.coverage) == (0, 0, 0, 0)
    assert bad.frechet > 100 * good.frechet


def test_a_sampler_stuck_on_one_digit_shows_in_entropy_coverage_and_duplicates():
    centres = 20 * np.eye(10)
    digits = np.repeat(np.arange(10), 100)
    real, varied = centres[digits] + RNG.normal(size=(2, 1000, 10))
    stuck = centres[3] + 0.01 * RNG.normal(size=(1000, 10))
    well, badly = measure(real, varied, digits), measure(real, stuck, np.full(1000, 3))
    assert well.entropy == pytest.approx(np.log2(10))
    assert badly.entropy == 0
    assert badly.class_counts.tolist() == [0, 0, 0, 1000, 0, 0, 0, 0, 0, 0]
    assert badly.coverage < 0.1 < 0.7 < well.coverage
    assert badly.precision > 0.99, "every one of its pictures is a good one, and yet …"
    assert badly.recall < 0.05
    assert badly.duplicates > 0.99 > 0.1 > well.duplicates
    assert badly.frechet > 20 * well.frechet


def test_a_sampler_that_returns_known_codes_has_novelty_0_and_unseen_codes_have_1():
    known, held_out, fresh = RNG.normal(size=(3, 1500, 5)).astype(np.float32)
    real = RNG.normal(size=(1500, 4))
    copies, nearly, new = (
        measure(real, real, z=z, known=known, held_out=held_out).novelty for z in (known[::-1], known + 1e-3, fresh)
    )
    assert copies == 0
    assert 0 < nearly < 0.05
    assert new == pytest.approx(1, abs=0.05)
    assert np.isnan(measure(real, real, known=known, held_out=held_out).novelty), "no codes given"
    assert np.isnan(measure(real, real, z=known, known=known[:1], held_out=known[:1]).novelty), "nothing to compare"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_copies_among_the_samples_are_counted_where_their_median_distance_hides_them(share):
    known, held_out, fresh = RNG.normal(size=(3, 1500, 5)).astype(np.float32)
    real, copied = RNG.normal(size=(1500, 4)), int(share * 1500)
    z = np.concatenate([known[:copied], fresh[copied:]])
    found = measure(real, real, z=z, known=known, held_out=held_out)
    alike = measure(real, real, z=fresh, known=known, held_out=held_out).near_copies
    assert found.near_copies == pytest.approx(share + (1 - share) * alike, abs=0.03)
    low, high = found.interval("near_copies")
    assert low < found.near_copies < high
    assert found.novelty > 0.5 or share == 0.5, "the median hides them"


def test_near_copies_are_those_of_the_definition():
    known, z = RNG.normal(size=(2, 60, 3)).astype(np.float32)
    real = RNG.normal(size=(60, 4))
    scaled, drawn = known / known.std(axis=0), z / known.std(axis=0)
    between = np.linalg.norm(drawn[:, None] - scaled, axis=2)
    own = np.linalg.norm(scaled[:, None] - scaled, axis=2) + np.where(np.eye(60), np.inf, 0)
    expected = np.mean(between.min(axis=1) < own.min(axis=1)[between.argmin(axis=1)])
    assert measure(real, real, z=z, known=known, held_out=z).near_copies == pytest.approx(expected)
    assert measure(real, real, known=known, held_out=z).near_copies == pytest.approx(expected), "of unseen real ones"


def test_the_unit_of_a_dimension_changes_neither_novelty_nor_copies():
    known, held_out, z = RNG.normal(size=(3, 300, 3)).astype(np.float32)
    real, units = RNG.normal(size=(300, 4)), np.array([100, 1, 0.01], np.float32)
    one = measure(real, real, z=z, known=known, held_out=held_out)
    other = measure(real, real, z=z * units, known=known * units, held_out=held_out * units)
    assert (one.novelty, one.near_copies) == pytest.approx((other.novelty, other.near_copies), abs=1e-4)


def test_the_interval_of_a_frechet_distance_is_what_other_seeds_give():
    real = RNG.normal(size=(2000, 6))
    found = [frechet_interval(real, np.random.default_rng(s).normal(0.1, 1, (2000, 6))) for s in range(30)]
    values, reach = np.array([value for value, _ in found]), np.array([high - value for value, (_, high) in found])
    assert values[0] == pytest.approx(frechet_distance(real, np.random.default_rng(0).normal(0.1, 1, (2000, 6))))
    assert reach.mean() == pytest.approx(2.09 * values.std(), rel=0.35)


def test_pixels_show_a_missing_style_that_features_may_overlook():
    random = np.random.default_rng(0)
    tilt = random.uniform(0, 1, 800)
    images = (255 * (np.arange(8) < (tilt * 8)[:, None])[:, None, :].repeat(8, axis=1)).astype(np.uint8)
    components = PixelComponents.of(images[:400])
    features = random.normal(size=(400, 3)).astype(np.float32)
    opinion = judged(features, np.zeros(400, int), 1)
    reference = Reference.of(Seen(opinion, components(images[:400])), features, features + 1)
    whole, middle = images[400:], images[400:][np.abs(tilt[400:] - 0.5) < 0.1]
    near, far = (reference.measure(Seen(opinion, components(each))) for each in (whole, middle))
    assert near.frechet == far.frechet == pytest.approx(0, abs=1e-6)
    assert far.pixel_frechet > 10 * near.pixel_frechet
    assert near.interval("pixel_frechet")[1] < far.interval("pixel_frechet")[0]


@pytest.mark.parametrize("grey", [0.0, 0.05, 0.3, 1.0])
def test_grey_images_are_not_precise(evidence, grey):
    seen = evidence.originals.see(np.full((300, 28, 28), grey, np.float32))
    assert evidence.reference().measure(seen).precision == 0


def test_halves_share_nothing_and_leave_nothing_out():
    known, held_out = halves(101, seed=3)
    assert (len(known), len(held_out)) == (50, 51)
    assert sorted([*known, *held_out]) == list(range(101))
    assert known.tolist() != halves(101, seed=4)[0].tolist()


def test_entropy_is_in_bits():
    assert entropy(np.array([7])) == 0
    assert entropy(np.array([1, 1, 2])) == pytest.approx(1.5)


def test_too_few_real_pictures_are_refused():
    with pytest.raises(ArgumentError, match="neighbours"):
        measure(np.zeros((fidelity.N_NEIGHBOURS, 2)), np.zeros((20, 2)))
