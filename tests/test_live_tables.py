"""An item table answers alike whole, in whole numbers and by its index; an opinion is the same however little of it is asked."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from recolab.histories import PAD
from recolab.live import Choir, Favour, LiveRecommender, Wish, open_live, recommender, ship, shipping
from recolab.live.choir import Heard
from recolab.live.encoded import Fit
from recolab.live.lists import choose
from recolab.live.opinions import BLOCK, NOTHING, OfAll, OfSome, largest
from recolab.live.tables import (
    NAMED,
    RECALL,
    FloatTable,
    IndexedTable,
    Int8Table,
    SkimmedTable,
    load_index,
    make_index,
    save_index,
)
from recolab.models.neighbours import Transitions
from recolab.models.popularity import PersonalFrequency
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.rerank import Rules
from recolab.training import TrainConfig
from tests.worlds import START, priced_ring

N, D = 3000, 16


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(N, D)).astype(np.float32)
    table[PAD] = 0
    return table, rng.normal(size=(50, D)).astype(np.float32)


@pytest.mark.parametrize("n", [1, 10, N // BLOCK, N - 1, 2 * N])
def test_the_largest_are_those_that_sorting_finds_and_what_may_not_be_shown_is_none_of_them(n):
    rng = np.random.default_rng(n)
    scores = rng.integers(0, 50, N).astype(np.float32)  # with ties
    scores[rng.random(N) < 0.3] = -np.inf
    expected = np.argsort(-scores, kind="stable")[: min(n, int(np.isfinite(scores).sum()))]
    assert largest(scores, n).tolist() == expected.tolist()
    assert largest(np.full(N, -np.inf, np.float32), n).tolist() == []


def opinions(table, state):
    values = np.random.default_rng(1).random(N).astype(np.float32)
    some = np.array([3, 4, 99, N - 1])
    return [
        Fit(FloatTable(table), state),
        OfAll(values, largest(values, N)),
        OfSome(some, values[:4]),
        NOTHING,
    ]


def test_an_opinion_of_some_rows_is_what_it_adds_to_all_and_its_best_are_the_best(drawn):
    table, [state, *_] = drawn
    asked = np.array([3, 5, 99, 2999, 0])
    for opinion in opinions(table, state):
        scores = np.zeros(N, np.float32)
        opinion.add_to(scores, 2)
        np.testing.assert_allclose(scores[asked], 2 * opinion.of(asked), rtol=1e-5, atol=1e-5)
        best = opinion.best(3)
        assert set(best) <= set(largest(scores, 3))
        assert len(best) == min(3, np.count_nonzero(scores))


@pytest.mark.parametrize("dim", [1, 5, 16, 100])
def test_whole_numbers_say_nearly_the_same_in_a_quarter_of_the_bytes(dim):
    rng = np.random.default_rng(dim)
    table, states = (rng.normal(size=(n, dim)).astype(np.float32) for n in (500, 5))
    table[PAD] = 0
    whole = Int8Table(table)
    assert whole.table.nbytes == table.nbytes // 4
    for state in states:
        np.testing.assert_allclose(whole.scores(state), table @ state, atol=0.02 * np.abs(table @ state).max())
    rows = np.array([1, 7])
    np.testing.assert_allclose(whole.vectors(rows), table[rows], atol=float(whole.step.max()) / 2 + 1e-6)
    assert whole.scores(states[0])[PAD] == pytest.approx(0, abs=1e-6)


def test_a_list_that_skims_eight_bits_is_the_list_of_the_floats(drawn):
    table, states = drawn
    skimmed, rows, nobody = SkimmedTable(table), np.arange(N), np.zeros(N, np.int64)
    misled = 0
    for state in states:
        heard = Heard([("Transformer", 2.0, Fit(skimmed, state))])
        rough = heard.roughly(N)
        expected = largest(2 * table @ state, 10)
        misled += largest(rough, 10).tolist() != expected.tolist()
        chosen, worth, _ = choose(rough, rows, heard.of, table, nobody, 10, Wish())
        assert chosen.tolist() == expected.tolist()
        np.testing.assert_allclose(worth, 2 * table[expected] @ state, rtol=1e-5)
    assert misled  # eight bits alone would not do


def test_what_is_worth_alike_stands_in_the_order_of_the_catalog():
    worth, nobody = np.random.default_rng(0).integers(0, 3, 500).astype(np.float32), np.zeros(500, np.int64)
    chosen, _, _ = choose(worth, np.arange(500), worth.take, np.zeros((500, 2), np.float32), nobody, 300, Wish())
    assert chosen.tolist() == np.argsort(-worth, kind="stable")[:300].tolist()


def test_what_costs_little_as_it_is_has_no_rougher_form(drawn):
    table, [state, *_] = drawn
    for opinion in opinions(table, state)[1:]:
        assert opinion.rough() is opinion
    for of_its_own in (FloatTable(table), Int8Table(table)):
        assert of_its_own.rough is of_its_own


def test_an_index_opens_lists_until_it_finds_what_there_is_and_tells_its_recall(drawn, tmp_path):
    table, states = drawn
    index, recall = make_index(table, states)
    assert 1 < index.nprobe < index.nlist
    assert recall >= RECALL
    save_index(index, tmp_path / "index.faiss")
    indexed = IndexedTable(table, load_index(tmp_path / "index.faiss"))
    named = [indexed.best(state, NAMED) for state in states]
    found = [len(set(some) & set(largest(table @ state, 10))) for some, state in zip(named, states, strict=True)]
    assert np.mean(found) / 10 == pytest.approx(recall)
    for some, state in zip(named, states, strict=True):
        assert (np.diff(table[some] @ state) <= 0).all()  # best first, by the vectors themselves
    assert PAD not in indexed.best(np.zeros(D, np.float32), 10)


def filed_in(index):
    """Of each item of an index, which list it is in."""
    lists = [faiss.rev_swig_ptr(index.invlists.get_ids(n), index.invlists.list_size(n)) for n in range(index.nlist)]
    return {int(item): n for n, items in enumerate(lists) for item in items}


def test_items_are_filed_where_they_lie_nearest_however_long_the_middles_and_so_are_newcomers():
    rng = np.random.default_rng(3)
    table = (rng.normal(size=(3000, 8)) * rng.lognormal(0, 0.7, (3000, 1))).astype(np.float32)
    table[PAD] = 0
    index, _ = make_index(table, table[1:9])
    middles = index.quantizer.reconstruct_n(0, index.nlist)

    def nearest(vectors):
        return ((vectors[:, None] - middles) ** 2).sum(2).argmin(1)

    where = filed_in(index)
    assert np.mean([where[item] == place for item, place in enumerate(nearest(table))]) > 0.999  # but for rounding
    assert np.bincount(list(where.values())).max() < 0.1 * len(table)
    new = (rng.normal(size=(200, 8)) * rng.lognormal(0, 0.7, (200, 1))).astype(np.float32)
    grown = IndexedTable(table, index).plus(new)
    where = filed_in(grown.index)
    assert np.mean([where[3000 + place] == near for place, near in enumerate(nearest(new))]) > 0.99
    by_product = (new @ middles.T).argmax(1)
    assert np.mean(by_product == nearest(new)) < 0.9  # the other way would be another
    best = grown.best(new[7], 5)  # asked by product: whoever is longest that way
    exact = largest(np.concatenate([table, new]) @ new[7], 5)
    assert len(set(best) & set(exact)) >= 4


@pytest.mark.parametrize("dim", [6, 7, 64])
def test_a_table_of_any_width_gets_an_index(dim):
    table = np.random.default_rng(dim).normal(size=(60, dim)).astype(np.float32)
    table[PAD] = 0
    index, recall = make_index(table, table[1:9])
    assert recall >= RECALL
    index.nprobe = index.nlist
    assert set(IndexedTable(table, index).best(table[3], 60)) == set(range(1, 60))


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A small shop that is shipped as if it were large."""
    monkeypatch.setattr(shipping, "LARGE", 5)
    catalog, past = priced_ring(40, START)
    model = Transformer(TransformerConfig(dim=16, max_len=10, negatives=0), TrainConfig(2, progress=False))
    models = [model, Transitions(half_life_days=4, reach=2), PersonalFrequency(5, 3)]
    for one in models:
        one.fit(past, catalog)
    ship(tmp_path, catalog, past, *models)
    return tmp_path, past


