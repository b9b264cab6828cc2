"""The live recommender says what the fitted models say, hears the newest event, and breaks no rule."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from recolab.compiled import CompiledEncoder
from recolab.evaluation import make_task
from recolab.export import export_encoder
from recolab.histories import PAD
from recolab.live import (
    Card,
    Choir,
    Encoded,
    Favour,
    Habit,
    Linked,
    LiveRecommender,
    Session,
    Sessions,
    Wish,
    keep_weights,
    learn_weights,
    open_live,
    places_lost,
    sessions,
    ship,
    shipping,
)
from recolab.live.newcomers import welcome
from recolab.live.opinions import OfSome
from recolab.live.sessions import session_of
from recolab.live.tables import FloatTable
from recolab.live.weighing import Lists
from recolab.models.neighbours import Transitions
from recolab.models.popularity import PersonalFrequency
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.rerank import Rules
from recolab.schema import ITEM, PURCHASE, TITLE, VIEW
from recolab.training import TrainConfig
from tests.worlds import START, log, priced_ring

N_ITEMS = 12
NOW = START + timedelta(days=30)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Twelve goods on a ring, of two categories, at rising prices; three models that have learned the ring."""
    catalog, past = priced_ring(N_ITEMS, NOW)
    model = Transformer(TransformerConfig(dim=16, max_len=10, negatives=0), TrainConfig(25, progress=False))
    models = [model, Transitions(half_life_days=4, reach=2), PersonalFrequency(half_life_days=5, half_life_visits=3)]
    for one in models:
        one.fit(past, catalog)
    path = tmp_path_factory.mktemp("live") / "encoder.onnx"
    export_encoder(model, path)
    return catalog, past, models, CompiledEncoder(path, 10)


def voices_of(shop):
    catalog, past, (model, transitions, habit), encoder = shop
    popularity = np.bincount(past.items, minlength=len(catalog)).astype(np.float32)
    return [
        Encoded(encoder, FloatTable(model.module.table.weight.detach().numpy()), model.config.max_len),
        Linked(transitions.links, transitions.half_life_days, "Transitions"),
        Habit(habit.half_life_days, habit.half_life_visits),
        Favour(popularity),
    ]


@pytest.fixture
def live(shop):
    catalog, past, (model, *_), _ = shop
    return LiveRecommender(catalog, past, Choir(voices_of(shop), [1.0, 5.0, 0.0, 0.1]), model.item_vectors())


def whole(opinion):
    scores = np.zeros(N_ITEMS + 1, np.float32)
    opinion.add_to(scores, 1)
    return scores


def listed(picks):
    return [pick.item for pick in picks]


def test_every_voice_says_of_a_session_what_its_model_says_of_the_packed_history(shop):
    _, past, models, _ = shop
    everybody = Sessions(past, most=99)
    for user in past.users[:10]:
        one = past.take(slice(user, user + 1))
        for voice, model in zip(voices_of(shop), models, strict=False):
            said, known = whole(voice.opinion(everybody.of(user), past.as_of)), model.score(one)[0]
            if not isinstance(voice, Encoded):
                known[1:] = np.log(
                    1 + 100 * known[1:] / known[1:].max()
                )  # popularity, a millionth, orders what has no votes
            np.testing.assert_allclose(said[1:], known[1:], atol=2e-3)


def test_the_next_list_knows_the_newest_event(live):
    for step in (3, 4, 5, 9):
        at = NOW + timedelta(days=step)
        assert live.observe("a stranger", step, VIEW, at)
        assert live.recommend("a stranger", 3, at=at)[0].item == step + 1
        assert live.recommend_for([step], 3)[0].item == step + 1


def test_a_stranger_gets_what_everybody_buys_and_takes_no_room(live, shop):
    counts = np.bincount(shop[1].items, minlength=N_ITEMS + 1)
    live.update_item(shop[0].ids([int(counts.argmax())])[0], price=1.0)
    first = live.recommend("nobody", 5)
    assert len(first) == 5
    assert counts[first[0].item + 1] == counts.max()
    assert len(live._sessions) == 0


