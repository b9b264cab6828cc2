"""An open shop writes down what it hears and shows, tries things with known chances, and changes its model while it serves."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from shutil import copytree, rmtree

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from recolab.feedback import (
    INTERLEAVING,
    EpsilonGreedy,
    Softmax,
    Verdict,
    join_reactions,
    judge_trial,
    read_events,
    read_impressions,
    trial_wins,
)
from recolab.live import (
    Choir,
    Favour,
    LiveRecommender,
    LiveShop,
    Wish,
    challenge,
    exchange,
    go_back,
    open_shop,
    promote,
    promoted,
    replay,
    roll_back,
    version_folder,
    welcome,
)
from recolab.live.lists import choose
from recolab.schema import CLICK, ITEM, LIST, MODEL, POLICY, POSITION, PROPENSITY, PURCHASE, SCORE, TIME, USER, VIEW
from recolab.service import create_app
from tests.test_service import KEY, N_ITEMS, ship_world, world


def recommender(favourite=0, scale=1.0):
    """Who likes items best from a favourite on, around the ring."""
    catalog, past, _ = world()
    counts = np.array([0, *(N_ITEMS - (np.arange(N_ITEMS) - favourite) % N_ITEMS)], np.float32)
    return LiveRecommender(
        catalog, past, Choir([Favour(counts * scale)], [1.0]), np.eye(len(catalog), dtype=np.float32)
    )


@pytest.fixture
def shop(tmp_path):
    with LiveShop(recommender(), tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    return ship_world(tmp_path_factory.mktemp("shipped"))


@pytest.fixture
def root(shipped, tmp_path):
    """Two versions of one shop, the first in its own folder."""
    copytree(shipped, tmp_path, dirs_exist_ok=True)
    copytree(shipped, version_folder(tmp_path, "2"))
    return tmp_path


def listed(picks):
    return [pick.item for pick in picks]


def test_what_is_shown_and_heard_is_on_the_disk_and_comes_back(shop, tmp_path):
    picks = shop.recommend(3, 4)
    assert shop.observe(3, picks[1].item, VIEW)
    assert not shop.observe("guest", "?", PURCHASE, value=2.0)
    log, events = read_impressions(tmp_path / "impressions"), read_events(tmp_path / "events.log")
    assert log[ITEM].to_list()[:4] == listed(picks)
    assert log[SCORE].to_list()[:4] == [pick.score for pick in picks]
    assert log[USER].to_list() == [3] * 4
    assert set(log[POLICY]) == {"best"}
    assert set(log[MODEL]) == {"1"}
    assert log[PROPENSITY].to_list() == [1.0] * 4
    assert events[ITEM].to_list() == [str(picks[1].item), "?"]
    answered = join_reactions(log, events).impressions
    assert answered[CLICK].to_list() == [False, True, False, False]
    assert abs(answered[TIME][0] - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)


def test_a_list_is_served_though_its_log_fails_and_the_meter_tells(shop, monkeypatch):
    def fails(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(shop.impressions, "write", fails)
    with TestClient(create_app(shop, "secret")) as client:
        assert len(client.get("/recommendations", headers=KEY, params={"user_id": "3"}).json()["items"]) == 10
        assert "recolab_unlogged_lists 1.0" in client.get("/metrics").text


def test_nothing_wrong_is_written_down(shop, tmp_path):
    for wrong, words in (
        ({"kind": "gaze"}, "gaze"),
        ({"value": float("nan")}, "JSON"),
        ({"rating": float("inf")}, "JSON"),
    ):
        with pytest.raises(ValueError, match=words):
            shop.observe(3, 5, **wrong)
    for price in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="price"):
            shop.update_item(3, price=price)
    with pytest.raises(KeyError):
        shop.update_item(99, stock=1)
    assert list(replay(tmp_path / "events.log")) == []


# Exploring


@pytest.mark.parametrize("policy", [EpsilonGreedy(0.4), Softmax(0.3)], ids=str)
@pytest.mark.parametrize(
    "wish", [Wish(), Wish(variety=0.3), Wish(most_per_category=1)], ids=["plain", "varied", "capped"]
)
def test_a_place_s_chance_is_how_often_it_comes_given_those_above(policy, wish, shop):
    shop.live.explore(policy)
    lists = [shop.live.recommend(3, 2, wish=wish) for _ in range(3000)]
    pairs, firsts = Counter(tuple(listed(one)) for one in lists), Counter(one[0].item for one in lists)
    for (first, second), count in pairs.items():
        one = next(picks for picks in lists if listed(picks) == [first, second])
        for found, of, chance in ((firsts[first], 3000, one[0].propensity), (count, firsts[first], one[1].propensity)):
            assert abs(found / of - chance) < 5 * np.sqrt(chance * (1 - chance) / of) + 5 / of
    if wish.most_per_category:
        assert all(shop.live.card(a).category != shop.live.card(b).category for a, b in pairs)


def test_nothing_tried_is_the_best_and_its_chance_is_one(shop):
    best = shop.live.recommend(3, 5)
    shop.live.explore(EpsilonGreedy(0))
    assert shop.live.recommend(3, 5) == best
    shop.live.explore(None)
    assert [pick.propensity for pick in shop.live.recommend(3, 5)] == [1.0] * 5


def test_what_rules_forbid_is_never_tried(shop):
    shop.live.explore(EpsilonGreedy(1))
    shop.update_item(4, stock=0)
    for _ in range(50):
        picks = shop.recommend(3, N_ITEMS - 1)
        assert sorted(listed(picks)) == [item for item in range(N_ITEMS) if item != 4]
        assert all(0 < pick.propensity <= 1 for pick in picks)


def test_a_policy_with_its_settings_is_in_the_log(shop, tmp_path):
    shop.live.explore(EpsilonGreedy(0.25))
    shop.recommend(3, 2)
    assert set(read_impressions(tmp_path / "impressions")[POLICY]) == {"EpsilonGreedy(epsilon=0.25)"}


def test_looking_further_down_begins_the_chances_anew():
    from recolab.feedback import Draw  # noqa: PLC0415

    scores, groups = np.arange(500, 0, -1, dtype=np.float32), np.repeat([1, 2, 3], [240, 130, 130])
    draw = Draw(EpsilonGreedy(0.5), np.random.default_rng(7))
    rows, vectors = np.arange(500), np.eye(500, dtype=np.float32)
    wish, exactly = Wish(most_per_category=1), scores.take
    chosen, worth, chances = choose(scores, rows, exactly, vectors, groups, 3, wish, draw)
    assert sorted(groups[chosen]) == [1, 2, 3]
    assert worth.tolist() == scores[chosen].tolist()
    assert len(chances) == 3


# A change of models


def test_another_takes_over_with_all_that_was_heard_and_sold(shop):
    shop.observe("new", 3, VIEW)
    shop.update_item(7, stock=0, price=5)
    shop.welcome([{"item_id": 50, "title": "title 3"}])
    shop.live.explore(EpsilonGreedy(0.5))
    shop.swap(recommender(7), "2")
    assert (shop.version, shop.live.policy) == ("2", EpsilonGreedy(0.5))
    shop.live.explore(None)
    assert listed(shop.recommend("new", 2)) == [8, 9]  # 7 is sold out
    assert shop.card(7).price == 5
    assert shop.live.knows(50)
    assert list(shop.live._sessions.of("new").items) == [4]


def test_nothing_is_missed_or_doubled_while_models_change(shop):
    """Writers go on while seven models take over one after the other; each event is in the last one's session once."""
    with ThreadPoolExecutor(3) as pool:
        told = [
            pool.submit(lambda n=n: [shop.observe(f"u{n}", item % N_ITEMS, VIEW) for item in range(60)]) for n in (0, 1)
        ]
        for version in range(7):
            shop.swap(recommender(version), f"v{version}")
        for one in told:
            one.result()
    for user in ("u0", "u1"):
        assert len(shop.live._sessions.of(user)) == 60


