import numpy as np

from latent.support import Support, verdict

ROWS = np.random.default_rng(0).standard_normal((700, 5)).astype(np.float32)


def test_support_of_the_real_codes_themselves_is_spread_evenly():
    support = Support.of(ROWS)
    fresh = np.random.default_rng(1).standard_normal((4000, 5)).astype(np.float32)
    quantiles = support.quantile(fresh)  # unseen codes of the same distribution
    assert 0.4 < np.median(quantiles) < 0.65
    assert 0.02 < (quantiles > 0.95).mean() < 0.12


def test_support_falls_as_a_code_leaves_the_data():
    support = Support.of(ROWS)
    away = np.array([1, 3, 4, 5, 8])[:, None] * np.ones(5) / np.sqrt(5)
    quantiles = support.quantile(away.astype(np.float32))
    assert (np.diff(quantiles) >= 0).all()
    assert verdict(quantiles[0]) == "in distribution"
    assert verdict(quantiles[-1]) == "out of distribution"


def test_verdicts_end_where_they_say():
    assert [verdict(q) for q in (0, 0.95, 0.951, 0.9995, 1)] == [
        "in distribution", "in distribution", "borderline", "borderline", "out of distribution",
    ]  # fmt: skip
