"""What strangers may try: terms that get lost on the way, keys of other alphabets, and bodies that are meant to break something."""

from __future__ import annotations

import signal
import sys
from dataclasses import fields
from datetime import UTC, timedelta

import numpy as np
import pytest
from fastapi.testclient import TestClient

from recolab.live import Choir, Favour, Journal, LiveRecommender, LiveShop, Wish, recall, replay
from recolab.rerank import Rules
from recolab.service import __main__ as command
from recolab.service import create_app
from recolab.service.bodies import Terms
from tests.test_service import KEY, N_ITEMS, items_of, world
from tests.worlds import START

ALL_TERMS = {
    "min_price": 1.5,
    "max_price": 20.5,
    "categories": ["0", "1"],
    "not_categories": ["1"],
    "not_seen_days": 3.0,
    "not_bought_days": 4.0,
    "most_per_category": 2,
    "variety": 0.25,
}
RULES, WISH = Rules(1.5, 20.5, ["0", "1"], [5, 6], ["1"]), Wish(3.0, 4.0, 2, 0.25)


@pytest.fixture
def live():
    catalog, past, _ = world()
    voice = Favour(np.bincount(past.items, minlength=len(catalog)))
    return LiveRecommender(catalog, past, Choir([voice], [1.0]), np.eye(len(catalog), dtype=np.float32))


@pytest.fixture
def client(live, tmp_path):
    app = create_app(LiveShop(live, tmp_path), "secret")
    with TestClient(app, raise_server_exceptions=False) as asked:
        yield asked
    app.state.shop.close()


# The command


def test_told_to_stop_it_closes_its_journal_and_calls_it_no_failure(live, tmp_path, monkeypatch):
    served = []

    def run(app, **words):
        served.append((app, words["host"], words["port"]))
        app.state.shop.update_item(1, price=2.0)
        signal.raise_signal(signal.SIGTERM)  # as uvicorn does when its last answer is given

    monkeypatch.setattr(command, "open_shop", lambda folder: LiveShop(live, folder))
    monkeypatch.setattr(command.uvicorn, "run", run)
    monkeypatch.setattr(sys, "argv", ["service", str(tmp_path), "--port", "99"])
    monkeypatch.setenv(command.KEY, "secret")
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            command.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    [(app, *where)] = served
    assert (ended.value.code, where) == (0, ["127.0.0.1", 99])
    with pytest.raises(OSError, match="Bad file descriptor"):
        app.state.shop.update_item(1, price=3.0)
    assert [record["price"] for record in replay(tmp_path / "events.log")] == [2.0]


# Terms


def test_every_term_becomes_a_rule_or_a_wish():
    terms = Terms(**ALL_TERMS, exclude=[5, 6])
    assert (terms.rules(), terms.wish()) == (RULES, WISH)
    by_default = [
        f.name
        for told in (terms.rules(), terms.wish())
        for f in fields(told)
        if getattr(told, f.name) in (f.default, None)
    ]
    assert by_default == ["by"]  # the one that the service does not offer: whoever adds a term finds it here


def test_both_ways_of_asking_hand_all_terms_on(client, live, monkeypatch):
    heard = []

    def hear(who, k=10, rules=None, wish=None, at=None):
        heard.append((who, k, rules, wish))
        return []

    monkeypatch.setattr(live, "recommend", hear)
    monkeypatch.setattr(live, "recommend_for", hear)
    asked = ALL_TERMS | {"k": 7, "exclude": ["5", 6]}
    assert items_of(client.get("/recommendations", headers=KEY, params=asked | {"user_id": "3"})) == []
    assert items_of(client.post("/recommendations", json=asked | {"items": ["4", 5]})) == []
    assert heard == [(3, 7, RULES, WISH), ([4, 5], 7, RULES, WISH)]


# The journal


def test_a_recalled_event_stands_at_its_own_time_with_its_own_kind(live, tmp_path):
    at = START.replace(tzinfo=UTC) + timedelta(days=40)
    with Journal(tmp_path / "events.log") as journal:
        journal.append({"user": "new", "item": 5, "kind": "view", "at": at.isoformat()})
    recall(live, tmp_path / "events.log")
    session = live._sessions.of("new")
    assert (list(session.times), list(session.kinds)) == ([at.timestamp()], [0])


def test_a_recalled_change_has_its_price_and_its_stock(live, tmp_path):
    with Journal(tmp_path / "events.log") as journal:
        for item, price, stock in ((3, 99.5, None), (4, None, 0.0), (77, 1.0, 1.0)):  # the catalog has dropped 77
            journal.append({"item": item, "price": price, "stock": stock})
    recall(live, tmp_path / "events.log")
    assert [(live.card(item).price, live.card(item).stock) for item in (3, 4)] == [(99.5, 5), (14, 0)]


# Keys


@pytest.mark.parametrize("sent", ["sécret".encode(), "sécret".encode("latin-1"), b"\xff\xfe", "密钥".encode()])
def test_a_key_of_another_alphabet_is_a_wrong_key(sent, client, tmp_path):
    refused = client.post("/events", json={"user_id": 1, "item_id": 1}, headers={"X-API-Key": sent})
    assert refused.status_code == 401
    assert refused.json() == {
        "detail": "the API key in the header X-API-Key is not the one that the service was started with"
    }
    assert list(replay(tmp_path / "events.log")) == []


@pytest.mark.parametrize(
    "key", ["schlüssel 密钥", "half a character \udcff"]
)  # as Python reads bytes of the environment
def test_a_key_of_another_alphabet_opens_to_whoever_sends_it_and_to_nobody_else(key, live, tmp_path):
    app = create_app(LiveShop(live, tmp_path), key)
    with TestClient(app) as asked:
        body, sent = {"user_id": 1, "item_id": 1}, key.encode(errors="ignore")
        right = 200 if key.isprintable() else 401
        assert asked.post("/events", json=body, headers={"X-API-Key": sent}).status_code == right
        assert asked.post("/events", json=body, headers={"X-API-Key": sent[:-3]}).status_code == 401
    app.state.shop.close()