def test_an_unknown_item_says_nothing_and_the_rest_still_speaks(live):
    live.observe(1, 4)
    before = listed(live.recommend(1, 5, at=NOW))
    assert not live.observe(1, "no such thing")
    assert listed(live.recommend(1, 5, at=NOW)) == before
    assert listed(live.recommend_for(["?", 4], 5)) == listed(live.recommend_for([4], 5))
    assert len(live.recommend_for([], 4)) == len(live.recommend_for(["?"], 4)) == 4


@pytest.mark.parametrize(
    "happened",
    [
        [(3, 1.0), (4, 2.0), (4, 2.0), (7, 2.5)],
        [(3, 5.0), (4, -40.0), (7, 2.0)],  # late ones, one before all that is known
        [(step % N_ITEMS, float(step)) for step in range(40)],  # more than is kept
        [(step % N_ITEMS, -(step % 7) * 9.0) for step in range(40)],  # late ones at the cap
    ],
)
def test_a_session_that_grew_is_one_that_was_read_at_once(happened, shop, monkeypatch):
    monkeypatch.setattr(sessions, "KEPT", 20)
    past, (encoded, linked, *_) = shop[1], voices_of(shop)
    grown = Sessions(past, most=5)
    for voice in (encoded, linked):
        voice.opinion(grown.of(1), past.as_of)
    for item, day in happened:
        at = past.as_of + round(86_400 * day)
        before, after = grown.add(1, item + 1, at, 2)
        for voice in (encoded, linked):
            voice.follow(before, after, item + 1, at, 2)
        assert linked in after.memory
        in_order, has_room = at == after.times[-1], len(after) > len(before)
        assert (encoded in after.memory) == (encoded in before.memory and in_order and has_room)
    anew = Session(after.items, after.times, after.kinds)
    assert (np.diff(after.times) >= 0).all()
    assert len(after) <= 20
    for voice in (encoded, linked):
        np.testing.assert_allclose(whole(voice.opinion(after, at)), whole(voice.opinion(anew, at)), atol=1e-5)
    for kept, read in zip(vars(encoded._bags(after)).values(), vars(encoded._bags(anew)).values(), strict=True):
        np.testing.assert_allclose(kept, read, atol=1e-6)  # a norm would hide a wrong size


def test_what_is_sold_out_leaves_the_very_next_list_and_comes_back(live):
    first = live.recommend(1, 3)[0].item
    live.update_item(first, stock=0)
    assert first not in listed(live.recommend(1, N_ITEMS))
    live.update_item(first, stock=2)
    assert live.recommend(1, 3)[0].item == first
    live.update_item(first, price=99.0)
    assert first not in listed(live.recommend(1, N_ITEMS, Rules(max_price=50)))


def test_rules_come_before_the_best_are_taken_so_that_the_list_is_full(live):
    rules = Rules(min_price=12, max_price=20, not_categories=["0"], exclude=[5])
    assert sorted(listed(live.recommend(1, 3, rules))) == [3, 7, 9]
    assert sorted(listed(live.recommend(1, 10, Rules(categories=["1"])))) == [1, 3, 5, 7, 9, 11]
    assert live.recommend(1, 10, Rules(categories=["no such"])) == []
    assert live.recommend(1, 10, Rules(min_price=1e6)) == []


def test_nothing_seen_or_bought_lately_comes_again(live):
    live.observe(77, 4, VIEW, at=NOW)
    live.observe(77, 5, PURCHASE, at=NOW - timedelta(days=3))

    def shown(*days, **wish):
        return set(listed(live.recommend(77, N_ITEMS, wish=Wish(*days, **wish), at=NOW + timedelta(days=1))))

    everything = set(range(N_ITEMS))
    assert shown(not_bought_days=0) == everything
    assert shown() == everything - {5}
    assert shown(2, 0) == everything - {4}
    assert shown(5, 0) == everything - {4, 5}
    assert shown(not_bought_days=5) == everything - {5}


