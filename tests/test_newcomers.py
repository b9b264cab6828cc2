"""What nobody has had yet enters a running shop as what it is like, and nothing that was known is lost."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from recolab.compiled import CompiledEncoder
from recolab.export import export_encoder
from recolab.histories import PAD, Catalog, build_catalog, pack
from recolab.live import Choir, Encoded, Favour, Habit, Linked, LiveRecommender, LiveShop, Wish, replay, welcome
from recolab.live.newcomers import likeness
from recolab.live.opinions import largest
from recolab.live.tables import FloatTable, IndexedTable, Int8Table, SkimmedTable, make_index
from recolab.models.neighbours import Transitions
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.rerank import Rules
from recolab.schema import CATEGORY, ITEM, PRICE, STOCK, TITLE, VIEW, SchemaError
from recolab.service import create_app
from recolab.training import TrainConfig
from tests.worlds import START, carousel

N_ITEMS = 12
NOW = START + timedelta(days=30)
KEY = {"X-API-Key": "secret"}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A ring of goods, each described by a word of its own."""
    _, _, events = carousel(n_users=40, n_items=N_ITEMS, length=15)
    items = pl.DataFrame({ITEM: range(N_ITEMS), TITLE: [f"word{i}" for i in range(N_ITEMS)], CATEGORY: "goods"})
    items = items.with_columns(pl.lit(5.0).alias(PRICE), pl.lit(3).alias(STOCK))
    catalog = build_catalog(events, items)
    past = pack(events, catalog, as_of=NOW)
    model = Transformer(TransformerConfig(dim=16, max_len=10, negatives=0), TrainConfig(20, progress=False))
    path = tmp_path_factory.mktemp("live") / "encoder.onnx"
    export_encoder(model.fit(past, catalog), path)
    links = Transitions(half_life_days=4, reach=1).fit(past, catalog).links
    return catalog, past, model, CompiledEncoder(path, 10), links


@pytest.fixture
def live(fitted):
    catalog, past, model, encoder, links = fitted
    voices = [
        Encoded(encoder, FloatTable(model.module.table.weight.detach().numpy()), 10),
        Linked(links, 4, "Transitions"),
        Habit(5, 3),
        Favour(np.bincount(past.items, minlength=len(catalog)).astype(np.float32)),
    ]
    return LiveRecommender(catalog, past, Choir(voices, [1.0, 3.0, 0.1, 0.1]), model.item_vectors())


def twin_of(item, as_id=99, **more):
    """An item whose title is another's."""
    return pl.DataFrame({ITEM: [as_id], TITLE: [f"word{item}"], **{name: [value] for name, value in more.items()}})


def listed(live, user, k=3, **more):
    return [pick.item for pick in live.recommend(user, k, at=NOW + timedelta(hours=1), **more)]


def test_a_twin_is_shown_to_whoever_would_be_shown_its_other_half(live):
    live.observe("s", 4, VIEW, at=NOW)
    assert listed(live, "s", 1) == [5]
    wider = welcome(live, twin_of(5))
    assert set(listed(wider, "s", 2)) == {5, 99}
    assert 99 not in listed(wider, "s", 5, rules=Rules(exclude=[99]))
    assert live.n_items == N_ITEMS  # the one that was is as it was
    assert wider.n_items == N_ITEMS + 1


def test_whoever_looks_at_a_twin_is_shown_what_follows_its_other_half(live):
    wider = welcome(live, twin_of(5))
    assert not live.knows(99)
    assert wider.observe("new", 99, VIEW, at=NOW)
    assert set(listed(wider, "new", 1)) == {6}
    assert wider.explain("new", 6, at=NOW + timedelta(hours=1)) == 99


def test_what_was_known_is_scored_as_before_and_sessions_prices_and_stocks_go_on(live):
    user = live.past.users[3]
    live.observe(user, 7, VIEW, at=NOW)
    live.update_item(2, price=9.5, stock=0)
    before = {pick.item: pick.score for pick in live.recommend(user, N_ITEMS, at=NOW + timedelta(hours=1))}
    wider = welcome(live, twin_of(5, price=1.5))
    after = {pick.item: pick.score for pick in wider.recommend(user, N_ITEMS + 1, at=NOW + timedelta(hours=1))}
    assert after.pop(99) is not None
    assert after == pytest.approx(before, abs=1e-5)
    assert (wider.card(2).price, wider.card(2).stock, wider.card(99).price) == (9.5, 0, 1.5)
    wider.observe(user, 8, VIEW, at=NOW + timedelta(minutes=5))
    assert listed(live, user, rules=Rules(), wish=Wish(not_seen_days=0.5)) == listed(
        wider, user, wish=Wish(not_seen_days=0.5), rules=Rules(exclude=[99])
    )
    assert 8 not in listed(live, user, N_ITEMS, wish=Wish(not_seen_days=0.5))  # seen there, known here


