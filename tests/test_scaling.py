"""recolab.scaling: planted curves are found again, and what cannot be known is refused."""

import numpy as np
import pytest

from recolab.scaling import Power, Saturation, fit_power, fit_saturation


def test_a_planted_curve_is_found_again_from_a_few_sizes():
    truth = Saturation(limit=0.3, gap=0.2, exponent=0.7, smallest=8, limit_error=0.0)
    sizes = np.array([8, 16, 32, 64, 128, 256])
    found = fit_saturation(sizes, truth.at(sizes))
    assert (found.limit, found.gap, found.exponent) == pytest.approx((0.3, 0.2, 0.7), rel=1e-4)
    assert found.limit_error < 1e-6
    np.testing.assert_allclose(found.at([8, 64]), truth.at([8, 64]), rtol=1e-6)


def test_the_error_of_the_limit_covers_the_planted_limit_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(0), 0
    sizes = np.repeat([1, 2, 4, 8, 16, 32], 3)
    for _ in range(200):
        found = fit_saturation(sizes, 0.3 - 0.2 * sizes**-1.0 + rng.normal(0, 0.005, len(sizes)))
        covered += abs(found.limit - 0.3) < 1.96 * found.limit_error
    assert 0.88 < covered / 200 < 0.99


def test_enough_by_hand():
    # 0.5 - 0.4 / s is within a tenth of 0.5 where 0.4 / s = 0.05: at 8 times the smallest.
    assert Saturation(0.5, 0.4, 1.0, smallest=4, limit_error=0).enough(0.1) == pytest.approx(32)
    assert Saturation(0.5, 0.01, 1.0, smallest=4, limit_error=0).enough(0.1) == 4  # the smallest is enough


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="3 points at 3 sizes"):
        fit_saturation([1, 2, 3], [0.1, 0.2, 0.25])
    with pytest.raises(ValueError, match="6 points at 2 sizes"):
        fit_saturation([1, 1, 1, 2, 2, 2], np.linspace(0.1, 0.2, 6))


@pytest.mark.parametrize(
    ("sizes", "scores"),
    [
        ([0, 1, 2, 4], [0.1, 0.2, 0.25, 0.27]),
        ([-1, 1, 2, 4], [0.1, 0.2, 0.25, 0.27]),
        ([1, 2, 4, 8], [0.1, 0.2, np.nan, 0.27]),
        ([1, 2, 4, np.inf], [0.1, 0.2, 0.25, 0.27]),
        ([1, 2, 4, 8], [0.1, 0.2, 0.25]),
    ],
)
def test_sizes_and_scores_that_lie_on_no_curve_are_refused(sizes, scores):
    with pytest.raises(ValueError, match=f"4 sizes and {len(scores)} scores: give as many of each, sizes above 0"):
        fit_saturation(sizes, scores)


def test_a_planted_power_is_found_again_and_read():
    found = fit_power([1, 10, 100], [3 * size**1.5 for size in (1, 10, 100)])
    assert (found.scale, found.exponent) == pytest.approx((3, 1.5))
    np.testing.assert_allclose(Power(2, 0.5).at([4, 9]), [4, 6])


@pytest.mark.parametrize(("sizes", "costs"), [([0, 1], [1, 1]), ([1, 2], [0, 1]), ([1, 2], [1, np.nan]), ([1, 2], [1])])
def test_costs_that_have_no_logarithm_are_refused(sizes, costs):
    with pytest.raises(
        ValueError, match=f"2 sizes and {len(costs)} costs: give as many of each, all of them numbers above 0"
    ):
        fit_power(sizes, costs)


def test_one_size_draws_no_line():
    with pytest.raises(ValueError, match="2 costs at 1 sizes: give two sizes or more"):
        fit_power([5, 5], [1, 2])
