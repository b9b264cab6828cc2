"""The closed loop: shoppers do what their known laws say, lists learn what they should, and a guard does what it promises."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from benchmarks.loop import policy_figures, trying_figures
from recolab.feedback import EpsilonGreedy, Softmax
from recolab.live import Wish
from recolab.loop import (
    Feedback,
    Live,
    Looks,
    LoopConfig,
    Nightly,
    Offer,
    Opened,
    Pages,
    Thompson,
    by_day,
    clicks,
    gather_shoppers,
    learning,
    lifts,
    line_up,
    run_loop,
    satisfied_clicks,
    spend_day,
)
from recolab.loop.days import clicked_places, open_items, worth
from recolab.loop.lineup import LIVE
from recolab.loop.policies import POOL
from recolab.loop.running import measure
from recolab.loop.shoppers import EVENT_KINDS, deeds, drifted
from recolab.plots.loop import POLICY_COLOURS
from recolab.schema import CATEGORY, CLICK, DWELL, ITEM, KIND, POSITION, PROPENSITY, TIME, USER, VIEW, check_events
from recolab.sources.shop import Shop, Truth

SMALL = LoopConfig(n_users=80, n_items=160, past_days=10, days=3, pages_per_day=60)


@pytest.fixture(scope="module")
def shoppers():
    return gather_shoppers(SMALL)


@pytest.fixture(scope="module")
def first_day(shoppers):
    return next(shoppers.days())


def begun(policy, shoppers):
    policy.learn(shoppers.past(), pl.DataFrame(), shoppers.midnight(0))
    return policy


def live(shoppers, **settings):
    return begun(Live(shoppers.shelf.items, SMALL.k, **settings), shoppers)


class Same:
    """Shows the same rows to everybody, and remembers what it was told."""

    name = "Same"

    def __init__(self, rows):
        self.rows, self.watched, self.nights = np.asarray(rows), [], []

    def learn(self, log, shown, night):
        self.nights.append((log, shown, night))

    def watch(self, opened):
        self.watched.append(opened)

    def offer(self, user, at):
        rows = np.tile(self.rows, (len(user), 1))
        return Offer(rows, np.ones(rows.shape), rows)


# Shoppers


def test_the_same_config_gives_the_same_loop_and_another_seed_another(shoppers):
    again = gather_shoppers(SMALL)
    assert again.past().equals(shoppers.past())
    for one, other in zip(again.days(), shoppers.days(), strict=True):
        np.testing.assert_array_equal(one.luck, other.luck)
    policy = lambda: [Live(shoppers.shelf.items, SMALL.k, explore=EpsilonGreedy(0.2))]  # noqa: E731
    assert run_loop(again, policy()).equals(run_loop(shoppers, policy()))
    assert not gather_shoppers(replace(SMALL, seed=8)).past().equals(shoppers.past())


def test_liking_and_the_walk_are_those_of_the_simulated_shop(shoppers):
    shop = Shop(
        pl.DataFrame(), shoppers.shelf.items, pl.DataFrame(), Truth(pl.DataFrame(), shoppers.shelf, shoppers.crowd)
    )
    np.testing.assert_array_equal(shoppers.liking[5], shop.satisfaction(5))
    laws = shoppers.step_laws(shoppers.crowd.taste, np.array([5, 9]), np.array([17, -1]))
    np.testing.assert_allclose(laws[0], shop.next_item_probabilities(5, shoppers.shelf.items[ITEM][17]))
    np.testing.assert_allclose(laws[1], shop.next_item_probabilities(9))


def test_what_draws_a_click_is_need_liking_and_lure_each_by_its_known_weight(shoppers):
    user, item = np.array([3]), np.array([40])
    log_odds = lambda one: np.log(a := one.attraction(one.crowd.taste, user, item)) - np.log1p(-a)  # noqa: E731
    known = log_odds(shoppers)
    lured, liked = replace(shoppers, lure=shoppers.lure + 1), replace(shoppers, liking=shoppers.liking + 1)
    np.testing.assert_allclose(log_odds(lured) - known, 0.9)
    np.testing.assert_allclose(log_odds(liked) - known, 0.6)
    law = shoppers.step_laws(shoppers.crowd.taste, user, item)
    np.testing.assert_allclose(known, -4 + np.log1p(160 * law) + 0.6 * shoppers.liking[[3]] + 0.9 * shoppers.lure)


def test_nothing_but_lure_parts_clicks_from_satisfaction(shoppers):
    assert abs(np.corrcoef(shoppers.lure, shoppers.liking.mean(0))[0, 1]) < 0.25


def test_the_days_hold_about_as_many_pages_as_were_asked_and_no_shopper_is_twice_at_once():
    config = replace(SMALL, n_users=300, days=10, pages_per_day=150)
    days = list(gather_shoppers(config).days())
    assert sum(len(pages.user) for pages in days) == pytest.approx(1500, rel=0.15)
    for pages in days:
        rounds = list(pages.rounds())
        assert sorted(np.concatenate(rounds)) == list(range(len(pages.user)))
        assert all(len(set(pages.user[rows])) == len(rows) for rows in rounds)
        for one, later in itertools.pairwise(rounds):
            both = np.intersect1d(pages.user[one], pages.user[later])
            when = [dict(zip(pages.user[rows], pages.at[rows], strict=True)) for rows in (one, later)]
            assert all(when[0][user] < when[1][user] for user in both)


def test_a_tenth_of_taste_grows_with_each_click():
    taste = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    grown = drifted(taste, np.array([[0, 0, 2], [0, 0, 0]]))
    np.testing.assert_allclose(grown, [[0.5 / 1.2, 0.5 / 1.2, 0.2 / 1.2], [1, 0, 0]])


def test_the_funnel_has_the_shops_shares():
    rng = np.random.default_rng(1)
    went = deeds(np.zeros(40_000), *rng.random((2, 40_000)))
    assert (went >= 1).mean() == pytest.approx(0.2, abs=0.01)
    assert (went == 2).mean() == pytest.approx(0.1, abs=0.01)
    assert deeds(np.array([0.0, 0.0]), np.array([0.19, 0.21]), np.array([0.4, 0.4])).tolist() == [2, 0]


def test_what_is_bought_was_carted_and_what_is_carted_was_viewed(shoppers):
    at = np.array([2_000, 1_000]) + shoppers.midnight(0)
    log = check_events(
        shoppers.log(Opened(np.array([4, 5]), np.array([0, 7]), at, np.array([2, 0]), np.array([9.5, 3.0])))
    )
    assert log[USER].to_list() == [5, 4, 4, 4]
    assert log[KIND].to_list() == [VIEW, *EVENT_KINDS]
    assert log[ITEM].to_list() == ["SKU-000007", *["SKU-000000"] * 3]
    assert log[DWELL].to_list() == [3.0, 9.5, None, None]
    assert log[TIME].dt.epoch("ms").to_list() == [at[1], *[at[0]] * 3]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"days": 0}, "days = 0 must be 1 or more"),
        ({"n_items": 100}, "n_items = 100 must be 146 or more"),
        ({"pages_per_day": 1000}, "pages_per_day = 1000 is too much for 80 users, who open 158 at most"),
    ],
)
def test_a_shop_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        replace(SMALL, **wrong)


# Days


def test_a_click_needs_a_look_and_an_attraction_and_looks_fade_with_the_place(shoppers, first_day):
    assert shoppers.looks.tolist() == pytest.approx([j**-0.7 for j in range(1, 7)])
    rows = np.arange(2)
    pages = replace(first_day, depth=np.array([0.0, 0.5]), luck=np.full((4, 2, 160), 0.3), user=first_day.user[:2])
    attraction = np.full((2, 160), 0.31)
    attraction[:, 1] = 0.29
    found = clicked_places(shoppers, pages, rows, attraction, np.tile(np.arange(6), (2, 1)))
    # The first shopper looks at all six places, the second at those whose chance is above one half: 1 and 0.62.
    assert found.tolist() == [[True, False, True, True, True, True], [True, False, False, False, False, False]]


def test_places_are_clicked_as_often_as_the_model_says(shoppers):
    n = 20_000
    rng = np.random.default_rng(2)
    day = next(shoppers.days())
    pages = replace(day, depth=rng.random(n), luck=rng.random((1, n, 6)))
    found = clicked_places(shoppers, pages, np.arange(n), np.full((n, 6), 0.4), np.tile(np.arange(6), (n, 1)))
    np.testing.assert_allclose(found.mean(0), 0.4 * shoppers.looks, atol=0.012)


def test_what_is_opened_is_liked_by_whom_it_is_and_takes_the_time_it_takes(shoppers, first_day):
    rows, lists = np.array([1, 3]), np.array([[7, 8], [9, 10]])
    opened, seconds = open_items(shoppers, first_day, rows, lists, np.array([[False, True], [True, False]]))
    assert opened.item.tolist() == [8, 9]
    assert opened.user.tolist() == first_day.user[rows].tolist()
    look = first_day.luck[1, rows, [8, 9]]
    expected = np.exp(3 + 0.3 * shoppers.liking[opened.user, [8, 9]] + 0.6 * look)
    np.testing.assert_allclose(opened.dwell_seconds, expected, atol=0.06)
    assert seconds.tolist() == [[0, opened.dwell_seconds[0]], [opened.dwell_seconds[1], 0]]


def test_worth_is_what_would_be_clicked_and_bought_on_average_and_the_best_list_is_the_best(shoppers):
    user, rng = np.array([2, 6]), np.random.default_rng(3)
    attraction = rng.random((2, 160))
    rows = rng.permuted(np.tile(np.arange(160), (2, 1)), axis=1)[:, :6]
    greedy = np.roll(rows, 1, axis=1)
    found = worth(shoppers, user, attraction, Offer(rows, np.ones((2, 6)), greedy))
    for b in range(2):
        likes = shoppers.liking[user[b]]
        buys = 0.5 * 0.2 * (1 + 0.5 * np.tanh(likes))
        click = [shoppers.looks[j] * attraction[b, row] for j, row in enumerate(rows[b])]
        purchases = sum(c * buys[row] for c, row in zip(click, rows[b], strict=True))
        assert found.clicks[b] == pytest.approx(sum(click))
        assert found.purchases[b] == pytest.approx(purchases)
        assert found.liked_clicks[b] == pytest.approx(
            sum(c * likes[row] for c, row in zip(click, rows[b], strict=True))
        )
        other = sum(shoppers.looks[j] * attraction[b, row] * buys[row] for j, row in enumerate(greedy[b]))
        assert found.given_up[b] == pytest.approx(other - purchases)
        ideal = np.sort(attraction[b] * buys)[::-1][:6]
        assert found.best[b] == pytest.approx((shoppers.looks * ideal).sum())
    assert (found.best > found.purchases).all()


def test_a_day_follows_each_visit_and_nothing_is_opened_twice_in_one_from_lists(shoppers, first_day):
    policy = Same(range(6))
    diary = spend_day(shoppers, shoppers.crowd.taste, first_day, policy)
    assert len(diary.lists) == len(first_day.user)
    assert (
        len(diary.opened.item)
        == len(first_day.user) + (diary.stayed > 0).sum()
        == sum(len(o.item) for o in policy.watched)
    )
    page, place = np.nonzero(diary.stayed)
    pairs = list(zip(diary.visit[page], diary.lists[page, place], strict=True))
    assert len(pairs) == len(set(pairs)) > 5
    shown = diary.shown(shoppers)
    assert shown.columns == [USER, ITEM, TIME, POSITION, PROPENSITY, CLICK, DWELL]
    assert shown[POSITION].to_list() == [1, 2, 3, 4, 5, 6] * len(diary.lists)
    assert shown[CLICK].sum() == len(page) == diary.clicks_by(shoppers).sum()
    assert (shown.filter(CLICK)[DWELL] >= 1).all()
    assert shown.filter(~pl.col(CLICK))[DWELL].sum() == 0


def test_a_visit_goes_on_from_what_was_clicked_last_or_else_from_its_page(shoppers, first_day):
    step = next(row for row in range(len(first_day.user) - 1) if first_day.visit[row] == first_day.visit[row + 1])
    visit = [step, step + 1]
    luck = first_day.luck[:, visit].copy()
    for is_clicked in (True, False):
        luck[0] = 0 if is_clicked else 1
        pages = Pages(*(getattr(first_day, name)[visit] for name in ("user", "visit", "at", "walk", "depth")), luck)
        pages = replace(pages, visit=np.zeros(2, int), depth=np.zeros(2))
        policy = Same([3, 60, 90, 120, 150, 157])
        spend_day(shoppers, shoppers.crowd.taste, pages, policy)
        [first, second] = [opened.item[0] for opened in policy.watched[::2]]
        law = shoppers.step_laws(shoppers.crowd.taste, pages.user[:1], np.array([157 if is_clicked else first]))[0]
        assert second == np.searchsorted(np.cumsum(law), pages.walk[1])


def test_what_is_done_meets_what_is_expected(shoppers):
    config = replace(SMALL, n_users=300, pages_per_day=500, days=2)
    many = gather_shoppers(config)
    diaries = [spend_day(many, many.crowd.taste, pages, Same([0, 30, 60, 90, 120, 150])) for pages in many.days()]
    came = sum((diary.stayed > 0).sum() for diary in diaries)
    expected = sum(diary.values.clicks.sum() for diary in diaries)
    assert came == pytest.approx(expected, abs=4 * expected**0.5)
    assert came > 50


# Policies


def test_a_live_list_knows_this_visit_and_a_nightly_one_does_not(shoppers):
    items, user = shoppers.shelf.items, np.array([11])
    at, later = (np.array([shoppers.midnight(0) + minutes * 60_000]) for minutes in (60, 61))
    for kind, learns in ((Live, True), (Nightly, False)):
        policy = begun(kind(items, 6), shoppers)
        before = policy.offer(user, at).rows[0]
        opened = next(row for row in range(160) if row not in before)
        policy.watch(Opened(user, np.array([opened]), at, np.array([0]), np.array([20.0])))
        after = policy.offer(user, later).rows[0]
        assert (before.tolist() != after.tolist()) is learns
        policy.watch(Opened(user, after[:1], at, np.array([0]), np.array([20.0])))
        assert after[0] not in policy.offer(user, later).rows[0]  # seen today: not shown again


@pytest.mark.parametrize("explore", [EpsilonGreedy(0.3), Softmax(0.5)])
def test_an_exploring_list_logs_the_odds_of_what_it_shows(shoppers, explore):
    policy = live(shoppers, explore=explore)
    user = np.full(400, 11)
    offer = policy.offer(user, np.full(400, shoppers.midnight(0)))
    assert all(len(set(row)) == 6 for row in offer.rows.tolist())
    assert (offer.greedy == offer.greedy[0]).all()
    firsts, counts = np.unique(offer.rows[:, 0], return_counts=True)
    for row, count in zip(firsts, counts, strict=True):
        [told] = set(offer.propensities[offer.rows[:, 0] == row, 0].round(9))
        assert count / 400 == pytest.approx(told, abs=4 * (told / 400) ** 0.5)
    assert len(firsts) > 3


def test_without_exploring_the_list_is_the_greedy_one_and_sure(shoppers, first_day):
    diary = spend_day(shoppers, shoppers.crowd.taste, first_day, live(shoppers))
    assert (diary.propensities == 1).all()
    assert np.abs(diary.values.given_up).max() < 1e-12


def test_an_item_above_the_cap_rests(shoppers):
    free, capped = live(shoppers), live(shoppers, most_exposure=0.05)
    user, at = np.arange(40), np.full(40, shoppers.midnight(0))
    top = free.offer(user, at).rows
    assert np.bincount(top.ravel()).max() > 0.05 * top.size
    busy = np.flatnonzero(np.bincount(capped.offer(user, at).rows.ravel(), minlength=160) > 0.05 * top.size)
    assert len(busy)
    assert not np.isin(capped.offer(user, at).rows, busy).any()


def test_variety_widens_the_categories_of_a_visit(shoppers, first_day):
    bits = [
        measure(shoppers, shoppers.crowd.taste, spend_day(shoppers, shoppers.crowd.taste, first_day, policy))[
            "shown_bits"
        ]
        for policy in (live(shoppers), live(shoppers, wish=Wish(not_seen_days=0.3, variety=0.5)))
    ]
    assert bits[1] > bits[0] + 0.1


# Learning


def test_looks_are_found_from_answers_and_the_first_is_one():
    rng, truth = np.random.default_rng(4), np.array([1, 0.6, 0.4, 0.2])
    looks = Looks(4)
    np.testing.assert_allclose(looks.chances, 1 / np.log2([2, 3, 4, 5]))
    position, expected = np.tile(np.arange(1, 5), 20_000), rng.uniform(0.1, 0.5, 80_000)
    answers = (rng.random(80_000) < truth[position - 1] * expected).astype(float)
    looks.learn(position, 2 * expected, answers)  # who expects twice too much is wrong about all places alike
    np.testing.assert_allclose(looks.chances, truth, atol=0.02)


def test_a_click_satisfies_where_it_was_looked_at_for_half_a_minute():
    shown = pl.DataFrame({CLICK: [True, True, False], DWELL: [29.9, 30.0, 0.0]})
    assert clicks(shown).tolist() == [1, 1, 0]
    assert satisfied_clicks(shown).tolist() == [0, 1, 0]


def answered(shoppers, reward, *habits, nights=12, kind=Feedback):
    """Feedback after nights in which nothing was clicked but for some items: (row, place from 0, lists of 60, chance, seconds)."""
    rng, policy = np.random.default_rng(5), begun(kind(shoppers.shelf.items, 6, reward), shoppers)
    user, at = np.arange(60), np.full(60, shoppers.midnight(0))
    for _ in range(nights):
        others = np.delete(np.arange(160), [habit[0] for habit in habits])
        rows = rng.permuted(np.tile(others, (60, 1)), axis=1)[:, :6]
        seconds = np.zeros((60, 6))
        for row, place, n, chance, stays in habits:
            rows[:n, place], seconds[:n, place] = row, stays * (rng.random(n) < chance * shoppers.looks[place])
        policy.offer(user, at)
        ids, places = shoppers.shelf.items[ITEM].gather(rows.ravel()), np.tile(np.arange(1, 7), 60)
        shown = {ITEM: ids, POSITION: places, CLICK: seconds.ravel() > 0, DWELL: seconds.ravel()}
        policy.learn(shoppers.past(), pl.DataFrame(shown), shoppers.midnight(0))
    return policy


def effects_of(policy):
    return policy.posterior.mean[-160:]


def test_an_item_is_judged_by_its_answers_per_look_not_by_their_number(shoppers):
    rarely_seen, often_seen = (5, 5, 6, 1.0, 60), (9, 0, 60, 0.3, 60)
    effects = effects_of(answered(shoppers, clicks, rarely_seen, often_seen))
    assert effects[5] == effects.max() > effects[9] > effects.mean() + 0.2  # with 20 clicks against 220


def test_what_catches_clicks_and_is_left_at_once_wins_only_where_every_click_is_believed(shoppers):
    bait, good = (5, 0, 30, 0.9, 5), (9, 1, 30, 0.5, 60)
    assert effects_of(answered(shoppers, clicks, bait, good)).argmax() == 5
    assert effects_of(answered(shoppers, satisfied_clicks, bait, good)).argmax() == 9


def test_effects_learned_at_night_change_the_next_list(shoppers):
    policy = answered(shoppers, satisfied_clicks, (5, 0, 60, 0.9, 60))
    said = policy.live.choir.voices[-1].said.values * policy.weights[-1]
    np.testing.assert_allclose(said[1:], effects_of(policy) - effects_of(policy).min(), atol=1e-5)
    assert [pick.item for pick in policy.live.recommend(11, 1)] == ["SKU-000005"]


def test_thompson_knows_the_chances_of_what_it_shows(shoppers, monkeypatch):
    """Over many draws, an item stands at a place as often as was said."""
    monkeypatch.setattr(learning, "ROUNDS", n := 1000)
    policy = answered(shoppers, satisfied_clicks, (5, 0, 60, 0.9, 60), nights=2, kind=Thompson)
    pool = policy.ask(np.array([11]), np.array([shoppers.midnight(0)]))
    assert len(pool[0]) == POOL
    lists, said = policy.draw(pool * n)
    assert all(len(set(row)) == 6 for row in lists.tolist())
    for place in (0, 5):
        counts = np.bincount(lists[:, place], minlength=POOL) / n
        for item in np.flatnonzero(counts > 0.05):
            mean = said[lists[:, place] == item, place].mean()
            assert mean == pytest.approx(counts[item], abs=4 * np.sqrt(2 * counts[item] / n))
    assert len(set(lists[:, 5].tolist())) > 5  # it does try


def test_thompson_that_is_sure_shows_the_best(shoppers):
    policy = answered(shoppers, satisfied_clicks, (5, 0, 60, 0.9, 60), kind=Thompson)
    policy.posterior = replace(policy.posterior, precision=policy.posterior.precision * 1e12)
    lists, said = policy.draw(policy.ask(np.array([11, 12]), np.full(2, shoppers.midnight(0))))
    np.testing.assert_array_equal(lists, np.tile(np.arange(6), (2, 1)))
    assert (said == 1).all()


def test_thompson_tries_as_it_is_told_before_it_knows_anything(shoppers):
    policy = begun(Thompson(shoppers.shelf.items, 6, explore=EpsilonGreedy(1)), shoppers)
    lists, said = policy.draw(policy.ask(np.arange(40), np.full(40, shoppers.midnight(0))))
    np.testing.assert_allclose(said, np.tile(1 / (POOL - np.arange(6)), (40, 1)))
    assert lists.max() > 10


# The loop


def test_a_policy_learns_before_the_first_day_and_after_each_from_the_whole_log(shoppers):
    policy = Same(range(6))
    table = run_loop(shoppers, [policy])
    logs, shown, nights = zip(*policy.nights, strict=True)
    assert nights == tuple(shoppers.midnight(day) for day in range(4))
    assert logs[0].equals(shoppers.past())
    assert all(later.head(len(log)).equals(log) and len(later) > len(log) for log, later in itertools.pairwise(logs))
    assert [len(one) for one in shown[1:]] == [6 * n for n in table["lists"]]


def test_policies_meet_the_same_luck(shoppers):
    alone, twice = run_loop(shoppers, [Same(range(6))]), run_loop(shoppers, [Same(range(6, 12)), Same(range(6))])
    np.testing.assert_array_equal(twice["clicks"].to_numpy()[1::2], alone["clicks"].to_numpy())


def test_a_day_is_measured_as_defined(shoppers, first_day):
    taste = shoppers.crowd.taste
    diary = spend_day(shoppers, taste, first_day, Same([0, 1, 2, 3, 4, 5]))
    found, n = measure(shoppers, taste, diary), len(diary.lists)
    assert found["lists"] == n
    assert found["coverage"] == 6 / 160
    assert found["gini"] == pytest.approx(1 - 6 / 160)
    assert found["top_share"] == pytest.approx(2 / 6)  # 1 % of 160 items are two
    assert found["clicks"] == pytest.approx(diary.values.clicks.mean())
    assert found["regret"] == pytest.approx((diary.values.best - diary.values.purchases).mean())
    assert found["satisfaction"] == pytest.approx(diary.values.liked_purchases.sum() / diary.values.purchases.sum())
    assert found["shown_bits"] == 0  # the first rows of the shelf are all of one category
    assert shoppers.shelf.items[CATEGORY].head(6).n_unique() == 1
    assert found["alike"] == 1
    assert 1 < found["taste_bits"] < np.log2(12)


def test_tastes_drift_by_what_was_clicked(shoppers):
    before = shoppers.crowd.taste.copy()
    table = run_loop(shoppers, [Same(range(6))])
    np.testing.assert_array_equal(shoppers.crowd.taste, before)  # the next policy meets shoppers as they were
    assert table["taste_bits"].n_unique() > 1


def test_each_policy_of_the_line_up_has_a_name_and_a_colour_of_its_own(shoppers):
    names = [policy.name for policy in line_up(shoppers)]
    assert len(set(names)) == len(names)
    assert set(names) == set(POLICY_COLOURS)
    assert len(set(POLICY_COLOURS.values())) == len(names)


# Summaries


TWO = pl.DataFrame(
    {
        "policy": ["A", "A", "B", "B"] * 2,
        "seed": [1] * 4 + [2] * 4,
        "day": [1, 2] * 4,
        "lists": [1, 3] * 4,
        "clicks": [2.0, 2.0, 1.0, 3.0, 4.0, 4.0, 8.0, 8.0],
    }
)


def test_curves_average_seeds_and_blocks_count_each_list_once():
    found = by_day(TWO, "clicks", days=2)
    assert found.select("policy", "day", "value").rows() == [("A", 2, 3.0), ("B", 2, (2.5 + 8) / 2)]
    reach = 12.7062 * 2**0.5 / 2**0.5  # Student's t with one degree of freedom; the seeds' deviation is √2
    assert found["low"][0] == pytest.approx(3 - reach, abs=1e-3)
    assert found["high"][0] == pytest.approx(3 + reach, abs=1e-3)
    assert by_day(TWO, "clicks")["day"].to_list() == [1, 2, 1, 2]
    assert by_day(TWO.filter(pl.col("seed") == 1), "clicks")["low"].null_count() == 4


def test_lifts_are_paired_by_seed():
    [row] = lifts(TWO, "clicks", "A").rows(named=True)
    assert (row["policy"], row["lift"]) == ("B", pytest.approx((25 + 100) / 2))
    assert row["low"] < row["lift"] < row["high"]
    [late] = lifts(TWO, "clicks", "A", since=2).rows(named=True)
    assert late["lift"] == pytest.approx((50 + 100) / 2)
    with pytest.raises(ValueError, match="'C' ran with 0 seeds"):
        lifts(TWO, "clicks", "C")
    with pytest.raises(ValueError, match="'A' ran with 1 seeds"):
        lifts(TWO.filter(pl.col("seed") == 1), "clicks", "A")


def test_the_benchmark_sets_policies_beside_live_and_says_what_trying_costs():
    rows = {
        "lists": 10,
        "purchases": 0.06,
        "clicks": 0.6,
        "regret": 0.12,
        "click_satisfaction": 0.1,
        "top_share": 0.2,
        "alike": 0.3,
    }
    late = [
        {"policy": LIVE, "seed": 7, "day": 16} | rows,
        {"policy": "Feedback", "seed": 7, "day": 16} | rows | {"regret": 0.09},
    ]
    early = [row | {"day": 15, "regret": 9.0} for row in late]
    lines = [
        line for line in policy_figures(pl.DataFrame(early + late)) if line["unit"] == "purchases a list below the best"
    ]
    assert [(line["value"], line["peer"], line["ratio"]) for line in lines] == [(0.12, None, None), (0.09, LIVE, 1.333)]
    [line] = trying_figures(
        pl.DataFrame({"policy": ["epsilon 0.1"], "way": ["epsilon"], "purchases": [0.09], "given_up": [0.01]})
    )
    assert (line["system"], line["value"]) == ("epsilon 0.1", 0.1)
