from dataclasses import replace
from datetime import timedelta

import lightgbm
import numpy as np
import polars as pl
import pytest

from recolab import evaluation, rerank
from recolab.evaluation import judge, make_task, recommend
from recolab.histories import build_catalog, pack
from recolab.models.popularity import PersonalFrequency, Popularity
from recolab.rerank.features import nearness, personal_features
from recolab.schema import CATEGORY, ITEM, PRICE, STOCK
from tests.worlds import START, log

rng = np.random.default_rng(0)
ROWS = [(u, int(i), d) for u in range(80) for d in range(6) for i in rng.choice(30, 3, replace=False)]
PAST = log(ROWS)
ITEMS = pl.DataFrame(
    {
        ITEM: range(30),
        PRICE: [float(1 + i) for i in range(30)],
        STOCK: [0.0 if i == 4 else 5.0 for i in range(30)],
        CATEGORY: ["fruit" if i < 15 else "tea" for i in range(30)],
    }
)
CATALOG = build_catalog(PAST, ITEMS)
HISTORIES = pack(PAST, CATALOG, START + timedelta(days=7))
# What everyone wants next is what they had most often: frequency knows it, popularity does not.
OFTEN = PersonalFrequency().fit(HISTORIES, CATALOG)
WANTED = log([(u, CATALOG.ids([row])[0], 8) for u, row in enumerate(OFTEN.score(HISTORIES).argmax(1))])
TASK = make_task(HISTORIES, WANTED, CATALOG, allow_repeats=True)
MODELS = [Popularity().fit(HISTORIES, CATALOG), OFTEN]
FACTS = rerank.item_features(HISTORIES, CATALOG)


def test_candidates_are_what_the_models_put_first_and_nothing_else():
    found = rerank.propose(MODELS, TASK, FACTS, n=2, allowed=np.arange(31) > 0)
    first = found.rows[found.owners == 0]
    best = [set(np.argsort(-m.score(TASK.histories)[0], kind="stable")[:2]) for m in MODELS]
    assert set(first) == best[0] | best[1]
    assert found.features.shape == (len(found.rows), len(found.names))


@pytest.mark.parametrize("at_once", [256, 2])  # with two histories at once, some batches have no answer at all
def test_only_histories_with_an_answer_among_the_candidates_teach(at_once, monkeypatch):
    monkeypatch.setattr(evaluation, "AT_ONCE", at_once)
    whole = rerank.propose([MODELS[0]], TASK, FACTS, n=2)
    found = rerank.propose([MODELS[0]], TASK, FACTS, n=2, answered=True)
    some = np.unique(whole.owners[whole.wanted])
    assert 0 < len(some) < len(TASK)
    kept = np.isin(whole.owners, some)
    np.testing.assert_array_equal(found.owners, whole.owners[kept])
    np.testing.assert_array_equal(found.rows, whole.rows[kept])
    np.testing.assert_array_equal(found.wanted, whole.wanted[kept])
    np.testing.assert_allclose(found.features, whole.features[kept], rtol=1e-5)
    nobody = replace(TASK, wanted=0 * TASK.wanted)
    assert len(rerank.propose(MODELS, nobody, FACTS, n=2, answered=True).rows) == 0


def test_an_item_out_of_stock_is_never_a_candidate():
    found = rerank.propose(MODELS, TASK, FACTS, n=30)
    assert 4 not in CATALOG.ids(np.unique(found.rows))
    assert len(np.unique(found.rows)) == 29


def test_facts_by_hand():
    log_of_one = log([(1, 10, 0), (1, 10, 4), (1, 20, 4)])
    catalog = build_catalog(log_of_one)
    histories = pack(log_of_one, catalog, START + timedelta(days=6))
    facts = personal_features(histories, catalog, np.array([0, 0]), catalog.rows([10, 20]).astype(np.int64))
    assert facts["item_count"].tolist() == [2, 1]
    assert facts["item_visit_share"].tolist() == [1, 0.5]
    assert facts["item_days_since"].tolist() == [2, 2]
    assert facts["item_gap_days"][0] == 4
    assert np.isnan(facts["item_gap_days"][1])
    assert facts["item_visits_since"].tolist() == [0, 0]
    assert facts["item_gap_visits"][0] == 1
    assert facts["item_gap_spread"][0] == 0  # one gap differs from nothing
    assert facts["item_due"][0] == 2 / 4
    np.testing.assert_allclose(facts["item_decay_7"], [1 + 2 ** (-1 / 7), 1], rtol=1e-6)
    assert facts["user_visits"].tolist() == [2, 2]
    assert facts["user_gap_days"].tolist() == [4, 4]
    np.testing.assert_allclose(facts["user_variety"], [2 / 3, 2 / 3], rtol=1e-6)
    assert np.isnan(facts["category_count"]).all()  # no category is known