def test_without_its_reason_a_place_is_lost_and_without_another_item_it_is_not(live, shop):
    _, past, *_ = shop
    visits = [[int(item) for item in past.items[past.offsets[b] : past.offsets[b] + 3] - 1] for b in range(0, 40, 4)]
    lost = places_lost(live, visits, 3, np.random.default_rng(0))
    assert len(lost) > 10
    assert lost["named"].mean() > 1 > lost["other"].mean()
    first, *_ = visits[0]
    assert places_lost(live, [[first]], 3, np.random.default_rng(0)).is_empty()  # no other item to take out


@pytest.mark.parametrize("days", [None, -1, float("nan")])
def test_days_that_are_none_are_refused_by_their_name(days):
    with pytest.raises(ValueError, match=r"not_bought_days = .* must be 0 or more"):
        Wish(not_bought_days=days)


def test_a_list_that_may_repeat_is_made_by_the_weights_that_were_learned_for_it(shop):
    catalog, past, (model, *_), _ = shop
    choir = Choir(voices_of(shop), [0, 1, 0, 0], [0, 0, 1, 0.1])
    live = LiveRecommender(catalog, past, choir, model.item_vectors())
    for moment, item in enumerate([4, 4, 4, 7]):
        live.observe("new", item, PURCHASE, at=NOW + timedelta(seconds=moment))
    now = NOW + timedelta(minutes=1)
    new, again = (live.recommend("new", 3, wish=wish, at=now) for wish in (Wish(), Wish(not_bought_days=0)))
    assert {4, 7}.isdisjoint(listed(new))
    assert set(new[0].shares) == {"Transitions"}
    assert listed(again)[:2] == [4, 7]
    assert set(again[0].shares) == {"Habit", "Popularity"}
    assert live.reasons("new", [8], now) == [7]
    assert live.reasons("new", [8, 4], now, Wish(not_bought_days=0)) == [None, 4]
    wider = welcome(live, pl.DataFrame({ITEM: [99], TITLE: ["a new thing"]}))
    assert listed(wider.recommend("new", 2, wish=Wish(not_bought_days=0), at=now)) == [4, 7]


@pytest.mark.parametrize("wish", [Wish(most_per_category=2), Wish(most_per_category=2, variety=0.4, by="dpp")])
def test_unknown_categories_have_nothing_in_common(live, wish):
    live.shelf.groups[:] = 0
    assert len(live.recommend(1, 6, wish=wish)) == 6


@pytest.mark.parametrize("wish", [Wish(most_per_category=2), Wish(most_per_category=2, variety=0.4, by="dpp")])
def test_a_category_has_at_most_so_many_places_and_the_list_is_filled_from_further_down(wish, live, monkeypatch):
    monkeypatch.setattr("recolab.live.lists.POOL", 3)
    picks = listed(live.recommend(1, 4, wish=wish))
    assert sorted(item % 2 for item in picks) == [0, 0, 1, 1]
    assert len(live.recommend(1, 10, wish=wish)) == 4  # two of two: more would break the rule


def test_variety_brings_what_is_unlike_the_first(shop, live):
    vectors, catalog = shop[2][0].item_vectors(), shop[0]

    def alike(wish):
        rows = catalog.rows(listed(live.recommend(1, 5, wish=wish, at=NOW)))
        return (vectors[rows] @ vectors[rows].T)[~np.eye(5, dtype=bool)].mean()

    assert alike(Wish(variety=0.9)) < alike(Wish())
    assert alike(Wish(variety=0.9, by="dpp")) < alike(Wish())
    assert live.recommend(1, 5, wish=Wish(variety=0.9))[0] == live.recommend(1, 5)[0]