def test_what_shares_no_word_is_found_by_rules_alone(live):
    wider = welcome(live, pl.DataFrame({ITEM: [50], TITLE: ["unheard"], CATEGORY: ["novelties"]}))
    assert 50 not in listed(wider, "nobody", N_ITEMS)
    assert listed(wider, "nobody", rules=Rules(categories=["novelties"])) == [50]


def test_a_newcomer_is_the_mean_of_its_nearest_and_pad_is_none_of_them():
    titles = [None, "red tea", "green tea", "shoes", "red tea", None]
    like = likeness(Catalog(pl.DataFrame({ITEM: [None, 1, 2, 3, 4, 5], TITLE: titles})), 4).toarray()
    assert like.shape == (2, 4)
    assert like[0, 1] > like[0, 2] > 0 == like[0, PAD] == like[0, 3]
    assert like.sum(1) == pytest.approx([1, 0])


def test_only_the_nearest_are_counted(monkeypatch):
    titles = [None, *(f"tea {'strong ' * n}" for n in range(9)), "tea strong strong strong"]
    monkeypatch.setattr("recolab.live.newcomers.NEAREST", 3)
    [row] = likeness(Catalog(pl.DataFrame({ITEM: [None, *range(10)], TITLE: titles})), 10).toarray()
    assert (row > 0).sum() == 3


@pytest.mark.parametrize("kind", [FloatTable, Int8Table, SkimmedTable, "index"])
def test_every_table_can_grow(kind):
    rng = np.random.default_rng(0)
    table, new = rng.normal(size=(200, 8)).astype(np.float32), rng.normal(size=(2, 8)).astype(np.float32)
    table[PAD] = 0
    made = IndexedTable(table, make_index(table, table[1:20])[0]) if kind == "index" else kind(table)
    wider = made.plus(new)
    assert (len(made), len(wider)) == (200, 202)
    np.testing.assert_allclose(wider.vectors(np.array([200, 201])), new, atol=0.02)
    np.testing.assert_allclose(wider.vectors(np.arange(200)), made.vectors(np.arange(200)), atol=1e-5)
    assert 201 in wider.best(10 * new[1], 3)
    assert largest(wider.scores(new[0]), 1)[0] == 200


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        (twin_of(5, as_id=5), ValueError, "in the catalog already"),
        (twin_of(5, as_id="x"), ValueError, "the catalog's ids are int"),
        (pl.DataFrame({TITLE: ["tea"]}), SchemaError, ITEM),
        (pl.concat([twin_of(5), twin_of(6)]), SchemaError, ITEM),
        (twin_of(5, price=-1.0), SchemaError, PRICE),
    ],
)
def test_what_cannot_come_in_is_refused_by_name(live, items, error, message):
    with pytest.raises(error, match=message):
        welcome(live, items)


def test_over_http_newcomers_are_on_the_next_list_and_come_back_after_a_start(live, fitted, tmp_path):
    catalog, past, *_ = fitted
    one = {"item_id": 99, "title": "word5", "stock": 4}
    app = create_app(LiveShop(live, tmp_path), "secret")
    with TestClient(app) as client:
        assert client.post("/items", json=[one]).status_code == 401
        assert client.post("/items", json=[one], headers=KEY).json() == {"new": 1}
        assert client.post("/items", json=[one], headers=KEY).json() == {"new": 0}
        assert client.post("/events", json={"user_id": "s", "item_id": 4}, headers=KEY).json() == {"known": True}
        shown = client.get("/recommendations", headers=KEY, params={"user_id": "s", "k": 3}).json()["items"]
        assert {"word5"} == {place["title"] for place in shown if place["item_id"] in (5, 99)}
        assert 99 in [place["item_id"] for place in shown]
        assert client.put("/items/99", json={"stock": 0}, headers=KEY).status_code == 200
        for bad, loc in (([one | {"item_id": "x"}], "item_id"), ([{"item_id": 98}], "title"), ([], "body")):
            refused = client.post("/items", json=bad, headers=KEY)
            assert refused.status_code == 422
            assert loc in str(refused.json()["detail"][0]["loc"])
    app.state.shop.close()
    assert len(list(replay(tmp_path / "events.log"))) == 4  # the second one is told, and passed over
    again = LiveRecommender(catalog, past, Choir(live.choir.voices, live.choir.weights), live.vectors)
    app = create_app(LiveShop(again, tmp_path), "secret")
    with TestClient(app) as client:
        shown = client.get("/recommendations", headers=KEY, params={"user_id": "s", "k": N_ITEMS + 1}).json()["items"]
        assert 99 not in [place["item_id"] for place in shown]  # sold out
        assert client.get("/health").json()["items"] == N_ITEMS + 1
    app.state.shop.close()
