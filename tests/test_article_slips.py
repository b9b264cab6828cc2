"""The article's slips, each as a promise that our pipeline keeps on the article's own case (numbers as in notebook 04).

Slip 8 (a `model` that is never defined, a loader over a table) has no behaviour to test; the notebook says it in a sentence.
"""

import json
import tomllib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import surprise
import torch
from packaging.requirements import Requirement
from torch.nn import functional as F

from recolab import evaluation, rerank, sources
from recolab.attention import printed_encoder
from recolab.evaluation import recommend
from recolab.histories import build_catalog, pack
from recolab.losses import full_cross_entropy
from recolab.models.content import Content
from recolab.models.factors import SurpriseSvd
from recolab.models.linear import Ease
from recolab.models.neighbours import ItemNeighbours
from recolab.models.popularity import Popularity
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.schema import ITEM, STOCK, USER
from recolab.split import LeakError, Split, assert_no_leak, by_time
from recolab.training import TrainConfig
from tests.worlds import log

ROOT = Path(__file__).resolve().parents[1]
CASE = sources.load("article_case")
CATALOG = build_catalog(CASE.events, CASE.items)
HISTORIES = pack(CASE.events, CATALOG)
SHAPE = TransformerConfig(dim=16, max_len=8, dropout=0.0, negatives=0)
TRAINING = TrainConfig(epochs=5, learning_rate=1e-2, progress=False)


def team():
    """The article's three opinions: the large model, the rating SVD, the words of the goods."""
    return [Transformer(SHAPE, TRAINING), SurpriseSvd(4), Content(words="count")]


@pytest.fixture(scope="module")
def models():
    return [model.fit(HISTORIES, CATALOG) for model in team()]


@pytest.fixture(scope="module", params=[False, True], ids=["new items only", "with repeats"])
def hybrid(request, models):
    one = rerank.Hybrid(models, rerank.EqualBlend(), allow_repeats=request.param)
    return one.fit(HISTORIES, CATALOG)


def seen_by(user):
    return CASE.events.filter(pl.col(USER) == user)[ITEM].to_list()


def test_1_an_item_of_which_none_is_left_is_never_recommended(hybrid):
    sold_out = CASE.items.filter(pl.col(STOCK) == 0)[ITEM].to_list()
    assert sold_out == [1003]
    assert not [ids for ids in recommend(hybrid, HISTORIES, CATALOG) if set(sold_out) & set(ids)]
    assert (hybrid.score(HISTORIES)[:, CATALOG.rows(sold_out)] == -np.inf).all()


def test_2_what_is_listed_are_ids_of_the_catalog_and_no_row_numbers(hybrid, models):
    for model in (*models, hybrid):
        for ids in recommend(model, HISTORIES, CATALOG):
            assert ids
            assert set(ids) <= set(CASE.items[ITEM])
            assert len(set(ids)) == len(ids)


def test_3_what_was_just_seen_fills_the_list_only_where_repeats_are_asked_for(hybrid):
    (first, second) = (set(ids) for ids in recommend(hybrid, HISTORIES, CATALOG))
    if hybrid.allow_repeats:
        assert (first, second) == ({1001, 1002, 1004, 1005}, {1001, 1002, 1004, 1005})
    else:
        assert (first, second) == ({1004, 1005}, {1001, 1002})


def test_4_the_list_descends_in_its_own_scores(hybrid, models):
    for model in (*models, hybrid):
        scores = model.score(HISTORIES)
        for b, ids in enumerate(recommend(model, HISTORIES, CATALOG)):
            listed = scores[b, CATALOG.rows(ids)]
            assert (np.diff(listed) <= 0).all()
            assert listed[0] == scores[b].max()