def test_a_trial_mixes_both_and_the_log_knows_whose_each_place_was(shop, tmp_path):
    shop.try_out(recommender(6), "2")
    shop.observe("new", 3, VIEW)
    for _ in range(40):
        assert len(set(listed(shop.recommend("new", 4)))) == 4
    log = read_impressions(tmp_path / "impressions")
    assert set(log[POLICY]) == {INTERLEAVING}
    assert log[PROPENSITY].null_count() == len(log)  # no estimate is made of it
    assert {"1", "2"} == set(log[MODEL])
    firsts = Counter(log.filter(log[POSITION] == 1)[MODEL])
    assert min(firsts.values()) > 8  # a fair coin: below 9 of 40 once in 10,000
    for item, model in log.select(ITEM, MODEL).iter_rows():
        assert (item in (0, 1, 2, 3)) == (model == "1")
    shop.end_trial()
    assert listed(shop.recommend("new", 2)) == [0, 1]
    with pytest.raises(ValueError, match="is the champion's"):
        shop.try_out(recommender(), "1")


def test_a_trial_keeps_to_the_cap_of_a_category(shop):
    shop.try_out(recommender(5), "2")
    for _ in range(20):
        categories = [shop.card(item).category for item in listed(shop.recommend(3, 6, wish=Wish(most_per_category=1)))]
        assert sorted(categories) == ["0", "1"]