def test_shares_add_up_to_the_score(live):
    for pick in live.recommend(3, 6):
        assert sum(pick.shares.values()) == pytest.approx(pick.score, abs=1e-4)


def test_the_item_named_as_the_reason_is_one_without_which_the_score_falls(live, shop):
    live.observe("s", 2, at=NOW)
    live.observe("s", 7, at=NOW + timedelta(hours=1))
    live.observe("s", 7, at=NOW + timedelta(hours=2))
    at = NOW + timedelta(hours=3)
    best = live.recommend("s", 1, at=at)[0]
    assert best.item == 8
    assert live.explain("s", 8, at=at) == 7
    without = live.recommend_for([2], N_ITEMS)
    assert {pick.item: pick.score for pick in without}[8] < best.score
    assert live.explain("nobody", 8) is None


def test_a_list_is_explained_at_once_as_each_of_it_alone(live, monkeypatch):
    for hour, item in enumerate((2, 7, 4)):
        live.observe("s", item, VIEW, at=NOW + timedelta(hours=hour))
    at = NOW + timedelta(hours=3)
    assert live.reasons("s", [8, 5, 3], at=at) == [7, 4, 2] == [live.explain("s", item, at=at) for item in (8, 5, 3)]
    assert live.reasons_for([2, 7, 4], [8, 5, 3]) == [7, 4, 2]
    assert live.reasons("nobody", [8, 5]) == [None, None]
    assert live.reasons("s", []) == []
    said = []
    hear = live.choir.hear_loud
    monkeypatch.setattr(live.choir, "hear_loud", lambda *asked: said.append(1) or hear(*asked))
    live.reasons("s", list(range(N_ITEMS)), at=at)
    assert len(said) == 4  # the whole, and once without each of three


def test_whoever_was_away_longest_makes_room_and_loses_no_event(shop, monkeypatch):
    catalog, past, (model, *_), _ = shop
    live = LiveRecommender(catalog, past, Choir(voices_of(shop), [1, 5, 0, 0.1]), model.item_vectors(), max_sessions=2)
    before = live.recommend(1, 3, at=NOW)
    live.observe(1, (before[0].item + 5) % N_ITEMS, at=NOW)
    after = listed(live.recommend(1, 3, at=NOW))
    assert after != listed(before)
    for other in (2, 3, 4):
        live.recommend(other, 1)  # who only asks pushes nobody's events out
    assert listed(live.recommend(1, 3, at=NOW)) == after
    for other in (2, 3, "x", "y"):
        live.observe(other, 1, at=NOW)
    assert len(live._sessions) <= 4
    assert not live._sessions._away[1].memory  # what took room is gone
    assert listed(live.recommend(1, 3, at=NOW)) == after


def test_whoever_was_away_longest_of_all_is_known_by_the_past_again(shop, monkeypatch):
    monkeypatch.setattr(sessions, "AWAY", 1)
    catalog, past, (model, *_), _ = shop
    live = LiveRecommender(catalog, past, Choir(voices_of(shop), [1, 5, 0, 0.1]), model.item_vectors(), max_sessions=1)
    before = listed(live.recommend(1, 3, at=NOW))
    live.observe(1, (before[0] + 5) % N_ITEMS, at=NOW)
    for other in (2, 3):
        live.observe(other, 1, at=NOW)
    assert listed(live.recommend(1, 3, at=NOW)) == before
    assert len(live._sessions._away) == 1


