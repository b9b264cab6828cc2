"""What one sees: the page in a real browser before the real service, by mouse, by keyboard, in two languages, and when things go wrong."""

from __future__ import annotations

import json

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
    page.wait(
        "!window.left && document.querySelectorAll('.card').length > 0 && document.querySelectorAll('#category option').length > 1"
    )


def give_key(page, key="secret"):
    page.value(f"document.querySelector('#key').value = {json.dumps(key)}")
    page.click("#key-form [type=submit]")


def sign_in(page):
    page.click("#key-button")
    give_key(page)


def do(page, number, name="look"):
    """Press a button of the card of a good; wait until the service has taken it and the list is there."""
    taken = page.value(TAKEN)
    page.value("document.querySelector('#latency').textContent = ''")
    page.click(f".card[data-item='{number}'] .{name}")
    page.wait(f"{TAKEN} > {taken} && document.querySelector('#latency').textContent !== ''")


def expected(page, *parts):
    """Take out of the page's complaints those that a test meant to cause."""
    page.value("1")
    page.faults[:] = [fault for fault in page.faults if not any(part in fault for part in parts)]


def test_three_looks_and_the_list_follows_each(page):
    sign_in(page)
    first = page.value(TITLES)
    assert len(first) == 12
    for step in range(3):
        shown = list(map(int, page.value("[...document.querySelectorAll('.card')].map((card) => card.dataset.item)")))
        looked = next(item for item in shown if (item + 1) % N_ITEMS not in shown)
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
    told = [record["kind"] for record in replay(folder / "events.log") if record.get("user") == user]
    assert told == ["cart", "purchase"]


def test_a_title_is_shown_and_never_run(page):
    page.value(
        "document.querySelector('#category').value = 'Aisle 1'; document.querySelector('#filters').dispatchEvent(new Event('input'))"
    )
    page.wait(f"{TITLES}.includes({json.dumps(MARKUP)})")
    assert page.value("document.querySelectorAll('.card b, .card img').length") == 0


def test_what_is_sold_out_leaves_at_once_and_comes_back(page):
    sign_in(page)
    page.click("#keeper summary")
    page.wait("document.body.matches('.keeping')")
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
    def narrow(**values):
        sets = "".join(f"document.querySelector('#{name}').value = '{value}';" for name, value in values.items())
        page.value(f"{sets} document.querySelector('#filters').dispatchEvent(new Event('input'))")

    narrow(category="Aisle 2")
    page.wait("[...document.querySelectorAll('.card .category')].every((one) => one.textContent === 'Aisle 2')")
    page.value("document.querySelector('#max-price').value = '13'")
    narrow(variety="0.5")
    page.wait("document.querySelectorAll('.card').length === 1")
    page.value("document.querySelector('#min-price').value = '99'")
    narrow()
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
    page.click(".card:nth-child(1) .look")
    page.click(".card:nth-child(2) .cart")
    page.wait("!document.querySelector('#trouble').hidden")
    assert page.value("document.querySelector('#trouble-words').textContent").startswith("The service does not answer")
    assert page.value("document.querySelectorAll('.deed.waiting').length") == 2
    service.begin()
    page.wait(f"{TAKEN} === 2 && document.querySelector('#trouble').hidden", seconds=30)
    told = [record["kind"] for record in replay(folder / "events.log") if record.get("user") == user]
    assert told == ["view", "cart"]
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
