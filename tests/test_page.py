"""What one sees: the page in a real browser before the real service, by mouse, by keyboard, in two languages, and when things go wrong."""

from __future__ import annotations

import json
import re

import httpx2 as httpx
import numpy as np
import polars as pl
import pytest

from recolab.histories import build_catalog, pack
from recolab.live import keep_weights, replay, ship
from recolab.models.neighbours import Transitions
from recolab.models.popularity import PersonalFrequency
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.schema import CATEGORY, ITEM, PRICE, STOCK, TITLE
from recolab.training import TrainConfig
from tests import browser
from tests.serving import free_port, served
from tests.worlds import carousel

pytestmark = [
    pytest.mark.skipif(browser.found() is None, reason="no Chromium on this machine: apt-get install chromium"),
    pytest.mark.xdist_group("page"),
]

N_ITEMS = 24
MARKUP = "<b>Bread</b> <img src=x onerror=alert(1)>"
TAKEN = "document.querySelectorAll('.deed.taken').length"
TITLES = "[...document.querySelectorAll('.card .title')].map((title) => title.textContent)"
DIALOG = "document.querySelector('#key-dialog').open"
HEARD = """window.real ??= fetch; window.heard = []; window.fetch = (path, told) => {
    heard.push([told.method, path, JSON.parse(told.body ?? 'null'), told.headers['X-API-Key'] ?? null]);
    return real(path, told); }; 1"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A ring of goods in four categories, after each of which the next is best; one has a title that a page must not run."""
    _, _, events = carousel(n_users=40, n_items=N_ITEMS, length=15)
    titles = [f"Good number {number}" for number in range(N_ITEMS)]
    titles[5] = MARKUP
    goods = {ITEM: np.arange(N_ITEMS), TITLE: titles, CATEGORY: [f"Aisle {n % 4}" for n in range(N_ITEMS)]}
    catalog = build_catalog(events, pl.DataFrame(goods | {PRICE: 10.0 + np.arange(N_ITEMS), STOCK: [5] * N_ITEMS}))
    past, path = pack(events, catalog), tmp_path_factory.mktemp("shop")
    model = Transformer(TransformerConfig(dim=8, max_len=10, negatives=0), TrainConfig(1, progress=False))
    transitions, habit = Transitions(half_life_days=0.01, reach=1), PersonalFrequency()
    ship(path, catalog, past, model.fit(past, catalog), transitions.fit(past, catalog), habit.fit(past, catalog))
    keep_weights(path, [0, 1, 0, 0.01])
    return path


@pytest.fixture(scope="module")
def service(folder):
    """The running service's address; `service.process` may be ended and begun again."""
    running = Running(folder)
    yield running
    running.process.terminate()
    running.process.wait()