def test_the_gate_opens_for_what_is_better_and_for_nothing_else(shop, tmp_path):
    shop.try_out(recommender(6), "2")
    rng, now = np.random.default_rng(7), datetime.now(UTC)
    for user in range(200):
        for pick in shop.recommend(user, 4):
            if rng.random() < (0.6 if pick.item >= 6 else 0.1):  # what the challenger would show is liked
                shop.observe(user, pick.item, VIEW, at=datetime.now(UTC))
    log, events = read_impressions(tmp_path / "impressions"), read_events(tmp_path / "events.log")
    later = now.replace(tzinfo=None) + timedelta(days=2)
    decision = judge_trial(log, events, "1", "2", later)
    assert (decision.verdict, decision.seen) == (Verdict.BETTER, 200)
    assert judge_trial(log, events, "2", "1", later).verdict is Verdict.WORSE
    assert 10 < judge_trial(log, events, "1", "2", later, alpha=0.01).decided_at >= decision.decided_at
    with pytest.raises(ValueError, match="wait for the first"):  # their windows are open
        judge_trial(log, events, "1", "2", now.replace(tzinfo=None) + timedelta(hours=1))
    by_hand = {}
    for number, item, user, model in log.select(LIST, ITEM, USER, MODEL).iter_rows():
        seen = events.filter(events[USER] == user, events[ITEM] == item)
        by_hand[number] = by_hand.get(number, 0) + (1 if model == "2" else -1) * len(seen)
    assert trial_wins(log, events, "1", "2", later).tolist() == np.sign(list(by_hand.values())).tolist()


def trial_after_a_start(root):
    with open_shop(root) as shop:
        return shop.trial and shop.trial.version


def test_a_trial_goes_on_after_a_stop_until_it_is_ended(root):
    with open_shop(root) as shop:
        challenge(shop, "2")
        shop.observe(3, 5, VIEW)
    assert trial_after_a_start(root) == "2"
    with open_shop(root) as shop:
        shop.recommend(3, 4)
        assert set(read_impressions(root / "impressions")[MODEL]) == {"1", "2"}
        shop.end_trial()
    assert trial_after_a_start(root) is None


def test_after_a_start_champion_and_challenger_explore_alike(root):
    with open_shop(root) as shop:
        challenge(shop, "2")
    with open_shop(root) as shop:
        shop.explore(EpsilonGreedy(1))
        for one in (shop.live, shop.trial.challenger):
            assert one.policy == EpsilonGreedy(1)
            assert len({tuple(listed(one.recommend(3, 4))) for _ in range(20)}) > 1


