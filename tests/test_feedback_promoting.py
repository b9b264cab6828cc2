"""A challenger goes live when it is proven better, however often somebody looks: two teams on one list, and honest intervals."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from recolab.feedback.interleaving import CHALLENGER, CHAMPION, interleaved_wins, interleaving_preference, team_draft
from recolab.feedback.promoting import Verdict, ab_differences, bernstein_sequence, judge_challenger, mixture_sequence

ALPHA = 0.05
SEQUENCES = {
    "bernstein": lambda x: bernstein_sequence(x, -1, 1, ALPHA),
    "mixture": lambda x: mixture_sequence(x, 1, ALPHA),
}
every_sequence = pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)


def wins(n, better, worse, runs=1, seed=0):
    """Lists won by the challenger, lost by it, and tied."""
    rng = np.random.default_rng(seed)
    return rng.choice([1.0, -1.0, 0.0], (runs, n), p=[better, worse, 1 - better - worse])


# Interleaving


def test_a_draft_goes_as_on_paper():
    # Whoever begins, items 1 and 2 come first; then each team has its own best left.
    seen = Counter()
    for seed in range(400):
        found = team_draft(np.array([1, 2, 3]), np.array([2, 1, 4]), 4, np.random.default_rng(seed))
        seen[tuple(found.items.tolist()), tuple(found.teams.tolist())] += 1
    a, b = CHAMPION, CHALLENGER
    assert set(seen) == {
        ((1, 2, 3, 4), (a, b, a, b)),
        ((1, 2, 4, 3), (a, b, b, a)),
        ((2, 1, 3, 4), (b, a, a, b)),
        ((2, 1, 4, 3), (b, a, b, a)),
    }
    assert all(60 < count < 140 for count in seen.values())  # 100 expected, 4 standard deviations are 35


def test_one_order_twice_is_shown_unchanged_and_nobody_wins():
    order, rng = np.arange(6), np.random.default_rng(0)
    drafts = [team_draft(order, order, 6, rng) for _ in range(2000)]
    assert all((draft.items == order).all() for draft in drafts)
    rewards = np.tile([1, 0, 0, 1, 0, 0], (2000, 1))
    found = interleaving_preference(rewards, np.stack([draft.teams for draft in drafts]))
    assert found.low < 0 < found.high
    assert (found.rows, found.effective_sample_size) == (2000, 2000)


def test_a_team_without_items_left_lets_the_other_pick_and_too_few_are_refused():
    rng = np.random.default_rng(0)
    assert sorted(team_draft(np.array([1]), np.array([1, 2, 3]), 3, rng).items.tolist()) == [1, 2, 3]
    assert len(team_draft(np.array([1, 2]), np.array([3, 4]), 3, rng).teams) == 3
    with pytest.raises(ValueError, match="the two orders fill 2 places together, the list needs 3"):
        team_draft(np.array([1, 2]), np.array([2, 1]), 3, rng)


def test_the_team_with_more_of_the_rewards_wins_a_list():
    teams = np.array([[1, -1, -1], [1, -1, 1], [-1, 1, 1], [1, -1, 1]])
    rewards = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0]])
    assert interleaved_wins(rewards, teams).tolist() == [-1, 1, 0, 0]
    assert interleaving_preference(rewards, teams).value == 0


def test_shoppers_who_like_what_the_challenger_has_on_top_are_heard():
    rng, liked = np.random.default_rng(1), np.array([0.1, 0.1, 0.1, 0.6, 0.6])
    drafts = [team_draft(np.arange(5), np.arange(5)[::-1], 3, rng) for _ in range(500)]
    shown = np.stack([draft.items for draft in drafts])
    rewards = rng.random(shown.shape) < liked[shown]
    assert interleaving_preference(rewards, np.stack([draft.teams for draft in drafts])).low > 0


# Peeking


@every_sequence
def test_who_looks_after_every_list_is_wrong_in_less_than_alpha_of_a_thousand_runs(sequence):
    """Nobody is better; a verdict within 2,000 lists, at whichever peek, is an error."""
    low, high = sequence(wins(2000, 0.2, 0.2, runs=1000))
    assert ((low > 0) | (high < 0)).any(1).mean() <= ALPHA


def test_who_looks_at_a_z_test_after_every_list_is_wrong_far_oftener():
    x = wins(2000, 0.2, 0.2, runs=1000)
    n = np.arange(1, 2001)
    means = x.cumsum(1) / n
    spread = np.sqrt((x**2).cumsum(1) / n - means**2)
    significant = np.abs(means) > 1.96 * spread / np.sqrt(n)
    assert significant[:, 30:].any(1).mean() > 0.3  # at any peek from the 30th list on
    assert significant[:, -1].mean() == pytest.approx(ALPHA, abs=0.025)  # looked at once, it keeps its word


@every_sequence
def test_the_true_mean_is_inside_at_all_times_at_once(sequence):
    low, high = sequence(wins(1000, 0.5, 0.2, runs=500, seed=3))
    assert ((low <= 0.3) & (high >= 0.3)).all(1).mean() >= 1 - ALPHA
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()


@every_sequence
@pytest.mark.parametrize(("better", "worse", "verdict"), [(0.3, 0.1, "better"), (0.1, 0.3, "worse")])
def test_a_difference_is_found_in_time_and_never_the_wrong_way(sequence, better, worse, verdict):
    found = [
        judge_challenger(type(s)(*ends))
        for s in [sequence(wins(1500, better, worse, 200))]
        for ends in zip(*s, strict=True)
    ]
    assert np.mean([one.verdict == verdict for one in found]) >= 0.95
    assert all(one.verdict in (verdict, Verdict.UNKNOWN) for one in found)


def test_rare_wins_are_told_sooner_where_the_variance_is_heard():
    x = wins(20_000, 0.015, 0.005, runs=50)
    narrow, wide = bernstein_sequence(x, -1, 1), mixture_sequence(x, 1, narrowest_at=20_000)
    assert (narrow.high[:, -1] - narrow.low[:, -1]).max() < 0.5 * (wide.high[:, -1] - wide.low[:, -1]).min()


def test_a_verdict_stands_from_the_moment_it_was_made():
    sequence = bernstein_sequence(np.ones(50), -1, 1)
    found = judge_challenger(sequence)
    assert (found.verdict, found.seen) == (Verdict.BETTER, 50)
    assert sequence.low[found.decided_at - 1] > 0 >= sequence.low[found.decided_at - 2]
    early = judge_challenger(bernstein_sequence(np.ones(found.decided_at - 1), -1, 1))
    assert (early.verdict, early.decided_at) == ("not known yet", 0)
    assert early.low <= 0 < early.high


# By hand


def test_the_bernstein_sequence_adds_up_as_on_paper():
    """The second theorem of Waudby-Smith & Ramdas in plain loops, on differences from -2 to 2."""
    x = np.random.default_rng(0).choice([-2.0, 0.0, 0.5, 1.0], 300, p=[0.05, 0.6, 0.3, 0.05])
    y, log = (x + 2) / 4, np.log(2 / ALPHA)
    mean, squares, total, weighted, cost, ends = 0.5, 0.25, 0.0, 0.0, 0.0, []
    for n, one in enumerate(y, start=1):
        bet = min(np.sqrt(2 * log / (squares * np.log(1 + n))), 0.5)
        total, weighted = total + bet, weighted + bet * one
        cost += 4 * (one - mean) ** 2 * (-np.log(1 - bet) - bet) / 4
        ends.append((weighted / total - (log + cost) / total, weighted / total + (log + cost) / total))
        mean = (0.5 + y[:n].sum()) / (n + 1)
        squares += (one - mean) ** 2
    low, high = bernstein_sequence(x, -2, 2, ALPHA)
    assert -0.5 < low[-1] < high[-1] < 0.8  # neither end is where it began
    np.testing.assert_allclose(low, np.maximum.accumulate([4 * max(a, 0) - 2 for a, _ in ends]))
    np.testing.assert_allclose(high, np.minimum.accumulate([4 * min(b, 1) - 2 for _, b in ends]))


def test_the_mixture_sequence_is_where_robbins_martingale_reaches_one_over_alpha():
    n, at, alpha = 400, 1000, 0.05
    low, high = mixture_sequence(np.zeros(n), 0.7, alpha, at)
    sharpness = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / at
    total = high[-1] * n / 0.7  # the sum, in spreads, at which 0 would be given up
    martingale = np.exp(sharpness * total**2 / (2 * (1 + n * sharpness))) / np.sqrt(1 + n * sharpness)
    assert martingale == pytest.approx(1 / alpha)
    assert low[-1] == -high[-1]


def test_a_mixture_is_closest_where_it_was_told_to_be():
    def width(at, n):
        return np.ptp([ends[-1] for ends in mixture_sequence(np.zeros(n), 1, narrowest_at=at)])

    for n in (100, 5000):
        assert all(width(n, n) <= width(at, n) for at in (n / 10, n / 2, n * 2, n * 10))


def test_the_differences_of_an_ab_test_average_what_the_challenger_adds():
    assert ab_differences(np.array([1, 1, 0]), np.array([True, False, True]), 0.2).tolist() == [5, -1.25, 0]
    rng = np.random.default_rng(0)
    is_challenger = rng.random(100_000) < 0.3
    rewards = rng.random(100_000) < np.where(is_challenger, 0.25, 0.2)
    differences = ab_differences(rewards, is_challenger, 0.3)
    assert abs(differences.mean() - 0.05) < 4 * differences.std() / np.sqrt(100_000)


def test_many_runs_are_bounded_as_each_alone():
    x = np.random.default_rng(0).uniform(-1, 1, (3, 4))
    for sequence in SEQUENCES.values():
        low, high = sequence(x)
        for row, one in enumerate(x):
            np.testing.assert_array_equal([low[row], high[row]], sequence(one))


def test_differences_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"1 of 3 differences are not from -1 to 1, first: \(1,\)"):
        bernstein_sequence(np.array([0, 2, 0]), -1, 1)
    with pytest.raises(ValueError, match="1 of 2 differences"):
        mixture_sequence(np.array([0, np.nan]), 1)
    with pytest.raises(ValueError, match="no difference yet"):
        bernstein_sequence(np.array([]), -1, 1)
    with pytest.raises(ValueError, match="share"):
        ab_differences(np.ones(2), np.array([True, False]), 1)


def test_a_draft_of_both_keeps_to_the_cap_of_a_group():
    groups = [0, 0, 0, 1, 1, 2]
    for seed in range(30):
        drawn = team_draft(np.arange(6), np.array([1, 0, 2, 4, 3, 5]), 3, np.random.default_rng(seed), groups, 1)
        assert sorted(groups[item] for item in drawn.items) == [0, 1, 2]
    with pytest.raises(ValueError, match="fill 3 places together, the list needs 4"):
        team_draft(np.arange(6), np.arange(6), 4, np.random.default_rng(7), groups, 1)