def test_5_our_encoder_reads_the_whole_history_and_the_printed_one_a_row_at_a_time(models):
    other = replace(HISTORIES, items=HISTORIES.items.copy())
    other.items[0] = CATALOG.rows([1005])[0]  # the oldest view of user 1 becomes another good
    transformer = models[0]
    moved = np.abs(transformer.score(other)[:, 1:] - transformer.score(HISTORIES)[:, 1:]).max(1)
    assert moved[0] > 1e-3
    assert moved[1] < 1e-6
    torch.manual_seed(0)
    weights = torch.randn(64, 2), torch.randn(64), torch.randn(64, 64)
    views = torch.tensor([[1.0, 1001.0], [1.0, 1002.0], [1.0, 1003.0]])
    changed = views.clone()
    changed[0, 1] = 1005.0
    torch.testing.assert_close(printed_encoder(changed, *weights)[1:], printed_encoder(views, *weights)[1:])


@pytest.mark.parametrize(
    "new_name",
    [lambda i: i - 1000, lambda i: 7 * i + 10**9, lambda i: f"sku-{i}"],
    ids=["small", "huge", "text"],
)
def test_6_a_good_by_another_name_is_the_same_good(models, new_name):
    names = {i: new_name(i) for i in CASE.items[ITEM]}
    events, items = (
        table.with_columns(pl.Series(ITEM, [names[i] for i in table[ITEM]])) for table in (CASE.events, CASE.items)
    )
    catalog = build_catalog(events, items)
    histories = pack(events, catalog)
    for old, new in zip(models, team(), strict=True):
        new.fit(histories, catalog)
        np.testing.assert_array_equal(new.score(histories), old.score(HISTORIES))
        lists = [[names[i] for i in ids] for ids in recommend(old, HISTORIES, CATALOG)]
        assert recommend(new, histories, catalog) == lists


@pytest.mark.parametrize("make", [Popularity, ItemNeighbours, Ease, Content], ids=lambda make: make.__name__)
def test_6_nor_does_the_order_of_names_say_anything(make):
    backwards = {i: 3000 - i for i in CASE.items[ITEM]}
    events, items = (table.with_columns(pl.col(ITEM).replace_strict(backwards)) for table in (CASE.events, CASE.items))
    catalog = build_catalog(events, items)
    old = make().fit(HISTORIES, CATALOG).score(HISTORIES)[:, CATALOG.rows(list(backwards))]
    new = make().fit(pack(events, catalog), catalog).score(pack(events, catalog))[:, catalog.rows(backwards.values())]
    np.testing.assert_allclose(new, old, rtol=1e-6)


def test_7_losses_take_logits_and_pull_hardest_where_the_model_is_surest_and_wrong():
    table = torch.cat(
        [torch.zeros(1, 5), torch.eye(5)]
    )  # row 0 is PAD, so the logits of the five goods are hidden itself
    hidden = torch.tensor([[30.0, 0, 0, 0, 0]], requires_grad=True)
    one = torch.tensor([0])
    wrong = full_cross_entropy(hidden, table, one, torch.tensor([2]))
    right = full_cross_entropy(hidden, table, one, torch.tensor([1]))
    (pull,) = torch.autograd.grad(wrong, hidden)
    torch.testing.assert_close(wrong, torch.tensor(30.0))
    torch.testing.assert_close(pull, torch.tensor([[1.0, -1, 0, 0, 0]]))
    assert right < 1e-6
    # What the article writes: a softmax first. It cannot be content, and it learns nothing where it errs most.
    twice = F.cross_entropy(hidden.softmax(1), torch.tensor([1]))
    (lame,) = torch.autograd.grad(twice, hidden)
    assert lame.abs().max() < 1e-6
    assert F.cross_entropy(hidden.softmax(1), torch.tensor([0])) > 0.9


def test_9_the_rating_svd_is_given_its_reader_and_answers(models):
    table = CASE.events.select(USER, ITEM).to_pandas()
    with pytest.raises(TypeError, match="reader"):
        surprise.Dataset.load_from_df(table)
    ratings = surprise.Dataset.load_from_df(table.assign(rating=1.0), surprise.Reader(rating_scale=(0, 1)))
    with pytest.raises(TypeError, match="not iterable"):
        surprise.SVD().fit(ratings.build_full_trainset()).test(ratings)
    assert np.isfinite(models[1].score(HISTORIES)[:, 1:]).all()