def test_two_goods_of_one_category_in_one_visit_are_one_meeting():
    events = log([(1, 10, 0), (1, 20, 0), (1, 10, 3), (2, 30, 3)])
    catalog = build_catalog(events, pl.DataFrame({ITEM: [10, 20, 30], CATEGORY: ["fruit", "fruit", None]}))
    histories = pack(events, catalog, START + timedelta(days=5))
    owners, rows = np.array([0, 0, 1, 1]), catalog.rows([10, 20, 10, 30]).astype(np.int64)
    facts = personal_features(histories, catalog, owners, rows)
    np.testing.assert_equal(facts["category_count"], np.array([2, 2, np.nan, np.nan], np.float32))
    np.testing.assert_equal(facts["item_count"], np.array([2, 1, np.nan, 1], np.float32))
    np.testing.assert_equal(facts["item_days_since"], np.array([2, 5, np.nan, 2], np.float32))


def test_what_everybody_does_by_hand():
    events = log([(1, 10, 0), (1, 10, 10), (2, 10, 0), (2, 10, 40), (3, 10, 39), (3, 20, 39)])
    catalog = build_catalog(events)
    facts = rerank.item_features(pack(events, catalog, START + timedelta(days=41)), catalog)
    row = int(catalog.rows([10])[0])
    assert facts["all_item_events"][row] == pytest.approx(np.log1p(5))
    assert facts["all_item_events_28_days"][row] == pytest.approx(np.log1p(2))
    assert facts["all_item_trend"][row] == pytest.approx(np.log1p(2) - np.log1p(2 / 4))
    assert facts["all_item_rebuy_share"][row] == pytest.approx(2 / 3)
    assert facts["all_item_soon_again"][row] == pytest.approx(1 / 5)
    assert facts["all_item_usual_gap_days"][row] == pytest.approx(25)
    assert np.isnan(facts["all_item_usual_gap_days"][catalog.rows([20])[0]])


def test_habits_and_prices_by_hand():
    events = log([(1, 10, 0), (1, 10, 4), (1, 20, 4), (1, 20, 4), (1, 10, 12), (1, 30, 14)])
    shelf = pl.DataFrame({ITEM: [10, 20, 30], PRICE: [2.0, 4.0, 10.0], CATEGORY: ["fruit", "tea", None]})
    catalog = build_catalog(events, shelf)
    histories = pack(events, catalog, START + timedelta(days=15))
    rows = catalog.rows([10, 20, 30]).astype(np.int64)
    facts = personal_features(histories, catalog, np.zeros(3, np.int64), rows)
    assert facts["item_days_known"].tolist() == [15, 11, 1]
    assert facts["item_gap_days"][0] == 6  # of 4 and of 8 days
    assert facts["item_gap_spread"][0] == 2
    assert (facts["item_due"][0], facts["item_visits_since"][0], facts["item_due_visits"][0]) == (3 / 6, 1, 1)
    assert facts["user_days_since_visit"][0] == 1
    assert facts["user_items_per_visit"][0] == 6 / 4
    assert facts["price_to_usual"].tolist() == [2 / 4, 4 / 4, 10 / 4]  # 24 paid for 6
    everybody = rerank.item_features(histories, catalog)
    np.testing.assert_allclose(everybody["all_item_soon_again"][rows], [2 / 3, 0, 0], rtol=1e-6)
    expected = [np.log1p(3), np.log1p(1), np.nan]
    np.testing.assert_allclose(everybody["all_category_events"][rows], expected, rtol=1e-6)
    assert everybody["item_price"][rows].tolist() == [2, 4, 10]


def test_an_opinion_is_a_place_and_a_distance_from_the_mean():
    found = rerank.propose(MODELS[:1], TASK, FACTS, n=3)
    first = found.owners == 0
    place, distance = (found.features[first, found.names.index(f"Popularity {what}")] for what in ("rank", "score"))
    votes = MODELS[0].score(TASK.histories)[0, found.rows[first]]
    np.testing.assert_allclose(place[np.argsort(-votes)], np.log2([2, 3, 4]), rtol=1e-6)
    np.testing.assert_allclose(distance, (votes - votes.mean()) / votes.std(), rtol=1e-5)