def test_a_large_shop_makes_its_lists_of_what_the_voices_name_and_of_all_where_rules_leave_too_few(
    shipped, monkeypatch
):
    folder, past = shipped
    monkeypatch.setattr(shipping, "CANDIDATES", 6)
    live = open_live(folder)
    exact = LiveRecommender(live.catalog, past, Choir(live.choir.voices, live.choir.weights), live.vectors)
    same = [
        [pick.item for pick in live.recommend(user, 5, at=START)]
        == [pick.item for pick in exact.recommend(user, 5, at=START)]
        for user in past.users
    ]
    assert np.mean(same) > 0.8
    dear = Rules(min_price=45)  # the five dearest goods, wherever the voices look
    assert len(live.recommend(past.users[0], 5, dear, at=START)) == 5
    assert {pick.item for pick in live.recommend("a stranger", 5, dear)} == {35, 36, 37, 38, 39}


def test_whoever_had_many_of_the_best_is_named_as_many_more(shipped, monkeypatch):
    folder, _ = shipped
    monkeypatch.setattr(shipping, "CANDIDATES", 6)
    live, asked, named = open_live(folder), [], Heard.named

    def noted(heard, n):
        asked.append(n)
        return named(heard, n)

    monkeypatch.setattr(Heard, "named", noted)
    for item in (1, 2, 3, 3):
        live.observe("new", item, at=START)
    live.recommend("new", 2, at=START)
    monkeypatch.setattr(recommender, "LEFT_OUT", 2)
    live.recommend("new", 2, at=START)
    assert asked == [6 + 3, 6 + 2]