# Too much


HUGE = "1" + "0" * 5000  # more digits than Python reads
DEEP = [("[" * n + "]" * n, '{"a":' * (n // 2) + "1" + "}" * (n // 2)) for n in (500, 990, 2000, 20_000)]
TOO_MUCH = {
    "ten megabytes": ("POST", "/recommendations", "x" * 10_000_000, 413),
    "a price of 10^400": ("PUT", "/items/3", f'{{"price": {10**400}}}', 422),
    "a price of 10^5000": ("PUT", "/items/3", f'{{"price": {HUGE}}}', 400),
    "a price of 1e309": ("PUT", "/items/3", '{"price": 1e309}', 422),
    "k = 10^12": ("POST", "/recommendations", '{"items": [], "k": 1000000000000}', 422),
    "k = 10^5000": ("POST", "/recommendations", f'{{"items": [], "k": {HUGE}}}', 400),
    "a user of 10^5000": ("POST", "/events", f'{{"user_id": {HUGE}, "item_id": 1}}', 400),
    "half an array": ("POST", "/events", "[" * 60_000, 400),
    "no text": ("POST", "/events", b'{"user_id": "\xff", "item_id": 1}', 400),
    "a time of 1e308": ("POST", "/events", '{"user_id": 1, "item_id": 1, "timestamp": 1e308}', 422),
    "the end of time": (
        "POST",
        "/events",
        '{"user_id": 1, "item_id": 1, "timestamp": "9999-12-31T23:59:59-14:00"}',
        422,
    ),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_is_far_too_much_is_refused_and_the_next_is_answered(case, client, tmp_path):
    method, path, body, status = TOO_MUCH[case]
    answer = client.request(method, path, content=body, headers=KEY | {"Content-Type": "application/json"})
    assert answer.status_code == status
    assert len(answer.content) < 1000
    assert client.get("/health").json() == {"ok": True, "items": N_ITEMS}
    assert list(replay(tmp_path / "events.log")) == []


@pytest.mark.parametrize("depth", range(len(DEEP)))
@pytest.mark.parametrize("shape", [0, 1])
def test_however_deep_a_body_is_nobody_falls_in(depth, shape, client, tmp_path):
    deep = DEEP[depth][shape]
    for body in (deep, f'{{"item_id": 1, "user_id": {deep}}}'):
        answer = client.post("/events", content=body, headers=KEY | {"Content-Type": "application/json"})
        assert answer.status_code in (400, 413, 422)
    assert list(replay(tmp_path / "events.log")) == []


@pytest.mark.parametrize("days", ["1e308", "1" + "0" * 30])
@pytest.mark.parametrize("name", ["not_seen_days", "not_bought_days"])
def test_since_ever_is_a_time_too(name, days, client):
    client.post("/events", json={"user_id": "new", "item_id": 5}, headers=KEY)
    asked = {"user_id": "new", "k": N_ITEMS, name: days}
    assert set(items_of(client.get("/recommendations", headers=KEY, params=asked))) == set(range(N_ITEMS)) - {5}


def test_a_price_beyond_measure_is_a_price(client):
    assert client.put("/items/3", json={"price": 1e308}, headers=KEY).status_code == 200
    asked = {"user_id": "1", "k": N_ITEMS}
    assert items_of(client.get("/recommendations", headers=KEY, params=asked | {"min_price": "1e308"})) == [3]
    assert 3 not in items_of(client.get("/recommendations", headers=KEY, params=asked | {"max_price": "1e307"}))
    assert (
        len(items_of(client.get("/recommendations", headers=KEY, params=asked | {"most_per_category": "9" * 400})))
        == N_ITEMS
    )


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", -62135596800, 0])
def test_an_event_of_long_ago_is_taken_and_recalled(at, client, live, tmp_path):
    event = {"user_id": "old", "item_id": 5, "timestamp": at}
    assert client.post("/events", json=event, headers=KEY).json() == {"known": True}
    assert len(items_of(client.get("/recommendations", headers=KEY, params={"user_id": "old"}))) == 10
    recall(live, tmp_path / "events.log")


@pytest.mark.parametrize("path", ["/recommendations", "/events"])
def test_not_every_one_of_a_thousand_faults_is_told(path, client):
    answer = client.post(path, json={f"f{n}": n for n in range(3000)}, headers=KEY)
    assert answer.status_code == 422
    assert 0 < len(answer.json()["detail"]) <= 20


def test_a_service_whose_disk_has_failed_says_that_it_is_not_well(client, monkeypatch):
    assert client.get("/health").json()["ok"]

    def fails(_):
        raise OSError("no such disk")

    monkeypatch.setattr("recolab.journal.os.fdatasync", fails)
    assert client.post("/events", json={"user_id": "new", "item_id": 7}, headers=KEY).status_code == 500
    monkeypatch.undo()
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["ok"]) == (503, False)


@pytest.mark.parametrize("name", ["categories", "not_categories"])
def test_a_category_that_is_none_is_refused_by_its_name_and_empties_no_list(name, client):
    asked = [
        client.get("/recommendations", headers=KEY, params={"user_id": "3", name: ["0", "shoos"]}),
        client.post("/recommendations", json={"items": [], name: ["0", "shoos"]}),
    ]
    for refused, where in zip(asked, ("query", "body"), strict=True):
        assert refused.status_code == 422
        [fault] = refused.json()["detail"]
        assert fault["loc"] == [where, name]
        assert "'shoos'" in fault["msg"]
