"""Over HTTP: what was taken is known at once and after a crash, what does not fit is refused by name, and nobody writes without the key."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, timedelta
from importlib.resources import files
from uuid import UUID

import numpy as np
import pytest
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from benchmarks.crashes import endure
from recolab.live import (
    Choir,
    Favour,
    Journal,
    Linked,
    LiveRecommender,
    LiveShop,
    keep_weights,
    of_type,
    open_live,
    recall,
    replay,
    ship,
)
from recolab.models.neighbours import Transitions
from recolab.models.popularity import PersonalFrequency
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.service import create_app
from recolab.service.limits import BODY_BYTES, CLIENTS, Rate
from recolab.service.straight import Straight
from recolab.training import TrainConfig
from tests.worlds import START, priced_ring

N_ITEMS = 12
KEY = {"X-API-Key": "secret"}


def world():
    """Twelve goods on a ring, of two categories; transitions that have learned it."""
    catalog, past = priced_ring(N_ITEMS, START + timedelta(days=30))
    return catalog, past, Transitions(half_life_days=0.5, reach=1).fit(past, catalog)


@pytest.fixture
def live():
    catalog, past, transitions = world()
    popularity = np.bincount(past.items, minlength=len(catalog)).astype(np.float32)
    voices = [Linked(transitions.links, 0.5, "Transitions"), Favour(popularity)]
    return LiveRecommender(catalog, past, Choir(voices, [1.0, 0.01]), np.eye(len(catalog), dtype=np.float32))


@pytest.fixture
def client(live, tmp_path):
    app = create_app(LiveShop(live, tmp_path), "secret")
    with TestClient(app) as asked:
        yield asked
    app.state.shop.close()


def items_of(response):
    assert response.status_code == 200, response.text
    return [place["item_id"] for place in response.json()["items"]]


def test_an_event_is_taken_and_the_next_list_knows_it(client, tmp_path):
    assert items_of(client.post("/recommendations", json={"items": [4], "k": 1})) == [5]
    taken = client.post("/events", json={"user_id": "new", "item_id": 7, "kind": "view"}, headers=KEY)
    assert taken.json() == {"known": True}
    assert items_of(client.get("/recommendations", headers=KEY, params={"user_id": "new", "k": 1})) == [8]
    assert not client.post("/events", json={"user_id": "new", "item_id": "?"}, headers=KEY).json()["known"]
    assert [record["item"] for record in replay(tmp_path / "events.log")] == [7, "?"]


def test_stock_and_price_change_the_very_next_list(client):
    asked = {"user_id": "3", "k": N_ITEMS}
    assert 6 in items_of(client.get("/recommendations", headers=KEY, params=asked))
    assert client.put("/items/6", json={"stock": 0}, headers=KEY).status_code == 200
    assert 6 not in items_of(client.get("/recommendations", headers=KEY, params=asked))
    client.put("/items/2", json={"price": 99.5}, headers=KEY)
    assert 2 not in items_of(client.get("/recommendations", headers=KEY, params=asked | {"max_price": 50}))
    assert client.put("/items/77", json={"stock": 1}, headers=KEY).status_code == 404


def test_the_terms_of_a_list_are_kept(client):
    asked = {"user_id": "3", "k": 12, "categories": ["1"], "exclude": ["5"], "min_price": 12}
    assert sorted(items_of(client.get("/recommendations", headers=KEY, params=asked))) == [3, 7, 9, 11]
    body = {"items": [1], "k": 6, "most_per_category": 1, "variety": 0.3}
    assert len(items_of(client.post("/recommendations", json=body))) == 2


def test_a_shopper_of_the_past_is_found_by_the_id_of_the_log_s_type(client, live):
    wanted = [pick.item for pick in live.recommend(3, 4)]
    assert items_of(client.get("/recommendations", headers=KEY, params={"user_id": "3", "k": 4})) == wanted
    assert live.recommend("3", 4) != live.recommend(3, 4)


def test_ids_are_read_as_the_log_holds_them():
    one = "12345678-1234-5678-1234-567812345678"
    assert of_type(one, UUID) == UUID(one)
    assert [of_type("x", UUID), of_type(7, str), of_type("7", str), of_type(7, int)] == ["x", "7", "7", 7]
    assert [of_type(one.upper(), UUID), of_type(UUID(one), UUID), of_type(7, UUID)] == [UUID(one), UUID(one), "7"]
    assert [of_type(text, int) for text in ("7", "-7", "007", "7.0", "٧", "9" * 40)] == [
        7,
        -7,
        "007",
        "7.0",
        "٧",
        "9" * 40,
    ]


def test_a_shopper_of_a_number_is_the_same_by_a_body_and_by_a_query(client):
    client.post("/events", json={"user_id": "77", "item_id": 7}, headers=KEY)
    assert items_of(client.get("/recommendations", headers=KEY, params={"user_id": "77", "k": 1})) == [8]


def test_the_journal_and_the_shop_agree_however_many_write_at_once(client, live, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: client.put("/items/3", json={"stock": n % 5}, headers=KEY), range(60)))
    last = list(replay(tmp_path / "events.log"))[-1]
    assert live.shelf.stock[4] == last["stock"]


def test_an_event_that_the_models_have_learned_from_is_not_told_twice(live, tmp_path):
    with Journal(tmp_path / "events.log") as journal:
        for at in (START, START + timedelta(days=40)):
            journal.append({"user": 3, "item": 5, "kind": "view", "at": at.replace(tzinfo=UTC).isoformat()})
    before = len(live._sessions.of(3))
    recall(live, tmp_path / "events.log")
    assert len(live._sessions.of(3)) == before + 1


@pytest.mark.parametrize(
    "body", ['{"price": NaN}', '{"\\ud800": 1}', "{}", '{"stock": -1}', "nonsense", '{"price": 1e999}']
)
def test_what_cannot_be_repeated_is_refused_all_the_same(body, client, tmp_path):
    headers = KEY | {"Content-Type": "application/json"}
    assert client.put("/items/3", content=body, headers=headers).status_code == 422
    event = '{"user_id": "\\ud800", "item_id": 1}'
    assert client.post("/events", content=event, headers=headers).status_code == 422
    assert list(replay(tmp_path / "events.log")) == []


def test_what_the_journal_holds_is_recalled(client, live, tmp_path):
    client.post("/events", json={"user_id": "new", "item_id": 7}, headers=KEY)
    client.put("/items/6", json={"stock": 0}, headers=KEY)
    client.app.state.shop.close()
    catalog, past, _ = world()
    again = LiveRecommender(catalog, past, Choir(live.choir.voices, live.choir.weights), live.vectors)
    with TestClient(create_app(LiveShop(again, tmp_path), "secret")) as opened:
        asked = {"user_id": "new", "k": N_ITEMS}
        found = items_of(opened.get("/recommendations", headers=KEY, params=asked))
        assert found[0] == 8
        assert 6 not in found
        opened.app.state.shop.close()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"item_id": 1}, "user_id"),
        ({"user_id": 1, "item_id": 1, "kind": "gaze"}, "kind"),
        ({"user_id": 1, "item_id": 1.5}, "item_id"),
        ({"user_id": 1, "item_id": True}, "item_id"),
        ({"user_id": "", "item_id": 1}, "user_id"),
        ({"user_id": 1, "item_id": 1, "timestamp": "2024-01-01T00:00:00"}, "timestamp"),  # of which zone?
        ({"user_id": 1, "item_id": 1, "knd": "view"}, "knd"),
        ({"user_id": 1, "item_id": 1, "timestamp": "9999-01-01T00:00:00Z"}, "timestamp"),  # would outlive all sessions
    ],
)
def test_a_body_that_does_not_fit_is_refused_by_its_field(body, field, client, tmp_path):
    refused = client.post("/events", json=body, headers=KEY)
    assert refused.status_code == 422
    assert field in {str(part) for error in refused.json()["detail"] for part in error["loc"]}
    assert list(replay(tmp_path / "events.log")) == []


@pytest.mark.parametrize(
    ("params", "field"), [({"k": 0}, "k"), ({"k": 101}, "k"), ({"variety": 1}, "variety"), ({"kk": 1}, "kk")]
)
def test_terms_that_do_not_fit_are_refused_by_their_name(params, field, client):
    refused = client.get("/recommendations", headers=KEY, params={"user_id": "1"} | params)
    assert refused.status_code == 422
    assert field in {str(part) for error in refused.json()["detail"] for part in error["loc"]}


def test_nobody_writes_or_asks_about_a_shopper_without_the_key(client, live, tmp_path):
    for headers in ({}, {"X-API-Key": ""}, {"X-API-Key": "Secret"}, {"X-API-Key": "secret "[:-2]}):
        assert client.post("/events", json={"user_id": 1, "item_id": 1}, headers=headers).status_code == 401
        assert client.put("/items/1", json={"stock": 0}, headers=headers).status_code == 401
        assert client.get("/recommendations?user_id=3&reasons=true", headers=headers).status_code == 401
    assert list(replay(tmp_path / "events.log")) == []
    with pytest.raises(ValueError, match="an empty API key"):
        create_app(LiveShop(live, tmp_path / "other"), "")


def test_a_stranger_is_served_without_a_key_and_leaves_nothing_behind(client, live, tmp_path):
    for terms in ({}, {"reasons": True, "not_bought_days": 0}):
        assert items_of(client.post("/recommendations", json={"items": [4], "k": 1} | terms)) == [5]
    assert live.n_sessions == 0
    assert list(replay(tmp_path / "events.log")) == []
    assert not [path for path in (tmp_path / "impressions").rglob("*") if path.is_file() and path.stat().st_size]


@pytest.mark.parametrize("others", ["user_id=3", "user_id=new&reasons=true", "user_id=3&not_bought_days=0&k=12"])
def test_what_one_shopper_did_is_in_no_other_s_list(others, client):
    before = client.get(f"/recommendations?{others}", headers=KEY).json()
    for item in range(N_ITEMS):
        client.post("/events", json={"user_id": "secretive", "item_id": item}, headers=KEY)
    assert client.get(f"/recommendations?{others}", headers=KEY).json() == before


def test_large_bodies_and_bodies_of_unknown_length_are_refused(client):
    large = {"items": ["x" * 100] * 1000}
    assert client.post("/recommendations", json=large).status_code == 413
    assert len(str(large)) > BODY_BYTES
    streamed = client.post("/recommendations", content=iter([b'{"items": []}']))
    assert streamed.status_code == 411


def test_who_asks_too_often_waits_and_others_do_not(live, tmp_path):
    rate = Rate(10)
    assert [rate.admits("a", 0.0) for _ in range(21)] == [True] * 20 + [False]
    assert rate.admits("b", 0.0)
    assert [rate.admits("a", 0.1), rate.admits("a", 0.1)] == [True, False]
    for client in range(CLIENTS + 5):
        rate.admits(str(client), 1.0)
    assert len(rate._buckets) == CLIENTS
    app = create_app(LiveShop(live, tmp_path), "secret", per_second=0.5)
    with TestClient(app) as asked:
        assert [asked.get("/health").status_code for _ in range(2)] == [200, 429]
    app.state.shop.close()


def test_it_says_how_it_is(client):
    client.get("/recommendations", headers=KEY, params={"user_id": "1"})
    client.get("/no/such/path")
    assert client.get("/health").json() == {"ok": True, "items": N_ITEMS}
    text = client.get("/metrics").text
    assert 'recolab_requests_total{path="/recommendations",status="200"} 1.0' in text
    assert 'recolab_requests_total{path="other",status="404"} 1.0' in text
    assert "recolab_sessions 1.0" in text
    assert {"/events", "/items/{item_id}", "/recommendations"} <= set(client.get("/openapi.json").json()["paths"])


def places(response):
    assert response.status_code == 200, response.text
    return response.json()["items"]


def test_a_place_shows_its_item_as_the_shelf_knows_it_now(client):
    asked = {"user_id": "new", "k": N_ITEMS}
    client.put("/items/3", json={"price": 7.25}, headers=KEY)
    [three] = [
        place for place in places(client.get("/recommendations", headers=KEY, params=asked)) if place["item_id"] == 3
    ]
    shown = {name: three[name] for name in ("title", "category", "price", "stock", "because")}
    assert shown == {"title": "3", "category": "1", "price": 7.25, "stock": 5, "because": None}


def test_reasons_are_told_where_they_are_asked_and_not_looked_for_where_they_are_not(client, live, monkeypatch):
    client.post("/events", json={"user_id": "new", "item_id": 7, "kind": "view"}, headers=KEY)
    asked, seven = {"user_id": "new", "k": 2}, {"item_id": 7, "title": "7"}
    first, second = places(client.get("/recommendations", headers=KEY, params=asked | {"reasons": True}))
    assert (first["item_id"], first["because"], second["because"]) == (8, seven, None)
    [first] = places(client.post("/recommendations", json={"items": [2, 7], "k": 1, "reasons": True}))
    assert first["because"] == seven
    for name in ("reasons", "reasons_for"):
        monkeypatch.setattr(live, name, lambda *_: pytest.fail("nobody asked"))
    assert places(client.get("/recommendations", headers=KEY, params=asked))[0]["because"] is None
    assert places(client.post("/recommendations", json={"items": [7], "k": 1}))[0]["because"] is None


def test_the_categories_that_may_be_asked_for_are_named(client):
    assert client.get("/categories").json() == {"categories": ["0", "1"]}


def test_the_page_and_all_that_it_asks_for_are_there_and_none_of_it_is_elsewhere(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    names = {part.name for part in files("recolab.service").joinpath("static").iterdir()}
    said = {name: client.get(f"/page/{name}") for name in names}
    assert {answer.status_code for answer in said.values()} == {200}
    asked = re.findall(r'/page/([\w.]+)"|from "\./([\w.]+)"', page.text + "".join(one.text for one in said.values()))
    assert {name for pair in asked for name in pair if name} == names - {"index.html"}
    hosts = {host for one in said.values() for host in re.findall(r"https?://[^/\s\"]+", one.text)}
    assert hosts <= {"http://www.w3.org"}  # the name of SVG, which nobody asks
    assert client.get("/page/app.py").status_code == 404


def test_the_interface_is_read_without_the_internet_and_says_who_is_refused(client):
    docs = client.get("/docs").text
    parts = re.findall(r'(?:src|href)="([^"]+)"', docs)
    assert parts
    assert {client.get(part).status_code for part in parts} == {200}
    assert not re.findall(r"https?://", docs)
    paths = client.get("/openapi.json").json()["paths"]
    says = {(method, path): set(told["responses"]) for path, ways in paths.items() for method, told in ways.items()}
    asks = {one for one, told in says.items() if "401" in told}
    keyless = {("post", "/recommendations"), ("get", "/categories"), ("get", "/health"), ("get", "/metrics")}
    assert set(says) - asks == keyless
    for method, path in asks:
        assert client.request(method, path.replace("{item_id}", "1")).status_code == 401
    assert all({"411", "413", "429"} <= told for told in says.values())
    [asked] = [ways["get"]["parameters"] for path, ways in paths.items() if path == "/recommendations"]
    assert all(one["description"] for one in asked if one["in"] == "query")


def test_the_page_may_ask_no_other_host_and_run_nothing_of_its_own_text(client):
    for path in ("/", "/page/page.js"):
        policy = client.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy


def ship_world(folder):
    """Write the ring as a notebook ships its shop  ->  the folder."""
    catalog, past, transitions = world()
    model = Transformer(TransformerConfig(dim=8, max_len=10, negatives=0), TrainConfig(1, progress=False))
    ship(folder, catalog, past, model.fit(past, catalog), transitions, PersonalFrequency().fit(past, catalog))
    keep_weights(folder, [0, 1, 0, 0.01], [0, 0, 1, 0.01])
    return folder


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A folder as a notebook ships it."""
    folder = ship_world(tmp_path_factory.mktemp("shop"))
    opened = open_live(folder).choir
    assert (opened.weights, opened.weights_again) == ([0, 1, 0, 0.01], [0, 0, 1, 0.01])
    return folder


