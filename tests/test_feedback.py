"""The pieces meet: a shop explores, values a challenger from its own log, lets both meet on one list, and believes the better."""

from __future__ import annotations

import numpy as np
import pytest

from recolab.feedback import (
    Softmax,
    Verdict,
    bernstein_sequence,
    interleaved_wins,
    ips,
    item_position_ips,
    judge_challenger,
    step_propensities,
    team_draft,
)

CLICKS = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
CHAMPION, CHALLENGER = np.array([0.0, 1, 0, 1, 0, 1]), 4 * CLICKS  # scores
LISTS, K = 4000, 3


def test_what_a_log_promises_of_a_challenger_is_what_shoppers_then_say():
    rng, softmax = np.random.default_rng(0), Softmax()
    shown = softmax.draw(np.broadcast_to(CHAMPION, (LISTS, len(CLICKS))), K, rng)
    rewards = (rng.random(shown.shape) < CLICKS[shown]).astype(float)
    places = np.arange(K), shown
    logged, target = softmax.position_propensities(CHAMPION, K), softmax.position_propensities(CHALLENGER, K)
    promised = item_position_ips(rewards, logged[places], target[places])
    assert promised.low <= (target @ CLICKS).sum() <= promised.high
    assert promised.low > rewards.sum(1).mean()  # better than what ran

    drafts = [team_draft(np.argsort(-CHAMPION), np.argsort(-CHALLENGER), K, rng) for _ in range(LISTS)]
    items, teams = np.stack([draft.items for draft in drafts]), np.stack([draft.teams for draft in drafts])
    wins = interleaved_wins(rng.random(items.shape) < CLICKS[items], teams)
    found = judge_challenger(bernstein_sequence(wins, -1, 1))
    assert found.verdict == Verdict.BETTER
    assert found.decided_at < LISTS / 2


def test_the_first_place_alone_is_a_thing_shown():
    shown = np.array([[5, 1, 0], [3, 4, 5]])
    logged = step_propensities(Softmax(), np.broadcast_to(CHAMPION, (2, 6)), shown)
    target = step_propensities(Softmax(), np.broadcast_to(CHALLENGER, (2, 6)), shown)
    first = ips(np.array([1.0, 0]), logged[:, 0], target[:, 0])
    assert first.value == pytest.approx(target[0, 0] / logged[0, 0] / 2)