def test_nearness_by_hand():
    catalog = build_catalog(log([("u", item, day) for day, item in enumerate("abcd")]))
    a, b, c, d = catalog.rows(list("abcd"))
    histories = pack(log([("u", "a", 0), ("u", "b", 1), ("v", "c", 0)]), catalog)
    vectors = np.zeros((5, 2), np.float32)
    vectors[[a, b, c, d]] = [[1, 0], [0, 1], [0.6, 0.8], [0.8, -0.6]]
    near = nearness(histories, vectors, np.array([0, 0, 1]), np.array([c, d, a]))
    np.testing.assert_allclose(near["nearness_1"], [0.8, -0.6, 0.6], rtol=1e-6)  # to b, b and c
    np.testing.assert_allclose(near["nearness_2"], [0.6, 0.8, np.nan], rtol=1e-6)
    assert np.isnan(near["nearness_3"]).all()
    np.testing.assert_allclose(near["nearness_most"], [0.8, 0.8, 0.6], rtol=1e-6)
    np.testing.assert_allclose(near["nearness_mean"], [0.7, 0.1, 0.6], rtol=1e-6)
    nobody = nearness(histories.take(slice(0, 0)), vectors, np.array([], int), np.array([], int))
    assert all(len(column) == 0 for column in nobody.values())
    empty = nearness(replace(histories.last(0)), vectors, np.array([0]), np.array([c]))
    assert all(np.isnan(column).all() for column in empty.values())


def test_nearness_looks_back_ten_events():
    letters = "abcdefghijk"
    catalog = build_catalog(log([("u", item, day) for day, item in enumerate(letters)]))
    histories = pack(log([("u", item, day) for day, item in enumerate(letters)]), catalog)
    vectors = np.zeros((12, 11), np.float32)
    vectors[catalog.rows(list(letters))] = np.eye(11)
    near = nearness(histories, vectors, np.array([0, 0]), catalog.rows(["a", "b"]))
    np.testing.assert_allclose(near["nearness_most"], [0, 1])  # b is the tenth from the end, a the eleventh
    np.testing.assert_allclose(near["nearness_mean"], [0, 0.1], rtol=1e-6)


def test_of_an_order_without_a_clock_no_counts_are_told_for_they_tell_what_was_held_out():
    catalog = build_catalog(log([(1, 10, 0), (1, 20, 1)]), pl.DataFrame({ITEM: [10, 20], PRICE: [2.0, None]}))
    histories = replace(pack(log([(1, 10, 0), (1, 20, 1)]), catalog), ordinal=True)
    facts = rerank.item_features(histories, catalog)
    assert list(facts) == ["item_price"]
    np.testing.assert_array_equal(facts["item_price"][catalog.rows([10, 20])], [2, np.nan])
    hybrid = rerank.Hybrid([Popularity().fit(histories, catalog)], rerank.EqualBlend(), allow_repeats=True)
    assert np.isfinite(hybrid.fit(histories, catalog).score(histories)[0, 1:]).all()


def test_a_model_with_item_vectors_says_how_near_and_all_of_it_can_be_taken_away():
    class Placed(Popularity):
        """Every item in one of two directions."""

        def item_vectors(self):
            return np.eye(2, dtype=np.float32)[np.arange(31) % 2]

    found = rerank.propose([Placed(name="Placed").fit(HISTORIES, CATALOG), OFTEN], TASK, FACTS, n=3)
    assert {"Placed nearness_1", "Placed nearness_most"} <= set(found.names)
    newest = TASK.histories.items[TASK.histories.offsets[1:] - 1]
    same = (newest[found.owners] - found.rows) % 2 == 0
    np.testing.assert_array_equal(found.features[:, found.names.index("Placed nearness_1")], same)
    left = rerank.without_opinion(found, "Placed").names
    assert left == [name for name in found.names if not name.startswith("Placed ")]


def test_what_one_had_is_no_candidate_where_only_new_items_are_wanted():
    new = log([(u, i, 8) for u in range(80) for i in range(30)])
    task = make_task(HISTORIES, new, CATALOG, allow_repeats=False)
    found = rerank.propose(MODELS, task, FACTS, n=5)
    assert found.wanted.all()
    assert task.histories.matrix(len(CATALOG))[found.owners, found.rows].sum() == 0