def test_a_large_shop_too_keeps_out_what_is_excluded_and_what_was_seen(shipped, monkeypatch):
    folder, past = shipped
    monkeypatch.setattr(shipping, "CANDIDATES", 12)
    live, user = open_live(folder), past.users[0]
    best = [pick.item for pick in live.recommend(user, 5, at=START)]
    rest = [pick.item for pick in live.recommend(user, 5, Rules(exclude=best[:2]), at=START)]
    assert rest[:3] == best[2:]
    live.observe(user, best[0], at=START)
    seen = [pick.item for pick in live.recommend(user, 5, at=START)]
    assert best[0] not in seen
    assert len(seen) == 5


def test_a_shop_can_be_opened_with_whole_numbers_for_its_table(shipped, monkeypatch):
    monkeypatch.setattr(shipping, "LARGE", 99)
    folder, past = shipped
    (folder / "index.faiss").unlink()
    small, exact = open_live(folder, int8=True), open_live(folder)
    assert isinstance(small.choir.voices[0].table, Int8Table)
    lists = [[p.item for p in live.recommend(past.users[0], 5, at=START)] for live in (small, exact)]
    assert len(set(lists[0]) & set(lists[1])) >= 4


def test_a_stranger_is_told_what_everybody_buys_though_popularity_has_no_weight():
    catalog, past = priced_ring(12, START)
    popularity = np.arange(13, dtype=np.float32)
    live = LiveRecommender(
        catalog,
        past,
        Choir([Favour(np.ones(13, np.float32), "Loud"), Favour(popularity)], [0.0, 0.0]),
        np.eye(13, 13, dtype=np.float32),
    )
    assert [pick.item for pick in live.recommend("nobody", 3)] == [11, 10, 9]


@pytest.mark.parametrize("size", [0, 1, 7, 40, 41, 700, 5000])
@pytest.mark.parametrize("n", [1, 10, 300])
def test_the_largest_are_those_that_sorting_finds(size, n):
    rng = np.random.default_rng(size)
    for drawn in (rng.normal(size=size), rng.integers(0, 3, size), np.where(rng.random(size) < 0.9, -np.inf, 1.0)):
        scores = drawn.astype(np.float32)
        wanted = [row for row in np.argsort(-scores, kind="stable")[:n] if scores[row] > -np.inf]
        assert largest(scores, n).tolist() == wanted