def test_exploring_begins_elsewhere_after_each_start(root):
    lists = []
    for _ in range(2):
        with open_shop(root) as shop:
            shop.explore(EpsilonGreedy(1))
            lists.append([listed(shop.recommend(3, 4)) for _ in range(5)])
            shop.observe(3, 5, VIEW)
    assert lists[0] != lists[1]


def test_a_challenger_that_became_the_champion_meanwhile_is_refused(root):
    """A promotion is on its way when a trial of the same version is asked for: one waits for the other."""
    with open_shop(root) as shop, ThreadPoolExecutor(2) as pool:
        with shop._goods:
            promoting = pool.submit(exchange, shop, "2")
            time.sleep(0.3)
            trying = pool.submit(challenge, shop, "2")
            time.sleep(0.3)
        promoting.result()
        with contextlib.suppress(ValueError):
            trying.result()
        assert shop.trial is None or shop.trial.version != shop.version


def test_a_trial_that_is_over_does_not_come_back(root):
    copytree(root / "versions" / "2", root / "kept")
    with open_shop(root) as shop:
        challenge(shop, "2")
    (root / "versions" / "2" / "encoder.onnx").unlink()  # damaged: the shop opens all the same
    with pytest.warns(UserWarning, match="the trial of version 2 is over"):
        shop = open_shop(root)
    with shop:
        lines = len(list(replay(root / "events.log")))
        shop.end_trial()  # once is enough
        assert (shop.trial, len(list(replay(root / "events.log")))) == (None, lines)
    rmtree(root / "versions" / "2")
    copytree(root / "kept", root / "versions" / "2")
    assert trial_after_a_start(root) is None
    with open_shop(root) as shop:
        lines = len(list(replay(root / "events.log")))
        shop.end_trial()  # of none
        assert len(list(replay(root / "events.log"))) == lines


@pytest.mark.parametrize("text", ["{broken", '"2"', "[1, 2]", "{}"])
def test_what_names_no_versions_is_refused_by_its_file(text, root):
    (root / "current.json").write_text(text)
    with pytest.raises(ValueError, match=r"current\.json"):
        open_shop(root)


def test_a_trial_throws_other_coins_after_each_stop(root):
    seen = set()
    for _ in range(6):
        with open_shop(root) as shop:
            if shop.trial is None:
                challenge(shop, "2")
            shop.observe(3, 5, VIEW)
            seen.add(tuple(shop.trial.rng.random(2)))
    assert len(seen) == 6


def test_a_trial_is_over_when_another_version_answers_or_the_challenger_is_gone(root):
    copytree(root / "versions" / "2", version_folder(root, "3"))
    with open_shop(root) as shop:
        challenge(shop, "2")
    promote(root, "3")
    assert trial_after_a_start(root) is None
    roll_back(root)
    assert trial_after_a_start(root) == "2"
    rmtree(version_folder(root, "2"))
    with pytest.warns(UserWarning, match="the trial of version 2 is over"):
        assert trial_after_a_start(root) is None


def test_a_promotion_ends_the_trial_for_good(root):
    with open_shop(root) as shop:
        challenge(shop, "2")
        exchange(shop, "2")
        go_back(shop)
    assert trial_after_a_start(root) is None


def trial_of(tmp_path, name, champion, challenger, favourite, n=40):
    """A log of lists that were mixed of two, on which only what the challenger brought is clicked."""
    with LiveShop(recommender(), tmp_path / name, champion) as opened:
        opened.try_out(recommender(favourite), challenger)
        for user in range(n):
            for pick in opened.recommend(f"{name}{user}", 4):
                if pick.item >= favourite:
                    opened.observe(f"{name}{user}", pick.item, VIEW, at=datetime.now(UTC) + timedelta(seconds=1))
    return read_impressions(tmp_path / name / "impressions"), read_events(tmp_path / name / "events.log")