def test_what_was_bought_does_not_come_back_however_much_was_done_since(shop, monkeypatch):
    monkeypatch.setattr(sessions, "KEPT", 5)
    catalog, past, (model, *_), _ = shop
    live = LiveRecommender(catalog, past, Choir(voices_of(shop), [1, 5, 1, 0.1]), model.item_vectors())
    everything = [set(past.items[past.offsets[b] : past.offsets[b + 1]] - 1) for b in range(len(past))]
    busy = max(range(len(past)), key=lambda b: past.lengths[b] > 5 and 0 < len(everything[b]) < N_ITEMS)
    user, had = past.users[busy], {int(item) for item in everything[busy]}
    assert past.lengths[busy] > 5
    assert set(listed(live.recommend(user, N_ITEMS, None, Wish(10_000)))) == set(range(N_ITEMS)) - had
    live.observe("new", 3, PURCHASE, NOW)
    for step in range(20):
        live.observe("new", 4 + step % 2, VIEW, NOW + timedelta(seconds=1 + step))
    now = NOW + timedelta(minutes=1)
    assert len(live._sessions.of("new")) == 5
    assert set(listed(live.recommend("new", N_ITEMS, None, Wish(None, 1), now))) == set(range(N_ITEMS)) - {3}
    assert set(listed(live.recommend("new", N_ITEMS, None, Wish(1, 0), now))) == set(range(N_ITEMS)) - {3, 4, 5}
    assert 3 in listed(live.recommend("new", N_ITEMS, None, Wish(None, 1), now + timedelta(days=1)))


def test_rules_know_what_came_before_in_order_and_no_more_than_their_share(monkeypatch):
    monkeypatch.setattr(sessions, "KEPT", 3)
    monkeypatch.setattr(sessions, "RULED", 4)
    session = sessions.NOBODY
    for row, at in ((1, 10), (2, 20), (3, 30), (4, 40), (5, 5), (6, 60), (7, 70), (8, 80), (9, 90)):
        session = session.plus(row, at, row % 3)
    assert list(session.items) == [7, 8, 9]
    assert list(session.older.items) == [2, 3, 4, 6]  # 5 came first in time, and was the first to go with 1
    assert [list(part) for part in session.since(30)] == [[4, 6, 7, 8, 9], [1, 0, 1, 2, 0]]
    assert [len(session.since(moment)[0]) for moment in (0, 60, 75, 90)] == [7, 3, 2, 0]


def test_nobody_is_told_what_sells_where_habit_is_loud(shop):
    catalog, past, (model, *_), _ = shop
    live = LiveRecommender(catalog, past, Choir(voices_of(shop), [0.4, 0.6, 1, 0]), model.item_vectors())
    sold = np.bincount(past.items, minlength=N_ITEMS + 1)[1:]
    picks = live.recommend("a stranger", 5)
    assert picks[0].score > 0
    assert sold[picks[0].item] == sold.max()


def test_a_shop_of_other_goods_leaves_nothing_of_the_old_voices_in_its_sessions(live):
    live.observe(1, 3, at=NOW)
    live.recommend(1, 3, at=NOW)
    live.recommend(2, 3, at=NOW)
    kept = [*live._sessions._open.values(), *live._sessions._asked.values()]
    assert all(session.memory for session in kept)
    grown = welcome(live, pl.DataFrame({"item_id": [77], "title": ["new"]}))
    assert not any(session.memory for session in kept)
    assert len(grown.recommend(1, 3, at=NOW)) == 3


def test_a_request_that_outlives_its_goods_leaves_out_what_came_after_them(live, monkeypatch):
    """While a list or its reasons are made, newcomers are welcomed and one of them is bought: both share the session."""
    live.observe(1, 3, VIEW, at=NOW)
    grown = welcome(live, pl.DataFrame({"item_id": [77], "title": ["new"]}))
    before = live.recommend(1, 4, at=NOW), live.reasons(1, [4], at=NOW)
    assert grown.observe(1, 77, PURCHASE, at=NOW)
    assert (live.recommend(1, 4, at=NOW), live.reasons(1, [4], at=NOW)) == before
    assert 77 not in listed(grown.recommend(1, N_ITEMS, at=NOW))
    monkeypatch.setattr(sessions, "KEPT", 1)
    grown.observe_all([1], [4], np.array([NOW.timestamp()], np.int64), np.zeros(1, np.int8))
    # What was bought is now among those events that rules alone know.
    assert 4 in listed(live.recommend(1, N_ITEMS, at=NOW))