@pytest.fixture(scope="module")
def views_of_nobody_in_particular():
    """Random views, each pair at most once: every rating is the same, and there is nothing to find."""
    rng = np.random.default_rng(0)
    return [(u, int(i), d) for u in range(300) for d, i in enumerate(rng.choice(100, 8, replace=False))]


def test_10_a_small_rmse_on_constant_ratings_is_worth_no_better_than_chance(views_of_nobody_in_particular):
    rows = views_of_nobody_in_particular
    ratings = pl.DataFrame([(u, i, 1.0) for u, i, _ in rows], schema=[USER, ITEM, "rating"], orient="row").to_pandas()
    train, test = surprise.model_selection.train_test_split(
        surprise.Dataset.load_from_df(ratings, surprise.Reader(rating_scale=(0, 1))), random_state=0
    )
    svd = surprise.SVD(random_state=0).fit(train)
    assert surprise.accuracy.rmse(svd.test(test), verbose=False) < 0.1  # as good as the article's 0.0207
    events = log(rows)
    catalog = build_catalog(events)
    past = pack(log([row for row in rows if row[2] < 7]), catalog)
    task = evaluation.make_task(past, log([row for row in rows if row[2] == 7]), catalog, allow_repeats=False)
    hits = evaluation.judge([SurpriseSvd(16).fit(past, catalog)], task)["hr@10"].to_numpy()
    chance = 10 / 93  # ten places among the items not had yet
    assert abs(hits.mean() - chance) < 3 * np.sqrt(chance * (1 - chance) / len(hits))


def test_10_what_is_reported_are_orders_and_no_rmse():
    assert {name.partition("@")[0] for name in evaluation.METRICS} == {"hr", "recall", "ndcg", "mrr"}


def test_11_likeness_is_a_table_of_numbers_and_a_user_is_found_by_id(models):
    content = models[2]
    alike = (content.vectors @ content.vectors.T).toarray()
    assert alike.dtype == np.float32
    rows = CATALOG.rows([1001, 1002, 1003, 1004, 1005])
    np.testing.assert_allclose(alike[np.ix_(rows, rows)], np.kron(np.eye(2), np.ones((3, 3)))[:5, :5], rtol=1e-6)
    # Users whose ids are each other's row numbers: whoever compares an id with a row takes one for the other.
    crossed = CASE.events.with_columns(pl.col(USER).replace_strict({1: 1, 2: 0}))
    histories = pack(crossed, CATALOG)
    assert histories.users == [0, 1]
    for make in (lambda: SurpriseSvd(4), lambda: Content(words="count"), ItemNeighbours):
        model = make().fit(histories, CATALOG)
        both = model.score(histories)
        for b in (0, 1):
            np.testing.assert_allclose(model.score(histories.take(np.array([b])))[0], both[b], rtol=1e-6)
    assert set(CATALOG.ids(histories.take(np.array([1])).items)) == set(seen_by(1))


def test_12_past_and_future_are_told_apart_by_time_and_a_leak_is_refused():
    cut = datetime(2021, 1, 1, 10, 7)
    split = by_time(CASE.events, cut)
    assert_no_leak(split)
    assert split.past[ITEM].to_list() == [1001, 1002]
    assert split.future[ITEM].to_list() == [1003]
    with pytest.raises(LeakError, match="not later than the past"):
        assert_no_leak(Split(split.future, split.past, split.rule))
    catalog = build_catalog(split.past, CASE.items)
    past = pack(split.past, catalog, cut)
    with pytest.raises(ValueError, match="nobody can be asked"):  # nobody met 1003 before: five views hold no question
        evaluation.make_task(past, split.future, catalog, allow_repeats=True)


def test_13_what_is_installed_is_scikit_surprise():
    asked = {
        Requirement(text).name
        for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    assert "scikit-surprise" in asked
    assert "surprise" not in asked


def test_every_slip_of_the_article_stands_in_the_notebook_once():
    cells = json.loads((ROOT / "notebooks" / "04_attention_math.ipynb").read_text())["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    numbered = [line for line in text.splitlines() if line.split(". ")[0].isdigit()]
    assert [int(line.split(". ")[0]) for line in numbered] == list(range(1, 14))