def test_batches_change_neither_candidates_nor_their_worth(monkeypatch):
    whole = rerank.propose(MODELS, TASK, FACTS, n=5)
    ranker = rerank.LinearBlend().fit(whole)
    judged = rerank.judge_ranker(ranker, whole, TASK)
    monkeypatch.setattr("recolab.evaluation.AT_ONCE", 7)
    parts = rerank.propose(MODELS, TASK, FACTS, n=5)
    for name in ("owners", "rows", "features", "wanted"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert rerank.judge_ranker(ranker, parts, TASK).equals(judged)


@pytest.mark.parametrize("ranker", rerank.contenders(rounds=40), ids=lambda ranker: ranker.name)
def test_a_ranker_learns_whom_to_believe(ranker):
    found = rerank.propose(MODELS, TASK, FACTS, n=10)
    learned = rerank.judge_ranker(ranker.fit(found), found, TASK)["ndcg@10"].mean()
    popular = judge(MODELS[:1], TASK)["ndcg@10"].mean()
    in_stock = np.mean([item != 4 for item in WANTED[ITEM]])
    assert learned > 0.9 * in_stock
    assert learned > popular + 0.2


class Says:
    """A ranker that learned nothing and says what it was made to say."""

    def __init__(self, name, said):
        self.name, self.said = name, np.asarray(said, np.float32)

    def fit(self, candidates):
        return self

    def rank(self, candidates):
        return self.said


def test_a_sum_hears_every_ranker_alike_whatever_its_unit():
    """By hand: two lists of two; a list of one opinion, or of one candidate, says nothing."""
    owners = np.array([0, 0, 1, 1, 2])
    found = rerank.Candidates(owners, np.array([1, 2, 1, 2, 3]), np.zeros((5, 0), np.float32), [], np.zeros(5, bool))
    loud, low = Says("loud", [1000, 3000, 5, 5, 7]), Says("low", [0.02, 0.01, 0.1, 0.3, 0.5])
    np.testing.assert_allclose(rerank.RankerSum([loud, low]).rank(found), [0, 0, -1, 1, 0], atol=1e-5)


def test_an_equal_blend_is_the_mean_of_the_models_scores_and_reads_nothing_else():
    names = ["A score", "A rank", "B score", "item_count"]
    opinions = np.array([[1, 9, -3, 9], [-1, 9, 2, 9]], np.float32)
    found = rerank.Candidates(np.array([0, 0]), np.array([1, 2]), opinions, names, np.zeros(2, bool))
    assert rerank.EqualBlend().fit(found).rank(found).tolist() == [-1, 0.5]


def test_validation_chooses_the_ranker():
    found = rerank.propose(MODELS, TASK, FACTS, n=10)
    good, bad = Says("good", found.wanted), Says("bad", ~found.wanted)
    ranker, scores = rerank.choose_ranker([bad, good], found, found, TASK)
    assert ranker is good
    assert scores == {r.name: rerank.judge_ranker(r, found, TASK)["ndcg@10"].mean() for r in (bad, good)}


class Remembers:
    """Knows by heart what was wanted of those it learned from, and nothing of others."""

    name = "Remembers"

    def fit(self, candidates):
        """Learn by heart."""
        pairs = zip(candidates.owners, candidates.rows, strict=True)
        self.known = {pair for pair, wanted in zip(pairs, candidates.wanted, strict=True) if wanted}
        return self

    def rank(self, candidates):
        """Say what it knows."""
        pairs = zip(candidates.owners, candidates.rows, strict=True)
        return np.array([pair in self.known for pair in pairs], np.float32)


def test_halves_see_through_a_ranker_that_learns_by_heart():
    found = rerank.propose(MODELS, TASK, FACTS, n=10)
    best, scores = rerank.choose_by_halves([Remembers(), rerank.LinearBlend()], found, TASK)
    assert isinstance(best, rerank.LinearBlend)
    assert scores["Remembers"] < 0.5 < scores["Blend"]
    # The best has learned from all users at the end.
    whole = rerank.LinearBlend().fit(found)
    np.testing.assert_allclose(best.slopes, whole.slopes)


def test_the_last_of_one_cut_and_the_first_of_the_next_are_two_histories():
    def part(owners):
        m = len(owners)
        return rerank.Candidates(
            np.array(owners, int), np.arange(m), np.zeros((m, 1), np.float32), ["x"], np.zeros(m, bool)
        )

    batches = rerank.join_candidates([part([0, 0, 1]), part([]), part([3, 3])])
    assert batches.owners.tolist() == [0, 0, 1, 3, 3]
    cuts = rerank.join_candidates([batches, part([3, 3, 4]), part([0])])
    assert cuts.owners.tolist() == [0, 0, 1, 3, 3, 7, 7, 8, 9]


def test_a_sum_learns_with_its_members_and_not_once_more(monkeypatch):
    found, grown, train = rerank.propose(MODELS, TASK, FACTS, n=10), [], lightgbm.train

    def counted(*words, **named):
        grown.append(1)
        return train(*words, **named)

    monkeypatch.setattr(lightgbm, "train", counted)
    contenders = rerank.contenders(rounds=5)
    _, scores = rerank.choose_by_halves(contenders, found, TASK)
    assert set(scores) == {ranker.name for ranker in contenders}
    assert len(grown) in (2, 3)  # for each half, and for all where the trees or the sum won
    alone = rerank.RankerSum([rerank.LinearBlend(), rerank.BoostedRanker(rounds=5)]).fit(found)
    rerank.choose_ranker(contenders, found, found, TASK)
    np.testing.assert_array_equal(contenders[-1].rank(found), alone.rank(found))


@pytest.mark.parametrize("hits", ["nobody's", "one user's", "all"])
def test_halves_that_teach_nothing_leave_all_opinions_equal(hits):
    found = rerank.propose(MODELS, TASK, FACTS, n=10)
    wanted = {
        "nobody's": found.wanted & False,
        "one user's": found.wanted & (found.owners == 3),
        "all": found.wanted | True,
    }
    found = replace(found, wanted=wanted[hits])
    best, scores = rerank.choose_by_halves(rerank.contenders(), found, TASK)
    equal = rerank.EqualBlend()
    assert isinstance(best, rerank.EqualBlend)
    assert scores == pytest.approx({equal.name: rerank.judge_ranker(equal, found, TASK)["ndcg@10"].mean()})


def test_the_line_says_that_it_believes_frequency():
    found = rerank.propose(MODELS, TASK, FACTS, n=10)
    weights = rerank.LinearBlend().fit(found).weights()
    assert weights["name"][0].startswith("Personal frequency")


@pytest.mark.parametrize("repeats", [True, False])
def test_the_list_is_always_full_and_keeps_every_rule(repeats):
    found = rerank.propose(MODELS, TASK, FACTS, n=10)
    rules = rerank.Rules(max_price=20.0, exclude=[0])
    hybrid = rerank.Hybrid(MODELS, rerank.LinearBlend().fit(found), allow_repeats=repeats, n_candidates=3, rules=rules)
    lists = recommend(hybrid.fit(HISTORIES, CATALOG), HISTORIES, CATALOG, k=5)
    had = {u: {i for v, i, _ in ROWS if v == u} for u in range(80)}
    for user, shown in zip(HISTORIES.users, lists, strict=True):
        may = set(range(20)) - {0, 4} - (set() if repeats else had[user])
        assert set(shown) <= may
        assert len(shown) == len(set(shown)) == min(5, len(may))


def test_judging_the_ranker_and_the_recommender_give_the_same_number():
    found = rerank.propose(MODELS, TASK, FACTS, n=10)
    ranker = rerank.LinearBlend().fit(found)
    hybrid = rerank.Hybrid(MODELS, ranker, allow_repeats=True, n_candidates=10).fit(HISTORIES, CATALOG)
    by_list = judge([hybrid], TASK)["ndcg@10"].to_numpy()
    by_candidates = rerank.judge_ranker(ranker, found, TASK)["ndcg@10"].to_numpy()
    assert (by_list >= by_candidates - 1e-6).all()
    assert np.abs(by_list - by_candidates).mean() < 0.02  # only what popularity fills in differs


def test_rules_by_hand_and_rules_that_leave_nothing():
    allowed = rerank.allowed_items(CATALOG, rerank.Rules(min_price=28.0, categories=["tea"], exclude=[29]))
    assert CATALOG.ids(np.flatnonzero(allowed)) == [27, 28]
    with pytest.raises(ValueError, match="leaves no item of 30 to show"):
        rerank.allowed_items(CATALOG, rerank.Rules(categories=["cheese"]))


def test_an_opinion_can_be_taken_away_and_others_cannot_be_joined():
    found = rerank.propose(MODELS, TASK, FACTS, n=5)
    less = rerank.without_opinion(found, "Popularity")
    assert len(less.names) == len(found.names) - 2
    with pytest.raises(ValueError, match="proposed by other models"):
        rerank.join_candidates([found, less])
    with pytest.raises(ValueError, match="'Nobody' has no opinion"):
        rerank.without_opinion(found, "Nobody")


def test_popularity_fills_the_list_behind_the_candidates():
    ranker = rerank.LinearBlend().fit(rerank.propose(MODELS, TASK, FACTS, n=10))
    hybrid = rerank.Hybrid(MODELS, ranker, allow_repeats=True, n_candidates=2).fit(HISTORIES, CATALOG)
    listed = CATALOG.rows(recommend(hybrid, HISTORIES, CATALOG, k=29)[0])
    found = rerank.propose(MODELS, TASK, FACTS, n=2)
    n_found = (found.owners == 0).sum()
    assert set(listed[:n_found]) == set(found.rows[found.owners == 0])
    behind = FACTS["all_item_events"][listed[n_found:]]
    assert (np.diff(behind) <= 0).all()
    assert behind[0] > behind[-1]


@pytest.mark.parametrize("ranker", [rerank.LinearBlend(), rerank.BoostedRanker(rounds=3)], ids=["line", "trees"])
def test_a_hybrid_answers_nobody_and_whom_nothing_is_left_for(ranker):
    ranker.fit(rerank.propose(MODELS, TASK, FACTS, n=10))
    hybrid = rerank.Hybrid(MODELS, ranker, allow_repeats=False).fit(HISTORIES, CATALOG)
    assert hybrid.score(HISTORIES.take(np.array([], np.int64))).shape == (0, 31)
    had_everything = pack(log([("z", item, 1) for item in range(30)]), CATALOG)
    assert recommend(hybrid, had_everything, CATALOG) == [[]]
    assert len(recommend(hybrid, had_everything.last(0), CATALOG)[0]) == 10


@pytest.mark.parametrize("ranker", [rerank.LinearBlend(), rerank.BoostedRanker(rounds=3)], ids=["line", "trees"])
def test_a_ranker_refuses_opinions_in_another_order(ranker):
    ranker.fit(rerank.propose(MODELS, TASK, FACTS, n=10))
    with pytest.raises(ValueError, match="propose with the same models in the same order"):
        ranker.rank(rerank.propose(MODELS[::-1], TASK, FACTS, n=10))


def test_two_models_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two models have one name: \\['Popularity', 'Popularity'\\]"):
        rerank.propose([MODELS[0], Popularity(last_days=7).fit(HISTORIES, CATALOG)], TASK, FACTS)


def test_what_is_unknown_of_stock_and_price():
    shelf = pl.DataFrame({ITEM: [1, 2, 3], STOCK: [None, float("nan"), 0.0], PRICE: [2.0, float("nan"), 2.0]})
    catalog = build_catalog(log([("a", item, 0) for item in (1, 2, 3)]), shelf)
    assert catalog.ids(np.flatnonzero(rerank.allowed_items(catalog))) == [1, 2]
    for rules in (rerank.Rules(min_price=2.0), rerank.Rules(max_price=2.0)):
        assert catalog.ids(np.flatnonzero(rerank.allowed_items(catalog, rules))) == [1]


@pytest.mark.parametrize("answer", [True, False])
def test_a_line_through_one_kind_of_answer_is_refused(answer):
    found = rerank.propose(MODELS, TASK, FACTS, n=5)
    same = replace(found, wanted=np.full_like(found.wanted, answer))
    with pytest.raises(ValueError, match="nothing to tell apart, give a longer log"):
        rerank.LinearBlend().fit(same)


def test_a_shelf_that_changes_is_asked_anew_and_an_unknown_category_is_none_of_those_wanted():
    items = pl.DataFrame(
        {ITEM: [1, 2, 3], PRICE: [1.0, None, 3.0], STOCK: [1, 0, None], CATEGORY: ["tea", "tea", None]}
    )
    shelf = rerank.Shelf(build_catalog(log([(0, item, 0) for item in (1, 2, 3)]), items))
    assert shelf.allowed().tolist() == [False, True, False, True]
    assert shelf.allowed(rerank.Rules(categories=["tea"])).tolist() == [False, True, False, False]
    assert shelf.allowed(rerank.Rules(not_categories=["tea", "no such"])).tolist() == [False, False, False, True]
    shelf.stock[2], shelf.prices[2] = 4, 2.0
    assert shelf.allowed(rerank.Rules(max_price=2.5)).tolist() == [False, True, True, False]