def test_many_threads_lose_no_event(live):
    def visit(number):
        for step in range(25):
            live.observe(f"shopper {number % 4}", step % N_ITEMS, VIEW)
            assert len(live.recommend(f"shopper {number % 4}", 5)) == 5

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(visit, range(8)))
    assert [len(live._sessions.of(f"shopper {number}")) for number in range(4)] == [50] * 4


def test_bad_words_are_refused_by_name(live, shop):
    catalog, past, *_ = shop
    with pytest.raises(ValueError, match="kind = 'gaze' must be one of view"):
        live.observe(1, 1, "gaze")
    for k in (0, -1, 1001):
        with pytest.raises(ValueError, match=r"k = .* must be from 1 to 1,000"):
            live.recommend(1, k)
    with pytest.raises(KeyError, match="'x' is not in the catalog of 12 items"):
        live.update_item("x", stock=1)
    with pytest.raises(KeyError, match="'x' is not in the catalog"):
        live.explain(1, "x")
    for wish, word in (({"variety": 1}, "variety"), ({"by": "luck"}, "by"), ({"most_per_category": 0}, "most_per")):
        with pytest.raises(ValueError, match=word):
            Wish(**wish)
    with pytest.raises(ValueError, match="1 weights for the voices"):
        LiveRecommender(catalog, past, Choir(voices_of(shop), [1.0]), np.zeros((13, 2), np.float32))
    with pytest.raises(ValueError, match="most = 0"):
        LiveRecommender(catalog, past, Choir([], []), np.zeros((13, 2), np.float32), max_sessions=0)


def test_a_price_or_a_stock_that_is_none_changes_nothing(live):
    for words in ({"price": -1.0}, {"stock": float("nan")}, {"price": float("inf")}):
        with pytest.raises(ValueError, match="of 3 must be a number from 0 up"):
            live.update_item(3, **words)
    assert 3 in listed(live.recommend(1, N_ITEMS, Rules(min_price=13, max_price=13)))


def test_what_was_shipped_says_the_same_and_nothing_opens_half_written(shop, live, tmp_path):
    catalog, past, models, _ = shop
    ship(tmp_path, catalog, past, *models)
    keep_weights(tmp_path, live.choir.weights)
    opened = open_live(tmp_path)
    for user in (1, 2, "stranger"):
        assert opened.recommend(user, 6, at=NOW) == live.recommend(user, 6, at=NOW)
    model = Transformer(TransformerConfig(dim=16, hidden_share=0.3, negatives=0), TrainConfig(1, progress=False))
    with pytest.raises(ValueError, match="foresees hidden visits"):
        ship(tmp_path, catalog, past, model.fit(past, catalog), *models[1:])
    assert open_live(tmp_path).recommend(1, 6, at=NOW) == opened.recommend(1, 6, at=NOW)  # the old one stands
    ship(tmp_path, catalog, past, *models, [0, 1, 0, 0], [0, 0, 1, 0])
    choir = open_live(tmp_path).choir
    assert (choir.weights, choir.weights_again) == ([0, 1, 0, 0], [0, 0, 1, 0])
    (tmp_path / ".shipping-interrupted").mkdir()
    (tmp_path / "index.faiss").write_text("of a larger shop, which lay here before")
    with pytest.raises(ValueError, match="weights_again: 2 for 4 voices"):
        ship(tmp_path, catalog, past, *models, None, [1, 2])
    ship(tmp_path, catalog, past, *models, [0, 1, 0, 0], [0, 0, 1, 0])
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".", "index"))]
    (tmp_path / "live.json").unlink()
    with pytest.raises(FileNotFoundError, match="not to its end: ship again"):
        open_live(tmp_path)


