"""The recipe for any shop: tune simple models, grow one Transformer, let a ranker learn when to believe whom, ask the test once."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab import rerank
from recolab.evaluation import Task, judge, validation_score
from recolab.growing import best_epoch, grow_transformer
from recolab.histories import Histories
from recolab.models import Recommender
from recolab.models.transformer import Transformer
from recolab.tuning import Space, tune

LOOK_USERS = 10_000  # of a validation, asked by every trial and after every epoch; 3,000 hardly tell epochs apart
CANDIDATES = 40  # of every model, for each user
TRIALS = 6  # at most, for each simple model
SIMPLE_SHARE, MODELS_SHARE = 0.25, 0.75  # of the minutes, for simple models and for all; the hybrid takes what is left
REFIT = 0.5  # of the time that growing takes, for the chosen one of its runs once more
SEQUENCE, HYBRID = "Transformer", "Hybrid"

Simple = Mapping[str, tuple[Callable[..., Recommender], Space]]


@dataclass(frozen=True)
class Moment:
    """What was known at one time, and what was asked then.

    histories: all that a model may learn from    task: the question, with the histories that it is asked of
    """

    histories: Histories
    task: Task


@dataclass
class Clock:
    """The seconds that each part took, told as they pass."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what happens within."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
        print(f"{name}: {self.seconds[name]:.0f} s", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Verdict:
    """What the tests say of every model, and what was known before they were asked.

    judged: a row for each model, test and user (its id), with the metrics    on_validation: ndcg@10 at the last moment before
    the tests, the hybrid's on users or at a moment that it had not learned from    seconds: of every part    settings: what was
    chosen for each model, in words
    """

    judged: pl.DataFrame
    on_validation: dict[str, float]
    seconds: dict[str, float]
    settings: dict[str, str]


def follow_recipe(
    moments: Sequence[Moment],
    tests: Sequence[Moment],
    simple: Simple,
    minutes: float,
    seed: int,
    clock: Clock | None = None,
) -> Verdict:
    """Choose every setting at the first moment, learn the order of candidates at all of them, and judge at the tests.

    moments, tests: oldest first    simple: name -> class and space    minutes: about, for all but judging: more than
    growing can use are left over, and fewer than one fit of each model takes are exceeded
    Models are fitted anew at each later moment with other histories, and keep their settings.
    With one moment the ranker is chosen by halves of its users, with more at the last after learning at the others.
    """
    clock = clock or Clock()
    first, members = moments[0], list[Member]()
    for name, (make, space) in simple.items():
        with clock.part(name):
            members.append(_tuned(name, make, space, first, 60 * minutes * SIMPLE_SHARE / len(simple), seed))
    left = 60 * minutes * MODELS_SHARE - sum(clock.seconds.values())
    anew = sum(after.histories is not before.histories for before, after in pairwise([*moments, *tests]))
    with clock.part(SEQUENCE):
        members.append(_grown(first, left / (1 + REFIT * anew), seed))
    models = [member.model for member in members]
    candidates = []
    for before, moment in zip([first, *moments], moments, strict=False):
        models = _refitted(members, models, before, moment, clock)
        with clock.part(HYBRID):
            facts = rerank.item_features(moment.histories, moment.task.catalog)
            candidates.append(rerank.propose(models, moment.task, facts, CANDIDATES, answered=True))
    with clock.part("judging"):
        on_validation = {model.name: validation_score(model, moments[-1].task) for model in models}
    with clock.part(HYBRID):
        ranker, score = _ranker(candidates, moments[-1].task, seed)
    judged = []
    for before, test in zip([moments[-1], *tests], tests, strict=False):
        models = _refitted(members, models, before, test, clock)
        with clock.part("judging"):
            judged.append(_judged([*models, _hybrid(models, ranker, test)], test.task))
    settings = {member.model.name: member.settings for member in members} | {HYBRID: ranker.name}
    return Verdict(pl.concat(judged), on_validation | {HYBRID: score}, clock.seconds, settings)


@dataclass(frozen=True)
class Member:
    """A model that was chosen and fitted, how to make it again for other histories, and in words what was chosen."""

    model: Recommender
    again: Callable[[], Recommender]
    settings: str


def _tuned(
    name: str, make: Callable[..., Recommender], space: Space, moment: Moment, seconds: float, seed: int
) -> Member:
    """Choose the knobs on some users, and fit, unless the newest trial did."""
    few, knobs, newest = _few(moment.task, seed), dict[str, Any](), list[tuple[dict[str, Any], Recommender]]()

    def trial(**asked: Any) -> Recommender:
        newest[:] = [(asked, make(name=name, **asked))]  # no older one stays: a table of all pairs of items is large
        return newest[0][1]

    if space:
        best, _ = tune(trial, space, moment.histories, [few], TRIALS, seed, seconds=seconds)
        knobs = best[few.name]
    again = partial(make, name=name, **knobs)
    if newest and newest[0][0] == knobs:
        return Member(newest[0][1], again, _words(knobs))
    newest.clear()
    return Member(again().fit(moment.histories, moment.task.catalog), again, _words(knobs))


def _grown(moment: Moment, seconds: float, seed: int) -> Member:
    model = grow_transformer(moment.histories, _few(moment.task, seed), seconds, seed)
    training = replace(model.training, epochs=best_epoch(model)[0])
    grown = {name: getattr(model.config, name) for name in ("dim", "dropout", "input_dropout", "negatives")}
    return Member(model, partial(Transformer, model.config, training), _words(grown | {"epochs": training.epochs}))


def _words(knobs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in knobs.items())


def _few(task: Task, seed: int) -> Task:
    return task.sample(LOOK_USERS, np.random.default_rng(seed))


def _refitted(
    members: Sequence[Member], models: list[Recommender], before: Moment, moment: Moment, clock: Clock
) -> list[Recommender]:
    """Fit all models on what is known now; where nothing more is known, as in leave-one-out, they stay."""
    if moment.histories is before.histories:
        return models
    fitted = []
    for member in members:
        with clock.part(member.model.name):
            fitted.append(member.again().fit(moment.histories, moment.task.catalog))
    return fitted


def _ranker(candidates: Sequence[rerank.Candidates], last: Task, seed: int) -> tuple[rerank.Ranker, float]:
    """Choose the ranker, and fit it on all that is known  ->  it, and its score on what it had not learned from."""
    rankers, whole = rerank.contenders(seed=seed), rerank.join_candidates(candidates)
    *earlier, check = candidates
    if not earlier:
        ranker, scores = rerank.choose_by_halves(rankers, whole, last, seed)
        return ranker, scores[ranker.name]
    learn = rerank.join_candidates(earlier)
    if not (learn.can_teach() and whole.can_teach()):
        rankers = [rerank.EqualBlend()]
    ranker, scores = rerank.choose_ranker(rankers, learn, check, last)
    return ranker.fit(whole), scores[ranker.name]


def _hybrid(models: list[Recommender], ranker: rerank.Ranker, test: Moment) -> rerank.Hybrid:
    hybrid = rerank.Hybrid(models, ranker, allow_repeats=test.task.allow_repeats, n_candidates=CANDIDATES, name=HYBRID)
    return hybrid.fit(test.histories, test.task.catalog)


def _judged(models: Sequence[Recommender], task: Task) -> pl.DataFrame:
    """Judge as `evaluation.judge`, with ids of users in the place of their places, so that tests can be put together."""
    judged = judge(models, task)
    users: NDArray[np.str_] = np.array([str(user) for user in task.histories.users])
    return judged.with_columns(user=pl.Series(users[judged["user"].to_numpy()]))
