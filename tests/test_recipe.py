"""The recipe: settings from the first moment, an order from all of them, and a test that is asked once and chooses nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import numpy as np
import polars as pl
import pytest

from recolab import recipe, rerank
from recolab.folds import make_fold
from recolab.models.neighbours import Transitions
from recolab.models.popularity import Popularity
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.recipe import HYBRID, SEQUENCE, Moment, follow_recipe
from recolab.schema import ITEM
from recolab.training import TrainConfig
from tests.worlds import START, carousel

LOOKS = (0.1, 0.9, 0.5)  # what validation says after each epoch: the second is the one to keep
EPOCHS = len(LOOKS)
CUTS = (7, 9, 11, 13)  # days; the last two are tests


class Counted(Transitions):
    """Transitions that remember how many histories each of them was fitted on."""

    fits: ClassVar[list[int]] = []

    def fit(self, histories, catalog):
        Counted.fits.append(len(histories.items))
        return super().fit(histories, catalog)


SIMPLE = {"Popularity": (Popularity, {}), "Transitions": (Counted, {"half_life_days": [2.0], "damping": [0.5]})}


def moments(future=None):
    """Thirty goods on a ring, cut at four moments; `future` changes what happens after the last of them."""
    _, _, events = carousel(n_users=60, n_items=30, length=15)
    if future is not None:
        late = pl.col("timestamp") >= START + timedelta(days=CUTS[-1])
        events = events.with_columns(pl.when(late).then(future).otherwise(pl.col(ITEM)).alias(ITEM))
    ends = [START + timedelta(days=day) for day in CUTS]
    folds = [
        make_fold(events, None, cut, end, min_item_users=1) for cut, end in zip(ends, [*ends[1:], None], strict=True)
    ]
    return [Moment(fold.histories, fold.task(allow_repeats=True)) for fold in folds]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A Transformer that is grown at once: how it grows with time has tests of its own."""

    def grow(histories, task, seconds, seed):
        training = TrainConfig(EPOCHS, patience=EPOCHS, seed=seed, progress=False)
        looks = iter(LOOKS)
        model = Transformer(TransformerConfig(dim=16, negatives=0), training)
        return model.fit(histories, task.catalog, validate=lambda _: next(looks))

    monkeypatch.setattr(recipe, "grow_transformer", grow)
    Counted.fits = []


def test_every_model_is_judged_on_every_user_of_every_test():
    *learn, last, newest = moments()
    verdict = follow_recipe(learn, [last, newest], SIMPLE, minutes=1, seed=7)
    asked = len(last.task) + len(newest.task)
    counts = dict(verdict.judged.group_by("model").len().iter_rows())
    assert counts == dict.fromkeys([*SIMPLE, SEQUENCE, HYBRID], asked)
    assert set(verdict.judged["user"]) == {str(user) for user in range(60)}  # ids, so that tests can be put together
    worth = dict(verdict.judged.group_by("model").agg(pl.col("ndcg@10").mean()).iter_rows())
    assert worth[HYBRID] > 0.9 > worth["Popularity"]
    assert set(verdict.on_validation) == {*SIMPLE, SEQUENCE, HYBRID}
    assert set(verdict.seconds) == {*SIMPLE, SEQUENCE, HYBRID, "judging"}


def test_models_are_fitted_anew_where_more_is_known_and_only_there():
    known = moments()
    follow_recipe(known[:2], known[2:], SIMPLE, minutes=1, seed=7)
    events = [len(moment.histories.items) for moment in known]
    assert Counted.fits == events  # once a moment: the only trial is the fit of the first
    assert events == [60 * day for day in CUTS]


def test_the_same_histories_are_not_learned_twice():
    first = moments()[0]
    follow_recipe([first], [first], SIMPLE, minutes=1, seed=7)
    assert Counted.fits == [60 * CUTS[0]]


def test_of_several_trials_the_best_is_judged_whichever_came_last():
    class Signed(Counted):
        def __init__(self, name, sign):
            super().__init__(name=name)
            self.sign = sign

        def score(self, histories):
            return self.sign * super().score(histories)

    def judged_with(signs):
        space = {"Transitions": (Signed, {"sign": signs})}
        first = moments()[0]
        return follow_recipe([first], [first], space, minutes=60, seed=7).on_validation["Transitions"]

    for signs, fits in (([-1, 1], 2), ([1, -1], 3)):  # the best is fitted anew where it was not the newest
        Counted.fits = []
        assert judged_with(signs) > 0.9
        assert len(Counted.fits) == fits


def test_a_transformer_is_trained_anew_for_as_many_epochs_as_its_best_had(monkeypatch):
    trained, fit = [], Transformer.fit

    def noted(self, histories, catalog, **words):
        trained.append(self.training.epochs)
        return fit(self, histories, catalog, **words)

    monkeypatch.setattr(Transformer, "fit", noted)
    known = moments()
    follow_recipe(known[:2], known[2:], SIMPLE, minutes=1, seed=7)
    assert trained == [EPOCHS, 2, 2, 2]


def test_what_happens_after_the_test_cut_chooses_nothing():
    other = np.random.default_rng(1).integers(30, size=60 * 15).tolist()
    verdicts = []
    for future in (None, pl.Series(other)):
        *learn, test = moments(future)
        verdicts.append(follow_recipe(learn[:2], [test], SIMPLE, minutes=60, seed=7))
    first, second = verdicts
    assert first.on_validation == second.on_validation
    assert second.judged.filter(model=HYBRID)["ndcg@10"].mean() < first.judged.filter(model=HYBRID)["ndcg@10"].mean()