class Running:
    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.begin()

    def begin(self):
        self.process = served(self.folder, self.port)

    def end(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    opened = browser.Browser(tmp_path_factory.mktemp("browser"))
    # What glides may not be where it was when it is clicked.
    opened.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    yield opened
    opened.close()


@pytest.fixture
def page(chromium, service):
    """The page as a stranger finds it; whatever it complained of fails the test."""
    chromium.size(1280, 900)
    chromium.open(service.url)
    chromium.value("sessionStorage.clear(); localStorage.clear()")
    chromium.faults.clear()
    reopen(chromium)
    yield chromium
    chromium.value("1")  # hear what was said last
    assert chromium.faults == []


def reopen(page):
    page.value("window.left = true; location.reload()")
    for some in (".card", "#category option + option", "#popular .sleeper"):
        page.wait(f"!window.left && document.querySelector('{some}') !== null")


def give_key(page, key="secret"):
    page.value(f"document.querySelector('#key').value = {json.dumps(key)}")
    page.click("#key-form [type=submit]")


def sign_in(page):
    """Give the right key before anything is done; wait for the list that is made with it."""
    page.value("document.querySelector('#latency').textContent = ''")
    page.click("#key-button")
    give_key(page)
    page.wait("document.querySelector('#latency').textContent !== ''")


def do(page, number, name="look"):
    """Press a button of the card of a good; wait until the service has taken it and the list is there."""
    taken = page.value(TAKEN)
    page.value("document.querySelector('#latency').textContent = ''")
    page.click(f".card[data-item='{number}'] .{name}")
    page.wait(f"{TAKEN} > {taken} && document.querySelector('#latency').textContent !== ''")


def items(page, name="cards"):
    """Which items a list of the page holds, in its order."""
    return page.value(f"[...document.querySelector('#{name}').children].map((one) => one.dataset.item)")


def unseen_next(page):
    """An item of the list whose best successor is not on it yet: who looks at it brings that one to the top."""
    shown = list(map(int, items(page)))
    return next(item for item in shown if (item + 1) % N_ITEMS not in shown)


def press(page, number, name="look"):
    """Press a button of a card that the service may not hear of; wait until the list was made anew."""
    page.value("document.querySelector('#latency').textContent = ''")
    page.click(f".card[data-item='{number}'] .{name}")
    page.wait("document.querySelector('#latency').textContent !== ''")


def later(page):
    page.wait(DIALOG)
    page.click("#key-later")
    page.wait(f"!{DIALOG}")


def narrow(page, **values):
    """Set filters."""
    sets = "".join(f"document.querySelector('#{name}').value = '{value}';" for name, value in values.items())
    page.value(f"{sets} document.querySelector('#filters').dispatchEvent(new Event('input'))")


def narrow_to(page, number):
    """Let nothing on the list but one good, by its price."""
    page.value(f"document.querySelector('#min-price').value = '{10 + int(number)}'")
    page.value(f"document.querySelector('#max-price').value = '{10 + int(number)}'")
    narrow(page)
    page.wait("document.querySelectorAll('.card').length <= 1")


def open_keeper(page):
    page.click("#keeper summary")
    page.wait("document.body.matches('.keeping')")


def set_stock(page, number, stock):
    """Set how many there are of a good of the list, in the shop-keeper's corner."""
    page.value(f"document.querySelector('#keeper-item').value = '{number}'")
    page.value(f"document.querySelector('#keeper-stock').value = '{stock}'")
    page.value("document.querySelector('#latency').textContent = ''")
    page.click("#keeper-form [type=submit]")
    page.wait("document.querySelector('#latency').textContent !== ''")


def records(folder, **facts):
    """What the journal holds with these facts, ids being in it as they came."""
    wanted = {(name, str(told)) for name, told in facts.items()}
    told = replay(folder / "events.log")
    return [record for record in told if wanted <= {(name, str(fact)) for name, fact in record.items()}]


def expected(page, *parts):
    """Take out of the page's complaints those that a test meant to cause."""
    page.value("1")
    page.faults[:] = [fault for fault in page.faults if not any(part in fault for part in parts)]


def test_three_looks_and_the_list_follows_each(page):
    sign_in(page)
    first = page.value(TITLES)
    assert len(first) == 12
    for step in range(3):
        looked = unseen_next(page)
        do(page, looked)
        assert page.value("document.querySelector('#announce').textContent").startswith("New list: 12 items, 1 of them")
        best = page.value(
            f"[...document.querySelectorAll('.card')].slice(0, {step + 1}).map((card) => card.dataset.item)"
        )
        assert str((looked + 1) % N_ITEMS) in best
    assert page.value(TITLES) != first
    assert page.value("document.querySelector('.card .because').textContent").startswith("Because you looked at ")
    assert "What follows" in page.value("document.querySelector('.card .voices').getAttribute('aria-label')")
    assert page.value("document.querySelectorAll('#visit .deed').length") == 3
    assert "ms" in page.value("document.querySelector('#latency').textContent")


def test_cart_and_purchase_are_told_as_what_they_are(page, folder):
    sign_in(page)
    item = page.value("Number(document.querySelector('.card').dataset.item)")
    do(page, item, "cart")
    do(page, item, "buy")
    user = page.value("document.querySelector('#shopper').value")
    assert [record["kind"] for record in records(folder, user=user)] == ["cart", "purchase"]


def test_a_title_is_shown_and_never_run(page):
    page.value(
        "document.querySelector('#category').value = 'Aisle 1'; document.querySelector('#filters').dispatchEvent(new Event('input'))"
    )
    page.wait(f"{TITLES}.includes({json.dumps(MARKUP)})")
    assert page.value("document.querySelectorAll('.card b, .card img').length") == 0


def test_what_is_sold_out_leaves_at_once_and_comes_back(page):
    sign_in(page)
    open_keeper(page)
    item = page.value("document.querySelector('.card:nth-child(3)').dataset.item")
    gone = f"!document.querySelector(\".card[data-item='{item}']\")"
    page.click(f".card[data-item='{item}'] .sold-out")
    page.wait(gone)
    assert page.value("document.querySelectorAll('.card').length") == 12  # the list is filled from further down
    page.click("#sold-out button")
    page.wait(f"!({gone})")
    page.value(f"document.querySelector('#keeper-item').value = '{item}'")
    page.click("#keeper-form [type=submit]")
    page.wait(gone)
    page.click("#sold-out button")
    page.wait(f"!({gone})")


def test_the_filters_narrow_the_list_and_let_it_go_again(page):
    narrow(page, category="Aisle 2")
    page.wait("[...document.querySelectorAll('.card .category')].every((one) => one.textContent === 'Aisle 2')")
    narrow(page, **{"max-price": "13", "variety": "0.5"})
    page.wait("document.querySelectorAll('.card').length === 1")
    narrow(page, **{"min-price": "99"})
    page.wait("!document.querySelector('#empty').hidden")
    page.click("#clear-too")
    page.wait("document.querySelectorAll('.card').length === 12 && document.querySelector('#empty').hidden")


def test_the_language_changes_all_words_and_is_remembered(page):
    said = page.value("document.body.innerText")
    page.click("[data-language=zh]")
    assert page.value("document.documentElement.lang") == "zh-CN"
    reopen(page)
    chinese = page.value("document.body.innerText")
    assert "实时小店" in chinese
    left = [line for line in set(said.splitlines()) & set(chinese.splitlines()) if line.strip().isalpha()]
    assert sorted(left) == ["English", "中文"]
    page.click("[data-language=en]")
    assert page.value("document.documentElement.lang") == "en"


def test_the_first_language_is_the_browser_s(page):
    agent = page.value("navigator.userAgent")
    page.call("Network.setUserAgentOverride", userAgent=agent, acceptLanguage="zh-TW")
    reopen(page)
    assert page.value("document.documentElement.lang") == "zh-CN"
    page.call("Network.setUserAgentOverride", userAgent=agent, acceptLanguage="en-US")


def test_both_languages_say_the_same_things(page):
    keys = """import('/page/words.js').then(({WORDS}) => {
        const keys = (words, path = '') => Object.entries(words).flatMap(([key, said]) =>
            typeof said === 'object' ? keys(said, path + key + '.') : [path + key + ':' + typeof said]).sort();
        return [keys(WORDS.en), keys(WORDS.zh)]; })"""
    english, chinese = page.value(keys)
    assert english == chinese
    assert len(english) > 60


def test_without_a_mouse_all_can_be_reached_and_the_focus_stays(page):
    page.press("Tab")
    assert page.value("document.activeElement.className") == "skip"
    page.press("Enter")
    page.wait("document.activeElement.id === 'cards'")
    page.press("Tab")
    assert page.value("document.activeElement.matches('.card:first-child .look')")
    item = page.value("document.activeElement.closest('.card').dataset.item")
    page.press("Enter")
    page.wait("document.querySelector('#key-dialog').open && document.activeElement.id === 'key'")
    page.press(*"secret", "Enter")
    page.wait(f"{TAKEN} === 1 && !document.querySelector('#key-dialog').open")
    page.wait(f"document.activeElement.closest('.card')?.dataset.item === '{item}'")
    page.press("Tab", "Tab", " ")  # over to `buy`
    page.wait(f"{TAKEN} === 2")
    assert page.value("document.querySelector('#visit .deed').classList.contains('purchase')")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.value(outline) == "solid"
    nameless = """[...document.querySelectorAll('button, input, select')].filter((one) =>
        !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).map((one) => one.outerHTML)"""
    assert page.value(nameless) == []


def test_a_wrong_key_is_said_and_the_click_waits_for_the_right_one(page):
    page.click(".card:first-child .look")
    page.wait("document.querySelector('#key-dialog').open")
    give_key(page, "wrong")
    page.wait("document.querySelector('#key-dialog').open && document.querySelector('#key-wrong').textContent")
    expected(page, "401")
    page.value("document.querySelector('#key-wrong').textContent = ''")
    give_key(page, "schlüssel ☂")  # which no header can carry
    page.wait("document.querySelector('#key-dialog').open && document.querySelector('#key-wrong').textContent")
    page.click("#key-later")
    assert page.value("document.querySelector('#trouble-words').textContent").startswith("The service wants its key")
    assert page.value("document.querySelector('.deed.waiting .state').textContent") == "waiting to be sent"
    reopen(page)
    page.wait("document.querySelector('#key-dialog').open")  # it waits over a reload too
    give_key(page)
    page.wait(f"{TAKEN} === 1 && document.querySelector('#trouble').hidden")
    expected(page, "401")


def test_while_the_service_is_gone_nothing_is_lost(page, service, folder):
    sign_in(page)
    user = page.value("document.querySelector('#shopper').value")
    service.end()
    try:
        page.click(".card:nth-child(1) .look")
        page.wait("!document.querySelector('#trouble').hidden")  # it moves the cards, as nobody's mouse foresees
        page.click(".card:nth-child(2) .cart")
        words = page.value("document.querySelector('#trouble-words').textContent")
        assert words.startswith("The service does not answer")
        page.wait("document.querySelectorAll('.deed.waiting').length === 2")
    finally:
        service.begin()  # whatever happened here, the tests after this one ask it
    page.wait(f"{TAKEN} === 2 && document.querySelector('#trouble').hidden", seconds=30)
    assert [record["kind"] for record in records(folder, user=user)] == ["view", "cart"]
    expected(page, "ERR_CONNECTION", "ERR_EMPTY_RESPONSE")


@pytest.mark.parametrize(
    ("status", "detail", "english", "chinese"),
    [
        (429, "more than 2000 requests a second", "Too many requests in one second", "一秒内的请求太多"),
        (422, [{"loc": ["body", "kind"], "msg": "is none", "type": "x"}], "kind: is none", "kind: is none"),
        (500, "?", "a fault of its own", "自身出了故障"),
    ],
)
def test_a_refusal_is_said_in_words(status, detail, english, chinese, page):
    sign_in(page)
    body = json.dumps(json.dumps({"detail": detail}))
    page.value(f"window.real = fetch; window.fetch = async () => new Response({body}, {{status: {status}}}); 1")
    page.click(".card:first-child .look")
    page.wait("!document.querySelector('#trouble').hidden")
    assert english in page.value("document.querySelector('#trouble-words').textContent")
    page.click("[data-language=zh]")
    assert chinese in page.value("document.querySelector('#trouble-words').textContent")
    page.value("window.fetch = window.real; 1")
    if status == 422:  # asked again it would be refused again
        assert page.value("document.querySelectorAll('.deed.refused').length") == 1
    page.click("#try-again")
    page.wait("document.querySelector('#trouble').hidden")
    assert page.value(TAKEN) == (status != 422)


def test_another_shopper_has_another_list_and_a_visit_of_their_own(page):
    sign_in(page)
    do(page, page.value("document.querySelector('.card').dataset.item"))
    page.click("#stranger")
    page.wait("document.querySelectorAll('#visit .deed').length === 0")
    page.value("document.querySelector('#shopper').value = '3'")
    page.click("#shopper-form [type=submit]")
    page.wait("document.querySelector('#list-title').textContent === 'For 3'")
    page.wait("document.querySelector('.card .because').textContent.includes('in your past')")


def test_on_a_phone_and_by_night_it_is_all_there(page):
    page.size(360, 740)
    reopen(page)
    assert page.value("document.documentElement.scrollWidth") == 360
    assert not page.value("document.querySelector('#controls').open")
    assert (
        page.value("Math.min(...[...document.querySelectorAll('.actions button')].map((one) => one.offsetHeight))")
        >= 44
    )
    ground = "getComputedStyle(document.body).backgroundColor"
    grounds = []
    for scheme in ("light", "dark"):
        features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]
        page.call("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in features])
        grounds.append(page.value(ground))
    assert grounds[0] != grounds[1]


def test_without_a_key_the_list_follows_what_this_tab_did_and_nothing_is_kept(page, folder):
    user = page.value("document.querySelector('#shopper').value")
    page.value(HEARD)
    done = []
    for step in range(2):
        done.append(unseen_next(page))
        press(page, done[-1])
        if step == 0:
            later(page)  # the list has followed behind the dialog
        assert str((done[-1] + 1) % N_ITEMS) in items(page)[: step + 1]
        assert page.value("document.querySelector('.card .because').textContent").startswith("Because you looked at ")
    assert not page.value(DIALOG)  # once is asked enough
    asked = [[method, path, body["items"], key] for method, path, body, key in page.value("heard")]
    assert asked == [["POST", "/recommendations", seen, None] for seen in (done[:1], done)]
    assert records(folder, user=user) == []
    assert page.value("document.querySelectorAll('.deed.waiting').length") == 2
    assert "without the key" in page.value("document.querySelector('#keyless').innerText").lower()
    page.click("#key-button")
    give_key(page)
    page.wait(f"{TAKEN} === 2 && document.querySelector('#keyless').hidden")
    assert [record["item"] for record in records(folder, user=user)] == done


def test_what_a_stranger_s_list_is_asked_with(page):
    done = [("me", "view", "taken")] * 120  # of which the newest hundred count
    done += [("you", "view", "waiting"), ("me", "view", "refused")]
    done += [("me", "purchase", "waiting"), ("me", "stock", "waiting")]
    deeds = [
        {"user": user, "item": n % N_ITEMS, "title": "", "kind": kind, "number": n, "at": 0, "state": state}
        for n, (user, kind, state) in enumerate(done)
    ]
    page.value(f"sessionStorage.setItem('recolab.deeds', JSON.stringify({json.dumps(deeds)}))")
    page.value("sessionStorage.setItem('recolab.shopper', '\"me\"')")
    reopen(page)
    later(page)
    page.value(HEARD)
    narrow(page, category="Aisle 1", variety="0.3", **{"min-price": "11", "max-price": "30.5"})
    page.wait("heard.length === 1")
    page.value("document.querySelector('#again').click()")
    page.wait("heard.length === 2")
    terms = {"k": 12, "reasons": True, "variety": 0.3, "categories": ["Aisle 1"], "min_price": 11, "max_price": 30.5}
    mine = [n % N_ITEMS for n in [*range(21, 120), 122]]
    assert page.value("heard") == [
        ["POST", "/recommendations", terms | {"items": mine, "exclude": [122 % N_ITEMS]}, None],
        ["POST", "/recommendations", terms | {"items": mine, "not_bought_days": 0, "exclude": []}, None],
    ]


@pytest.mark.parametrize("how", ["given", "kept"])
def test_a_key_that_is_refused_is_forgotten_and_the_list_stays_a_stranger_s(how, page):
    if how == "given":
        page.click("#key-button")
        page.value(HEARD)
        give_key(page, "wrong")
    else:
        page.value("sessionStorage.setItem('recolab.key', '\"wrong\"')")
        reopen(page)
    page.wait(f"{DIALOG} && document.querySelector('#key-wrong').textContent")
    assert page.value("document.querySelector('#key-state').textContent") == "No key yet"
    assert not page.value("document.querySelector('#key-button').matches('.kept')")
    assert "wrong" not in page.value("JSON.stringify(sessionStorage)")
    if how == "given":
        page.wait("heard.length === 2")
        assert [[method, key] for method, _, _, key in page.value("heard")] == [["GET", "wrong"], ["POST", None]]
    page.click("#key-later")
    assert page.value("document.querySelector('#trouble').hidden")  # nothing waits
    press(page, unseen_next(page))
    assert len(items(page)) == 12
    expected(page, "401")


def test_with_a_key_the_list_is_the_shopper_s_own(page):
    page.value(HEARD)
    sign_in(page)
    page.wait("heard.length === 1")
    user = page.value("document.querySelector('#shopper').value")
    [[method, path, body, key]] = page.value("heard")
    assert (method, body, key) == ("GET", None, "secret")
    assert path.startswith(f"/recommendations?user_id={user}&k=12")


def test_the_two_lists_beside_it_sleep_until_their_night(page):
    first = items(page)
    assert items(page, "nightly") == first
    assert len(items(page, "popular")) == 12
    popular = page.value("document.querySelector('#popular').innerText")
    nightly = page.value("document.querySelector('#nightly').innerText")
    assert nightly.splitlines()[:3] == ["1", page.value(f"{TITLES}[0]"), f"{10 + int(first[0]):.2f}"]
    sign_in(page)
    page.value(HEARD)
    for _ in range(2):
        do(page, unseen_next(page))
    assert items(page) != first
    assert page.value("document.querySelector('#nightly').innerText") == nightly
    page.click("#night")
    assert items(page, "nightly") == items(page) != first
    passed = items(page)
    assert "night has passed" in page.value("document.querySelector('#announce').textContent")
    do(page, unseen_next(page))
    assert items(page, "nightly") == passed != items(page)
    page.value("document.querySelector('#shopper').value = '3'")
    page.click("#shopper-form [type=submit]")
    page.wait("document.querySelector('#list-title').textContent === 'For 3'")
    assert items(page, "nightly") == items(page)
    assert page.value("document.querySelector('#popular').innerText") == popular
    assert not page.value("heard.some(([method, path]) => method === 'POST' && path === '/recommendations')")


def test_what_is_sold_out_is_struck_where_nobody_is_told(page):
    sign_in(page)
    open_keeper(page)
    item = items(page)[2]
    struck = f"[...document.querySelectorAll(\".sleeper.gone[data-item='{item}']\")]"
    beside = page.value(f"document.querySelectorAll(\".sleeper[data-item='{item}']\").length")
    page.click(f".card[data-item='{item}'] .sold-out")
    page.wait(f"{struck}.length === {beside} && !document.querySelector(\".card[data-item='{item}']\")")
    assert beside == 2
    assert page.value(f"{struck}.map((row) => row.querySelector('.fate').textContent)") == ["sold out"] * 2
    line = f"getComputedStyle({struck}[0].querySelector('.name')).textDecorationLine"
    assert page.value(line) == "line-through"
    page.click("[data-language=zh]")
    assert page.value(f"{struck}[0].querySelector('.fate').textContent") == "已售罄"
    page.click("#sold-out button")
    page.wait(f"{struck}.length === 0 && document.querySelector(\".card[data-item='{item}']\") !== null")


def test_a_purchase_leaves_one_less_and_the_last_one_sells_out(page, folder):
    sign_in(page)
    open_keeper(page)
    item = items(page)[1]
    set_stock(page, item, 2)
    assert page.value(f"document.querySelector(\".card[data-item='{item}'] .stock\").textContent") == "2 left"
    do(page, item, "buy")
    assert records(folder, item=int(item))[-1]["stock"] == 1
    assert page.value("document.querySelector('#visit').innerText").splitlines()[0] == "bought"
    assert page.value("document.querySelectorAll('#visit .deed').length") == 1  # and not what it did to the shelf
    page.value("document.querySelector('#again').click()")
    page.wait(f"document.querySelector(\".card[data-item='{item}'] .stock\")?.textContent === '1 left'")
    do(page, item, "buy")
    assert records(folder, item=int(item))[-1]["stock"] == 0
    assert item not in items(page)
    assert page.value(f"document.querySelectorAll(\".sleeper.gone[data-item='{item}']\").length") == 2
    page.click("#sold-out button")
    page.wait(f"document.querySelector(\".card[data-item='{item}']\") !== null")


def test_purchases_that_wait_lower_the_stock_in_their_order_once_they_are_taken(page, folder):
    user, item = page.value("document.querySelector('#shopper').value"), items(page)[0]
    stock = int(page.value("document.querySelector('.card .stock').textContent").split()[0])
    press(page, item, "buy")
    later(page)
    assert item not in items(page)  # a stranger has not bought it, but who sits here has
    narrow_to(page, item)
    page.value("document.querySelector('#again').click()")
    page.wait("document.querySelectorAll('.card').length === 1")
    press(page, item, "buy")
    page.click("#filters [type=reset]")  # a browser keeps what was filled in
    page.wait("document.querySelectorAll('.card').length === 12")
    before = records(folder)
    reopen(page)
    page.wait(DIALOG)  # it is asked for as long as something waits
    give_key(page)
    page.wait(f"{TAKEN} === 2")
    told = [(record.get("kind"), record.get("stock")) for record in records(folder)[len(before) :]]
    assert told == [("purchase", None), (None, stock - 1), ("purchase", None), (None, stock - 2)]
    assert [record["item"] for record in records(folder, user=user)] == [int(item)] * 2


def test_a_purchase_that_is_refused_lowers_nothing(page):
    sign_in(page)
    body = json.dumps(json.dumps({"detail": "no"}))
    page.value(HEARD)
    page.value(f"""window.others = fetch; window.fetch = async (path, told) =>
        path === '/events' ? new Response({body}, {{status: 422}}) : others(path, told); 1""")
    page.click(".card:first-child .buy")
    page.wait("document.querySelectorAll('.deed.refused').length === 1 && heard.length === 1")
    page.click("#stranger")
    page.wait("heard.length === 2")
    assert page.value("heard.every(([method]) => method === 'GET')")


def test_the_switch_lets_back_what_was_bought_before(page, service):
    item = items(page)[0]
    stocked = httpx.put(
        f"{service.url}items/{item}", json={"stock": 5}, headers={"X-API-Key": "secret"}, trust_env=False
    )
    assert stocked.status_code == 200  # other tests may have bought the last one but one
    shown = f"!!document.querySelector(\".card[data-item='{item}']\")"
    sign_in(page)
    do(page, item, "buy")
    narrow_to(page, item)
    page.wait("!document.querySelector('#empty').hidden")
    page.click("label[for=again]")
    page.wait(shown)
    assert page.value("document.querySelector('#again').matches('[role=switch]:checked')")
    page.click("#filters [type=reset]")
    page.wait("document.querySelectorAll('.card').length === 12")
    assert not page.value(f"document.querySelector('#again').checked || {shown}")


def test_the_histogram_tells_every_list_and_event(page):
    sign_in(page)
    told = "document.querySelector('#speed-told').textContent"
    page.wait(f"{told}.startsWith('3 ')")  # two lists of the stranger and one of the shopper
    do(page, items(page)[0])
    page.wait(f"{told}.startsWith('5 ')")
    median, slowest = map(float, re.findall(r"([\d.]+) ms", page.value(told)))
    assert 0 < median <= slowest
    chart = page.value("document.querySelector('#histogram').getAttribute('aria-label')")
    assert sum(int(count) for count in re.findall(r"ms(?: and more)?: (\d+)", chart)) == 5
    assert page.value("[...document.querySelectorAll('#histogram .bar')].every((bar) => bar.getBBox().height >= 2)")
    assert page.value("document.querySelectorAll('#histogram .bar').length") == chart.count(": ")
    page.click("[data-language=zh]")
    assert page.value(told).startswith("5 次列表与事件请求")
    assert "毫秒" in page.value("document.querySelector('#histogram').getAttribute('aria-label')")


def test_times_are_put_into_bins_and_the_oldest_are_forgotten(page):
    script = """import('/page/speed.js?alone').then(({note, bins, summary}) => {
        const empty = summary();
        [4, 1000, 0.4, 40].forEach(note);
        const few = [summary(), bins().filter(({n}) => n)];
        for (let n = 0; n < 499; n += 1) note(3);
        return [empty, ...few, summary()]; })"""
    empty, few, bins, many = page.value(script)
    assert empty is None
    assert few == {"n": 4, "median": "22", "slowest": "1000"}
    ones = [(0, 1), (2, 5), (20, 50), (1000, None)]
    assert bins == [{"from": start, "to": end, "n": 1} for start, end in ones]
    assert many == {"n": 500, "median": "3.0", "slowest": "40"}


def test_the_first_list_is_there_at_once_and_only_the_next_ones_glide(page):
    counting = """window.glides = 0; window.animated = Element.prototype.animate;
        Element.prototype.animate = function (...told) { glides += 1; return animated.apply(this, told); };"""
    script = page.call("Page.addScriptToEvaluateOnNewDocument", source=counting)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "no-preference"}])
    try:
        reopen(page)
        assert page.value("glides") == 0
        page.value(f"document.querySelector(\".card[data-item='{unseen_next(page)}'] .look\").click()")
        page.wait("glides > 0")
    finally:
        page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])