def test_killed_while_it_takes_events_it_comes_back_by_itself_with_all_that_it_had_taken(shipped):
    found = endure(shipped, items=[7], kills=2, writers=2, seed=7)
    assert len(found.seconds) == 3  # starts, and none beside those after a kill
    assert len(found.taken) > 20
    assert not found.lost
    assert {items[0] for items in found.lists.values()} == {8}  # what follows the writers' item on the ring
    assert found.code == 0  # a stop that was asked for is no failure
    Journal(shipped / "events.log").close()  # nobody holds it any more


def test_without_a_key_in_the_environment_nothing_is_served(shipped):
    bare = {name: value for name, value in os.environ.items() if name != "RECOLAB_API_KEY"}
    words = [sys.executable, "-m", "recolab.service", str(shipped)]
    refused = subprocess.run(words, check=False, env=bare, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "set RECOLAB_API_KEY" in refused.stderr


GOOD = '{"user_id": "new", "item_id": 7, "kind": "view"}'
AS_JSON = {"Content-Type": "application/json"}
ODD_EVENTS = [
    (GOOD, KEY | AS_JSON),
    (GOOD, AS_JSON),
    (GOOD, KEY),
    (GOOD, KEY | {"Content-Type": "application/json; charset=utf-8"}),
    (GOOD, KEY | {"Content-Type": "text/plain"}),
    ("", KEY | AS_JSON),
    ("null", KEY | AS_JSON),
    ("[]", KEY | AS_JSON),
    ('{"user_id": "new"', KEY | AS_JSON),
    ('{"user_id": true, "item_id": 7}', KEY | AS_JSON),
    ('{"user_id": 1.0, "item_id": 7}', KEY | AS_JSON),
    ('{"user_id": 1, "item_id": 7, "item_id": 8}', KEY | AS_JSON),
    ('{"user_id": 1, "item_id": 7, "colour": "red"}', KEY | AS_JSON),
    ('{"user_id": 1, "item_id": 7, "value": NaN}', KEY | AS_JSON),
    ('{"user_id": 1, "item_id": 7, "value": "3"}', KEY | AS_JSON),
    ('{"user_id": 1, "item_id": 7, "timestamp": "2024-01-01T00:00:00"}', KEY | AS_JSON),
    ('{"user_id": 1, "item_id": 7, "timestamp": 1700000000}', KEY | AS_JSON),
    ('{"user_id": 123456789012345678901234567890, "item_id": 7}', KEY | AS_JSON),
    ('{"user_id": "\\ud83d\\ude00", "item_id": 7}', KEY | AS_JSON),
    ('{"user_id": "\\ud800", "item_id": 7}', KEY | AS_JSON),
]
ODD_QUESTIONS = [
    "user_id=3&k=4",
    "k=4",
    "",
    "user_id=3&k=4&k=2",
    "user_id=3&k=x",
    "user_id=3&k=",
    "user_id=&k=1",
    "user_id=3&exclude=4&exclude=5&categories=0",
    "user_id=3&categories=",
    "user_id=3&colour=red",
    "user_id=3&min_price=nan",
    "user_id=3;k=4",
    "user_id=%E5%AF%86&k=3",
    "user_id=%ff&k=3",
    "user_id=a+b%20c&k=3",
    "user_id=3&reasons=yes",
    "user_id=3&reasons=maybe",
    "user_id=3&variety=0.5&most_per_category=1",
]


@pytest.fixture
def both_ways(tmp_path, monkeypatch):
    """One shop behind the short way, and its twin behind FastAPI's own."""
    found = {}
    for way in ("short", "long"):
        if way == "long":
            monkeypatch.setattr(Straight, "get_route_handler", APIRoute.get_route_handler)
        catalog, past, transitions = world()
        voices = [Linked(transitions.links, 0.5, "Transitions")]
        live = LiveRecommender(catalog, past, Choir(voices, [1.0]), np.eye(len(catalog), dtype=np.float32))
        found[way] = TestClient(create_app(LiveShop(live, tmp_path / way), "secret"))
    yield found["short"], found["long"]
    for asked in found.values():
        asked.app.state.shop.close()


@pytest.mark.parametrize(("body", "headers"), ODD_EVENTS)
def test_the_short_way_takes_and_refuses_events_as_the_long_one_does(body, headers, both_ways, tmp_path):
    short, long = (asked.post("/events", content=body, headers=headers) for asked in both_ways)
    assert (short.status_code, short.json()) == (long.status_code, long.json())
    kept = [list(replay(tmp_path / way / "events.log")) for way in ("short", "long")]
    assert [[one["user"], one["item"]] for one in kept[0]] == [[one["user"], one["item"]] for one in kept[1]]
    assert len(kept[0]) == (short.status_code == 200)


@pytest.mark.parametrize("query", ODD_QUESTIONS)
def test_the_short_way_answers_and_refuses_questions_as_the_long_one_does(query, both_ways):
    short, long = (asked.get(f"/recommendations?{query}", headers=KEY) for asked in both_ways)
    assert (short.status_code, short.json()) == (long.status_code, long.json())


def test_the_short_way_is_documented_as_the_long_one_is(both_ways):
    short, long = (asked.get("/openapi.json").json() for asked in both_ways)
    assert short == long
    assert short["paths"]["/events"]["post"]["security"] == [{"APIKeyHeader": []}]


def test_what_fits_does_not_take_the_long_way(live, tmp_path, monkeypatch):
    def long_way(route):
        def taken(request):
            raise AssertionError(f"{request.url} took the long way")

        return taken

    monkeypatch.setattr(APIRoute, "get_route_handler", long_way)
    with LiveShop(live, tmp_path) as shop:
        asked = TestClient(create_app(shop, "secret"))
        assert asked.post("/events", content=GOOD, headers=KEY | AS_JSON).json() == {"known": True}
        assert asked.get("/recommendations?user_id=3&k=4&exclude=1", headers=KEY).status_code == 200


def test_who_needs_no_body_need_not_measure_it(client):
    answer = client.request("POST", "/model/rollback", headers=KEY)
    assert answer.status_code == 409
    assert "none to go back to" in answer.json()["detail"]
    assert client.post("/events", headers=KEY | AS_JSON).status_code == 422


def test_who_hangs_up_in_mid_body_is_no_fault_of_the_service(live, tmp_path):
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    headers = {"x-api-key": "secret", "content-type": "application/json", "content-length": "100"}
    scope = {"type": "http", "method": "POST", "path": "/events", "raw_path": b"/events", "query_string": b""}
    scope |= {"headers": [(name.encode(), value.encode()) for name, value in headers.items()], "root_path": ""}
    with LiveShop(live, tmp_path) as shop:
        app = create_app(shop, "secret")
        asyncio.run(app(scope | {"client": ("x", 1), "server": ("x", 80), "scheme": "http"}, receive, send))
    assert sent[0]["status"] == 400


def test_the_short_way_takes_no_check_that_it_would_forget():
    with pytest.raises(TypeError, match="/x: the short way"):
        APIRouter(route_class=Straight).add_api_route("/x", lambda event: event, dependencies=[Depends(lambda: None)])


def test_an_item_that_only_a_gone_recommender_knew_is_shown_by_its_id(client):
    shop = client.app.state.shop
    ask = shop.recommend
    shop.recommend = lambda *asked: [replace(pick, item=99) for pick in ask(*asked)]
    [place] = client.get("/recommendations", headers=KEY, params={"user_id": "3", "k": 1}).json()["items"]
    assert (place["item_id"], place["title"], place["price"]) == (99, "99", None)


@pytest.mark.parametrize("key", ["secret\n", " secret", ""])
def test_a_key_that_no_header_could_hold_is_refused_at_the_start(key, live, tmp_path):
    with LiveShop(live, tmp_path) as shop, pytest.raises(ValueError, match="key"):
        create_app(shop, key)