def test_every_moment_is_described_by_what_was_known_then_and_the_newest_judges_what_the_older_taught(monkeypatch):
    proposed, learned, hybrids = [], {}, []
    propose, choose, fit = rerank.propose, rerank.choose_ranker, rerank.Hybrid.fit

    def noted(models, task, facts, *rest, **words):
        proposed.append((next(model for model in models if model.name == "Transitions"), task, facts))
        return propose(models, task, facts, *rest, **words)

    def chosen(rankers, learn, check, task):
        learned.update(learn=len(learn.rows), check=len(check.rows), task=task)
        return choose([Whole()], learn, check, task)

    def fitted(self, histories, catalog):
        hybrids.append((self, histories))
        return fit(self, histories, catalog)

    monkeypatch.setattr(rerank, "propose", noted)
    monkeypatch.setattr(rerank, "choose_ranker", chosen)
    monkeypatch.setattr(rerank.Hybrid, "fit", fitted)
    known = moments()
    verdict = follow_recipe(known[:2], known[2:], SIMPLE, minutes=1, seed=7)
    assert len(proposed) == 2
    for (model, task, facts), moment in zip(proposed, known, strict=False):
        assert task is moment.task
        right = rerank.item_features(moment.histories, moment.task.catalog)
        np.testing.assert_array_equal(facts["all_item_events"], right["all_item_events"])
        again = Transitions(2.0, damping=0.5).fit(moment.histories, task.catalog)
        np.testing.assert_allclose(model.score(task.histories), again.score(task.histories), rtol=1e-5)
    assert learned["task"] is known[1].task
    assert learned["learn"] < 1.5 * learned["check"]  # one moment taught and one judged
    assert verdict.on_validation["Transitions"] == recipe.validation_score(proposed[-1][0], known[1].task)
    for (hybrid, histories), moment in zip(hybrids, known[2:], strict=True):
        assert histories is moment.histories
        assert hybrid.ranker.taught == learned["learn"] + learned["check"]  # at the end by all that is known
        assert hybrid.allow_repeats is True


class Whole(rerank.EqualBlend):
    """A ranker that remembers by how many candidates it was taught."""

    def fit(self, candidates):
        self.taught = len(candidates.rows)
        return self


def test_a_transformer_gets_the_time_that_simple_models_left_over(monkeypatch):
    grow, given = recipe.grow_transformer, []
    monkeypatch.setattr(
        recipe, "grow_transformer", lambda h, t, seconds, seed: given.append(seconds) or grow(h, t, 1, seed)
    )
    first = moments()[0]
    clock = recipe.Clock({"reading": 50.0})
    follow_recipe([first], [first], SIMPLE, minutes=4, seed=7, clock=clock)
    gone = sum(clock.seconds[name] for name in ("reading", *SIMPLE))
    assert given == [pytest.approx(0.75 * 240 - gone, abs=1e-6)]


def test_a_transformer_leaves_time_to_be_trained_anew(monkeypatch):
    grow, given = recipe.grow_transformer, []
    monkeypatch.setattr(
        recipe, "grow_transformer", lambda h, t, seconds, seed: given.append(seconds) or grow(h, t, 1, seed)
    )
    known = moments()
    for tests in ([known[0]], known[1:]):
        follow_recipe(known[:1], tests, SIMPLE, minutes=100, seed=7)
    assert given[1] == pytest.approx(given[0] / (1 + 3 * 0.5), rel=1e-3)


def test_where_nobody_finds_a_hit_all_opinions_count_the_same():
    *learn, test = moments()
    blind = {"Popularity": (Popularity, {})}
    for moment in (*learn, test):  # answers that nobody can propose
        moment.task.wanted.data[:] = 0
    verdict = follow_recipe(learn, [test], blind, minutes=1, seed=7)
    assert verdict.on_validation[HYBRID] == 0


def test_where_only_the_older_moments_teach_nothing_all_opinions_count_the_same(monkeypatch):
    chosen, choose = [], rerank.choose_ranker
    monkeypatch.setattr(
        rerank, "choose_ranker", lambda rankers, *rest: chosen.append(rankers) or choose(rankers, *rest)
    )
    known = moments()
    known[0].task.wanted.data[:] = 0
    follow_recipe(known[:2], known[2:], SIMPLE, minutes=1, seed=7)
    assert [type(ranker) for ranker in chosen[0]] == [rerank.EqualBlend]


@pytest.mark.parametrize(("most", "asked"), [(5, 5), (recipe.LOOK_USERS, 60)])
def test_trials_and_epochs_are_judged_on_so_many_users_and_on_all_where_there_are_fewer(most, asked, monkeypatch):
    told = []

    def noted(of, at):
        def call(*args, **kwargs):
            tasks = args[at] if isinstance(args[at], list) else [args[at]]
            told.extend(len(task) for task in tasks)
            return of(*args, **kwargs)

        return call

    monkeypatch.setattr(recipe, "LOOK_USERS", most)
    monkeypatch.setattr(recipe, "tune", noted(recipe.tune, 3))
    monkeypatch.setattr(recipe, "grow_transformer", noted(recipe.grow_transformer, 1))
    *learn, test = moments()
    follow_recipe(learn, [test], SIMPLE, minutes=1, seed=7)
    assert told == [asked] * 2  # Popularity has nothing to tune
