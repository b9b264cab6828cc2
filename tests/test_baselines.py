"""recolab.models, all but the Transformer: each against its formula by hand, scikit-learn or Surprise itself."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import surprise
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_similarity

from recolab.histories import PAD, build_catalog, pack
from recolab.models import linear, neighbours
from recolab.models.content import Content, item_texts
from recolab.models.factors import SurpriseSvd
from recolab.models.linear import Ease
from recolab.models.neighbours import ItemNeighbours, Transitions, UserNeighbours, keep_strongest
from recolab.models.popularity import PersonalFrequency, Popularity
from recolab.schema import BRAND, CATEGORY, ITEM, TEXT, TITLE, VIEW
from tests.worlds import log


def world(rows, items=None, **more):
    events = log(rows, **more)
    catalog = build_catalog(events, items)
    return pack(events, catalog), catalog


@pytest.fixture(scope="module")
def random_world():
    rng = np.random.default_rng(0)
    rows = rng.integers([0, 1, 0], [40, 16, 30], (300, 3)).tolist()
    return world(rows)


def had(histories, catalog):
    return (histories.matrix(len(catalog)).toarray() > 0).astype(float)


def best(model, histories, catalog):
    """Raw ids of the first history, best first."""
    return catalog.ids(np.argsort(-model.score(histories)[0], kind="stable")[:-1])


def test_popularity_counts_events():
    histories, catalog = world([("a", 1, 0), ("b", 1, 0), ("a", 2, 0), ("b", 3, 1), ("c", 3, 1), ("c", 3, 2)])
    model = Popularity().fit(histories, catalog)
    assert best(model, histories, catalog) == [3, 1, 2]
    assert np.floor(model.score(histories)[:, 1:]).tolist() == [[2, 1, 3]] * 3


def test_recent_popularity_counts_the_last_days_and_leaves_ties_to_all_time():
    old = [("a", 1, 0)] * 5 + [("a", 2, 0)] * 2 + [("a", 4, 0)]
    histories, catalog = world([*old, ("b", 3, 90), ("b", 3, 97), ("c", 2, 93), ("c", 5, 100)])
    assert best(Popularity(last_days=7).fit(histories, catalog), histories, catalog) == [2, 3, 5, 1, 4]
    assert best(Popularity(last_days=10).fit(histories, catalog), histories, catalog) == [3, 2, 5, 1, 4]


def test_personal_frequency_sums_ones_own_events_and_leaves_the_rest_to_popularity():
    rows = [("a", 1, 10), ("a", 1, 0), ("a", 2, 5), ("b", 3, 5), ("b", 3, 6), ("b", 4, 7)]
    histories, catalog = world(rows)
    assert best(PersonalFrequency().fit(histories, catalog), histories, catalog) == [1, 2, 3, 4]
    scores = PersonalFrequency(half_life_visits=1).fit(histories, catalog).score(histories)
    assert scores[0, 1:3] == pytest.approx([5 + 5 / 4, 5 / 2], abs=1e-5)
    scores = PersonalFrequency(half_life_days=5).fit(histories, catalog).score(histories)
    assert scores[0, 1:] == pytest.approx([5 + 5 / 4, 5 / 2, 0, 0], abs=1e-5)
    viewed, catalog = world(rows, kind=VIEW)
    assert PersonalFrequency().fit(viewed, catalog).score(viewed)[0, 1:3] == pytest.approx([2, 1], abs=1e-5)


def test_what_one_did_is_worth_more_than_any_popularity():
    histories, catalog = world([("a", 1, 0)] + [("b", 2, 300)] * 10_000)
    assert best(PersonalFrequency(half_life_days=30).fit(histories, catalog), histories, catalog) == [1, 2]


def test_item_neighbours_are_scikit_learn_s_cosines(random_world):
    histories, catalog = random_world
    alike = cosine_similarity(had(histories, catalog).T)
    np.fill_diagonal(alike, 0)
    model = ItemNeighbours(half_life_days=20, k=99).fit(histories, catalog)
    np.testing.assert_allclose(model.links.toarray(), alike, atol=1e-6)
    profile = histories.matrix(len(catalog), histories.weights(20)).toarray()
    np.testing.assert_allclose(model.score(histories)[:, 1:], (profile @ alike)[:, 1:], rtol=1e-4, atol=1e-4)


def test_only_the_k_nearest_items_have_a_voice(random_world):
    histories, catalog = random_world
    every, few = (ItemNeighbours(k=k).fit(histories, catalog).links.toarray() for k in (99, 3))
    assert ((few > 0).sum(1) <= 3).all()
    np.testing.assert_array_equal(np.sort(few[1:], axis=1)[:, -3:], np.sort(every[1:], axis=1)[:, -3:])


def test_blocks_of_rows_change_nothing(random_world, monkeypatch):
    histories, catalog = random_world
    makers = (ItemNeighbours, Transitions, UserNeighbours)
    before = [make(k=4).fit(histories, catalog).score(histories) for make in makers]
    monkeypatch.setattr(neighbours, "BLOCK", 5)
    for make, scores in zip(makers, before, strict=True):
        np.testing.assert_allclose(make(k=4).fit(histories, catalog).score(histories), scores, rtol=1e-5)


def test_the_strongest_are_kept_and_what_is_not_positive_goes():
    table = sparse.csr_matrix(np.array([[0.0, 3, 1, 2], [-1, 0, 0, 5], [0, 0, 0, 0]], np.float32))
    assert keep_strongest(table, 2).toarray().tolist() == [[0, 3, 0, 2], [0, 0, 0, 5], [0, 0, 0, 0]]
    assert keep_strongest(table, 9).toarray().tolist() == [[0, 3, 1, 2], [0, 0, 0, 5], [0, 0, 0, 0]]


def test_transitions_count_what_follows_within_reach_and_divide_by_popularity():
    # a: 1, then the basket {2, 3}, then 1. b: 1, 2. Counts of events: item 1 three, item 2 two, item 3 one.
    histories, catalog = world([("a", 1, 0), ("a", 2, 1), ("a", 3, 1), ("a", 1, 2), ("b", 1, 0), ("b", 2, 1)])
    links = Transitions(reach=1, damping=0).fit(histories, catalog).links.toarray()[1:, 1:]
    assert links.tolist() == [[0, 2, 1], [1, 0, 0], [1, 0, 0]]
    links = Transitions(reach=5, damping=0).fit(histories, catalog).links.toarray()[1:, 1:]
    assert links.tolist() == [[1 / 2, 2, 1], [1, 0, 0], [1, 0, 0]]  # two visits apart weighs a half
    damped = Transitions(reach=1, damping=0.5).fit(histories, catalog).links.toarray()[1:, 1:]
    assert damped == pytest.approx(
        np.array([[0, 2 / 6**0.5, 1 / 3**0.5], [1 / 6**0.5, 0, 0], [1 / 3**0.5, 0, 0]]), rel=1e-5
    )


def test_transitions_go_from_what_one_had_to_what_follows():
    histories, catalog = world([("a", 1, 0), ("a", 2, 1), ("b", 1, 1)])
    scores = Transitions(damping=0, half_life_days=1).fit(histories, catalog).score(histories)
    assert scores[:, 1:] == pytest.approx(np.array([[0, 5 / 2], [0, 5]]), abs=1e-5)


def test_nothing_follows_from_one_user_to_the_next():
    histories, catalog = world([("a", 1, 0), ("b", 2, 1), ("c", 1, 5), ("c", 3, 6)])
    links = Transitions(damping=0).fit(histories, catalog).links.toarray()[1:, 1:]
    assert links.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_user_neighbours_are_the_mean_of_the_others_weighed_by_cosine(random_world):
    histories, catalog = random_world
    profiles = np.log1p(histories.matrix(len(catalog), histories.weights(60) / np.float32(5)).toarray().astype(float))
    alike = cosine_similarity(profiles)
    np.fill_diagonal(alike, 0)
    for row in alike:
        row[np.argsort(-row)[7:]] = 0
    expected = alike / alike.sum(1, keepdims=True) @ (1 - np.exp(-profiles))
    model = UserNeighbours(half_life_days=60, k=7).fit(histories, catalog)
    np.testing.assert_allclose(model.score(histories)[:, 1:], expected[:, 1:], rtol=1e-3, atol=1e-5)


def test_nobody_is_his_own_neighbour():
    histories, catalog = world([("a", 1, 0), ("a", 2, 0), ("b", 1, 0), ("b", 3, 0)])
    scores = UserNeighbours().fit(histories, catalog).score(histories)
    assert catalog.ids(scores.argmax(1)) != [2, 3]
    assert scores[0, 2] < 1e-3 < scores[0, 3]


def test_ease_is_a_ridge_regression_of_each_item_on_all_others(random_world):
    histories, catalog = random_world
    x = had(histories, catalog)[:, 1:]
    n_items = x.shape[1]
    expected = np.zeros((n_items, n_items))
    for j in range(n_items):
        others = np.arange(n_items) != j
        expected[others, j] = Ridge(alpha=7.0, fit_intercept=False).fit(x[:, others], x[:, j]).coef_
    model = Ease(l2=7.0, half_life_days=None).fit(histories, catalog)
    place = np.argsort(model.kept)
    np.testing.assert_allclose(model.weights[np.ix_(place, place)], expected, rtol=1e-3, atol=1e-5)
    counts = histories.matrix(len(catalog)).toarray()[:, 1:]
    predicted = (1 - np.exp(-counts)) @ expected
    np.testing.assert_allclose(model.score(histories)[:, 1:], predicted, rtol=1e-3, atol=1e-4)
    model.half_life_days = 10  # is read when it scores
    faded = histories.matrix(len(catalog), histories.weights(10)).toarray()[:, 1:] / 5
    predicted = (1 - np.exp(-faded)) @ expected
    np.testing.assert_allclose(model.score(histories)[:, 1:], predicted, rtol=1e-3, atol=1e-4)


def test_ease_leaves_rare_items_to_popularity(random_world):
    histories, catalog = random_world
    model = Ease(l2=7.0, max_items=4).fit(histories, catalog)
    counts = np.bincount(histories.items, minlength=len(catalog))
    assert sorted(counts[model.kept]) == sorted(counts)[-4:]
    others = np.setdiff1d(np.arange(1, len(catalog)), model.kept)
    scores = model.score(histories)[:, others]
    np.testing.assert_allclose(scores, np.tile(counts[others] / counts.max() / 1e6, (len(histories), 1)), rtol=1e-5)


def test_a_matrix_larger_than_a_block_is_inverted_whole():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1100, 1100)).astype(np.float32)
    gram = np.asfortranarray(x @ x.T + 500 * np.eye(1100, dtype=np.float32))
    inverse = linear._invert_in_place(gram.copy(order="F"))
    np.testing.assert_array_equal(inverse, inverse.T)
    np.testing.assert_allclose(inverse @ gram, np.eye(1100), atol=1e-3)


def test_a_table_that_cannot_be_inverted_says_what_to_do():
    histories, catalog = world([("a", 1, 0), ("a", 2, 0)])
    with pytest.raises(np.linalg.LinAlgError, match="raise l2"):
        Ease(l2=0.0).fit(histories, catalog)


def test_svd_ranks_as_surprise_itself_predicts(random_world):
    histories, catalog = random_world
    model = SurpriseSvd(n_factors=4, epochs=5, seed=3).fit(histories, catalog)
    pairs = histories.matrix(len(catalog), histories.weights()).tocoo()
    table = pd.DataFrame({"user": pairs.row, "item": pairs.col, "rating": np.log1p(pairs.data)})
    train = surprise.Dataset.load_from_df(table, surprise.Reader(rating_scale=(-99, 99))).build_full_trainset()
    svd = surprise.SVD(n_factors=4, n_epochs=5, random_state=3).fit(train)
    scores = model.score(histories)
    sold = np.unique(histories.items)
    for b in range(0, len(histories), 7):
        told = np.array([svd.predict(b, item).est for item in sold])
        mine = scores[b, sold]
        np.testing.assert_allclose(mine - mine.mean(), told - told.mean(), rtol=1e-3, atol=1e-5)


def test_svd_knows_its_users_by_name_and_puts_unsold_items_last(random_world):
    histories, catalog = random_world
    model = SurpriseSvd(n_factors=4, epochs=5).fit(histories, catalog)
    stranger = pack(log([("a stranger", 3, 0)]), catalog)
    np.testing.assert_array_equal(model.score(stranger)[0, 1:], model.item_bias[1:])
    turned = np.arange(len(histories))[::-1]
    np.testing.assert_allclose(model.score(histories.take(turned))[:, 1:], model.score(histories)[turned, 1:])
    unsold = catalog.items.filter(pl.col(ITEM).is_null()).vstack(
        pl.DataFrame({ITEM: range(1, 30)}, catalog.items.schema)
    )
    wider = type(catalog)(unsold)
    again = pack(log([("a", 1, 0), ("b", 2, 0), ("b", 3, 0)]), wider)
    scores = SurpriseSvd(n_factors=4, epochs=2).fit(again, wider).score(again)
    assert scores[:, 1:4].min() > scores[:, 4:].max()


SHELF = pl.DataFrame(
    {
        ITEM: [1, 2, 3, 4],
        TITLE: ["Red Shoe", "blue shoe", "red hat", None],
        CATEGORY: ["feet", "feet", "head", None],
        BRAND: [None, "x1", None, None],
        TEXT: ["", None, None, None],
    }
)


def test_the_words_of_an_item_are_joined_and_may_be_none():
    _, catalog = world([("a", i, 0) for i in (1, 2, 3, 4)], SHELF)
    assert item_texts(catalog) == ["", "Red Shoe feet", "blue shoe feet x1", "red hat head", ""]


def test_content_is_the_cosine_of_words_by_hand():
    histories, catalog = world([("a", 1, 0), ("b", 2, 0), ("b", 3, 0), ("b", 4, 0)], SHELF)
    scores = Content(words="count").fit(histories, catalog).score(histories)
    # {red shoe feet} with {blue shoe feet x1}: 2 / (√3·√4); with {red hat head}: 1 / (√3·√3).
    assert scores[0, 1:] == pytest.approx([1, 2 / 12**0.5, 1 / 3, 0], abs=1e-5)


def test_content_forgets_by_half_lives():
    histories, catalog = world([("a", 1, 0), ("a", 3, 30), ("b", 2, 30), ("b", 4, 30)], SHELF)
    scores = Content(half_life_days=30, words="count").fit(histories, catalog).score(histories)
    # Half of {red shoe feet} and the whole of {red hat head}, of length √(1/4 + 1 + 1/3); the two share one word of three.
    length = (1 / 4 + 1 + 1 / 3) ** 0.5
    assert scores[0, [1, 3]] == pytest.approx([(1 / 2 + 1 / 3) / length, (1 + 1 / 6) / length], abs=1e-5)


def test_rare_words_say_more_than_common_ones():
    shelf = pl.DataFrame({ITEM: [1, 2, 3, 4], TITLE: ["the fig", "the pea", "a fig", "the nut"]})
    histories, catalog = world([("a", 1, 0), ("b", 2, 0), ("b", 3, 0), ("b", 4, 0)], shelf)
    counted, weighed = (Content(words=w).fit(histories, catalog).score(histories)[0] for w in ("count", "tfidf"))
    assert counted[2] == pytest.approx(counted[3], abs=1e-5)
    assert weighed[3] > 1.2 * weighed[2]


def test_content_without_any_word_is_popularity():
    histories, catalog = world([("a", 1, 0), ("b", 2, 0), ("b", 2, 1)])
    scores = Content().fit(histories, catalog).score(histories)
    assert catalog.ids(scores.argmax(1)) == [2, 2]
    assert scores[0, PAD] == -np.inf