def test_moves_are_told_of_one_shopper_s_lists_only(page):
    moved = "[...document.querySelectorAll('.moved')].map((one) => one.textContent).filter(Boolean)"
    sign_in(page)
    assert page.value(moved) == []
    do(page, unseen_next(page))
    assert "new" in page.value(moved)
    user = page.value("document.querySelector('#shopper').value")
    page.click("#stranger")
    page.wait("!document.querySelector('#announce').textContent.includes('New list')")
    assert page.value("document.querySelector('#shopper').value") != user
    assert page.value(moved) == []
    assert page.value("document.querySelector('#announce').textContent").startswith("List for guest-")


def test_the_shop_keeper_s_button_says_what_it_does(page):
    sign_in(page)
    open_keeper(page)
    button = "document.querySelector('.card .sold-out').textContent"
    assert page.value(button) == "Set sold out"
    page.click("[data-language=zh]")
    assert page.value(button) == "设为售罄"


def lies(page, name, other):
    """Where a list of the page lies from another one."""
    edges = "document.querySelector('#{}').getBoundingClientRect().toJSON()"
    mine, its = page.value(edges.format(name)), page.value(edges.format(other))
    return "beside" if mine["left"] >= its["right"] else "below" if mine["top"] >= its["bottom"] else "over"


@pytest.mark.parametrize(
    ("width", "nightly", "popular"), [(1280, "beside", "below"), (1000, "below", "beside"), (390, "below", "below")]
)
def test_the_sleeping_lists_have_room_on_every_screen(width, nightly, popular, page):
    page.size(width, 844)
    reopen(page)
    assert page.value("document.documentElement.scrollWidth") <= width
    assert (lies(page, "nightly", "cards"), lies(page, "popular", "nightly")) == (nightly, popular)
    names = page.value("[...document.querySelectorAll('.sleeper .name')].map((name) => name.offsetWidth)")
    assert len(names) == 24
    assert min(names) > 120