def test_a_trial_against_a_third_model_says_nothing_of_the_first(tmp_path):
    log, events = trial_of(tmp_path, "a", "2", "3", 6)
    later = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2)
    assert judge_trial(log, events, "2", "3", later).verdict is Verdict.BETTER
    for pair in (("1", "2"), ("1", "3")):
        with pytest.raises(ValueError, match="wait for the first"):
            judge_trial(log, events, *pair, later)


def test_a_list_of_one_model_alone_says_nothing_of_two(shop, tmp_path):
    shop.try_out(recommender(6), "2")
    for user in range(5):
        [pick] = shop.recommend(user, 1)
        shop.observe(user, pick.item, VIEW, at=datetime.now(UTC) + timedelta(seconds=1))
    log, events = read_impressions(tmp_path / "impressions"), read_events(tmp_path / "events.log")
    later = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2)
    assert not len(trial_wins(log, events, "1", "2", later))


def test_a_list_that_is_over_stays_as_it_was_judged(shop, tmp_path):
    """A click on a newer list is no answer to an older one, whether the newer one is over or not."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    shop.try_out(recommender(6), "2")
    first = shop.recommend("u", 2, at=noon)
    shop.recommend("u", 2, at=noon + timedelta(hours=12))
    shop.observe("u", first[0].item, VIEW, at=noon + timedelta(hours=13))
    log, events = read_impressions(tmp_path / "impressions"), read_events(tmp_path / "events.log")
    early, late = (trial_wins(log, events, "1", "2", datetime(2026, 3, day, hour)) for day, hour in ((2, 13), (3, 1)))
    assert early.tolist() == late[:1].tolist() == [0]
    assert abs(late[1]) == 1


def test_a_version_that_is_gone_is_not_gone_back_to(root):
    copytree(root / "versions" / "2", version_folder(root, "3"))
    with open_shop(root) as shop, TestClient(create_app(shop, "secret")) as client:
        exchange(shop, "2")
        exchange(shop, "3")
        rmtree(version_folder(root, "2"))
        answer = client.post("/model/rollback", headers=KEY)
        assert (answer.status_code, answer.json()["detail"]) == (404, "the version before is not there any more")
        assert (shop.version, promoted(root)) == ("3", ["1", "2", "3"])
    with open_shop(root) as shop:
        assert shop.version == "3"


def test_a_swap_that_fails_leaves_the_old_one_for_the_next_start_too(root, monkeypatch):
    def fails(*_):
        raise OSError("no space left on device")

    with open_shop(root) as shop:
        monkeypatch.setattr(shop.journal, "write", fails)
        with pytest.raises(OSError, match="no space"):
            exchange(shop, "2")
        assert (shop.version, promoted(root)) == ("1", ["1"])


@pytest.mark.parametrize(
    "wrong",
    [{"user": None}, {"user": ""}, {"user": (1, 2)}, {"user": 10**30}, {"item": True}, {"value": -1}, {"text": 5}],
    ids=str,
)
def test_what_would_poison_the_journal_is_refused_before_it_is_written(wrong, shop, tmp_path):
    words = {"user": 3, "item": 5} | wrong
    with pytest.raises(ValueError, match="must be"):
        shop.observe(**words)
    assert list(replay(tmp_path / "events.log")) == []


def test_the_edges_of_what_http_takes_can_be_read_again(shop, tmp_path):
    with TestClient(create_app(shop, "secret")) as client:
        for user, status in ((2**63 - 1, 200), (2**63, 422), (10**30, 422)):
            body = {"user_id": user, "item_id": 3, "timestamp": "0001-01-01T00:00:00+14:00"}
            assert client.post("/events", json=body, headers=KEY).status_code == status
        assert client.post("/items", json=[{"item_id": 2**63, "title": "x"}], headers=KEY).status_code == 422
    assert read_events(tmp_path / "events.log")[USER].to_list() == [2**63 - 1]


def test_a_challenger_with_more_goods_keeps_caps_and_hears_of_its_stock(shop):
    wider = recommender(5)
    shop.try_out(welcome(wider, pl.DataFrame({ITEM: [50], "title": ["title 3"], "category": ["0"]})), "2")
    for _ in range(20):
        picks = shop.recommend(3, 6, wish=Wish(most_per_category=1))
        assert sorted(shop.card(pick.item).category for pick in picks) == ["0", "1"]
    shop.update_item(50, stock=0)
    assert shop.card(50).stock == 0
    assert 50 not in {pick.item for _ in range(5) for pick in shop.recommend(3, N_ITEMS)}


def test_an_event_that_the_models_have_learned_from_counts_as_little_now_as_after_a_start(shop):
    before = len(shop.live._sessions.of(3))
    assert shop.observe(3, 5, VIEW, at=shop.live.as_of - timedelta(days=1))
    assert len(shop.live._sessions.of(3)) == before


# Versions on disk


def test_a_version_is_promoted_and_taken_back(root):
    with open_shop(root) as shop:
        assert shop.version == "1"
        exchange(shop, "2")
        assert (shop.version, promoted(root)) == ("2", ["1", "2"])
        with pytest.raises(FileNotFoundError):
            exchange(shop, "3")
        assert shop.version == "2"
    with open_shop(root) as shop:
        assert shop.version == "2"
        go_back(shop)
        assert (shop.version, promoted(root)) == ("1", ["1"])
        with pytest.raises(ValueError, match="none to go back to"):
            go_back(shop)
        assert shop.version == "1"


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x"])
def test_a_version_is_a_plain_folder(name, tmp_path):
    with pytest.raises(ValueError, match="plain folder"):
        promote(tmp_path, name)


def test_over_http_a_model_is_tried_takes_over_and_goes_back(root):
    with open_shop(root) as shop, TestClient(create_app(shop, "secret")) as client:
        assert client.get("/model").status_code == 401
        assert client.put("/model/trial", json={"version": "2"}, headers=KEY).json()["trial"] == "2"
        assert client.get("/recommendations", headers=KEY, params={"user_id": "3", "reasons": True}).status_code == 200
        assert client.delete("/model/trial", headers=KEY).json()["trial"] is None
        assert client.put("/model", json={"version": "2"}, headers=KEY).json() == {
            "version": "2",
            "trial": None,
            "promoted": ["1", "2"],
        }
        assert client.put("/model/trial", json={"version": "2"}, headers=KEY).status_code == 409
        assert client.post("/model/rollback", headers=KEY).json()["version"] == "1"
        assert client.post("/model/rollback", headers=KEY).status_code == 409
        assert client.put("/model", json={"version": "9"}, headers=KEY).status_code == 404
        for bad in ("../2", "", ".."):
            assert client.put("/model", json={"version": bad}, headers=KEY).status_code == 422


def change_on(root, answers):
    """Promote and roll back, and say after each what was reached, until killed."""
    while True:
        promote(root, "2")
        answers.send_bytes(b"2")
        roll_back(root)
        answers.send_bytes(b"1")


def test_killed_at_fifty_moments_of_a_promotion_one_version_or_the_other_answers(root):
    processes, rng, reached = multiprocessing.get_context("forkserver"), random.Random(7), set()
    processes.set_forkserver_preload([__name__])
    for _ in range(50):
        heard, answers = processes.Pipe(duplex=False)
        writer = processes.Process(target=change_on, args=(root, answers))
        writer.start()
        answers.close()
        heard.recv_bytes()
        time.sleep(rng.uniform(0, 0.02))
        writer.kill()
        writer.join()
        reached.add((promoted(root) or ["1"])[-1])
        assert promoted(root) in (["1"], ["1", "2"])
    assert reached == {"1", "2"}
    with open_shop(root) as shop:
        assert shop.version == promoted(root)[-1]