def test_a_shop_that_is_shipped_while_it_is_opened_is_the_one_or_the_other(shop, tmp_path, monkeypatch):
    catalog, past, models, _ = shop
    ship(tmp_path, catalog, past, *models, [1, 0, 0, 0])
    shipped, load = [], shipping.load_catalog

    def meanwhile(path):
        if not shipped:
            shipped.append(True)
            ship(tmp_path, catalog, past, *models, [0, 1, 0, 0])
        return load(path)

    monkeypatch.setattr(shipping, "load_catalog", meanwhile)
    assert open_live(tmp_path).choir.weights == [0, 1, 0, 0]


def test_the_voice_that_knows_what_is_wanted_is_weighed_most(shop):
    catalog, past, *_ = shop
    last = past.items[past.offsets[1:] - 1]
    after = [(user, int(row) % N_ITEMS, 31) for user, row in zip(past.users, last, strict=True)]  # the next on the ring
    task = make_task(past, log(after), catalog, allow_repeats=True)
    weights = learn_weights(voices_of(shop), task)
    voices = {voice.name: weight for voice, weight in zip(voices_of(shop), weights, strict=True)}
    knows = max(voices, key=voices.get)
    assert knows in ("Transitions", "Transformer"), voices  # both have learned the ring; habits and popularity have not
    assert voices[knows] > 3 * max(
        weight for name, weight in voices.items() if name not in ("Transitions", "Transformer")
    )
    live = LiveRecommender(catalog, past, Choir(voices_of(shop), weights), shop[2][0].item_vectors())
    hits = [live.recommend(user, 1, at=NOW)[0].item == item for user, item, _ in after]
    assert np.mean(hits) > 0.9


def test_the_worth_of_weights_is_the_ndcg_of_their_order():
    opinions = np.array([[3, 0], [2, 0], [1, 9], [0, 1], [1, 0.0]])
    wanted = np.array([False, True, True, True, False])
    lists = Lists(opinions, np.array([0, 0, 0, 1, 1]), wanted, np.array([1 + 1 / np.log2(3), 1.0]))
    second, third = 1 / np.log2(3), 1 / 2
    assert lists.worth(np.array([1.0, 0.0])) == pytest.approx(((second + third) / (1 + second) + second) / 2)
    assert lists.worth(np.array([1.0, 1.0])) == pytest.approx(
        ((1 + third) / (1 + second) + 1) / 2
    )  # of equals, the first


def test_a_sum_is_never_worse_than_its_best_voice_and_noise_is_not_heard(shop):
    catalog, past, *_ = shop
    rng, after = np.random.default_rng(0), [(u, (int(u) * 7) % N_ITEMS, 31) for u in past.users]
    task = make_task(past, log(after), catalog, allow_repeats=True)

    class Said:
        def __init__(self, level):
            self.level = level

        def opinion(self, session, now):
            known = np.zeros(N_ITEMS + 1, np.float32)
            known[1 + (int(place_of(session)) * 7) % N_ITEMS] = self.level
            noise = rng.normal(size=N_ITEMS + 1).astype(np.float32)
            return OfSome(np.arange(N_ITEMS + 1), known + noise)

    sessions_of = {tuple(session_of(past, b).items): user for b, user in enumerate(past.users)}

    def place_of(session):
        return sessions_of[tuple(session.items)]

    weights = learn_weights([Said(0.0), Said(6.0), Said(0.0)], task)
    assert weights[1] > 0
    assert max(weights[0], weights[2]) <= 0.2 * weights[1]


def test_the_pad_row_is_never_shown(live):
    assert None not in listed(live.recommend(1, N_ITEMS + 5))
    assert not live.observe(1, None)
    assert live.catalog.ids([PAD]) == [None]


def test_a_card_shows_what_the_shelf_knows_now(live):
    assert live.card(3) == Card(item=3, title="3", category="1", price=13.0, stock=5.0)
    live.update_item(3, price=7.5, stock=0)
    assert (live.card(3).price, live.card(3).stock) == (7.5, 0)
    assert live.categories == ["0", "1"]
    with pytest.raises(KeyError, match="99 is not in the catalog"):
        live.card(99)
