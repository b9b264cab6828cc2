"""What every model promises, whichever way it keeps the promise.

The toy world is a carousel: shoppers always step to the next item, and from the last item back to the first. There is
one right answer, so a model of sequences that learns must find it.
"""

import uuid
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recolab.evaluation import recommend
from recolab.histories import PAD, build_catalog, pack
from recolab.models.lineup import baselines
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.schema import ITEM, USER
from recolab.training import TrainConfig
from tests.worlds import carousel

TINY = TransformerConfig(dim=16, n_heads=2, n_blocks=1, max_len=8, dropout=0.0, negatives=0, batch_positions=128)


def make(name):
    if name == "Transformer":
        return Transformer(TINY, TrainConfig(epochs=12, learning_rate=1e-2, progress=False))
    return next(model for model in baselines() if model.name == name)


NAMES = [*(model.name for model in baselines()), "Transformer"]


@pytest.fixture(scope="module")
def world():
    return carousel()


@pytest.fixture(scope="module", params=NAMES)
def model(request, world):
    histories, catalog, _ = world
    return make(request.param).fit(histories, catalog)


def stranger(histories):
    return replace(histories.take(np.array([0])), users=["nobody has this name"])


def newcomer(histories):
    """A history of nothing."""
    one = histories.take(np.array([0])).last(0)
    return replace(one, users=["somebody new"])


def test_every_item_gets_a_score_and_padding_never_wins(model, world):
    histories, catalog, _ = world
    scores = model.score(histories)
    assert scores.shape == (len(histories), len(catalog))
    assert scores.dtype == np.float32
    assert (scores[:, PAD] == -np.inf).all()
    assert np.isfinite(scores[:, 1:]).all()


def test_alone_is_as_in_a_batch(model, world):
    histories = world[0].take(np.arange(6))
    together = model.score(histories)
    alone = np.concatenate([model.score(histories.take(np.array([b]))) for b in range(6)])
    np.testing.assert_allclose(alone[:, 1:], together[:, 1:], rtol=1e-4, atol=1e-5)


def test_a_longer_neighbour_in_the_batch_changes_nothing(model, world):
    histories = world[0]
    short = histories.take(np.array([3])).last(2)
    long = histories.take(np.array([4]))
    both = replace(
        short,
        users=[*short.users, *long.users],
        offsets=np.array([0, 2, 2 + len(long.items)]),
        **{k: np.concatenate([getattr(short, k), getattr(long, k)]) for k in ("items", "times", "kinds")},
    )
    np.testing.assert_allclose(model.score(both)[0, 1:], model.score(short)[0, 1:], rtol=1e-4, atol=1e-5)


def test_an_empty_history_and_a_stranger_get_an_answer(model, world):
    histories, catalog, _ = world
    for someone in (newcomer(histories), stranger(histories)):
        assert np.isfinite(model.score(someone)[:, 1:]).all()
        assert len(recommend(model, someone, catalog, k=3)[0]) == 3


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_scores(name, world):
    histories, catalog, _ = world
    first, second = (make(name).fit(histories, catalog).score(histories) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["Transformer", "Transitions"])
def test_a_model_of_sequences_learns_the_carousel(name, world):
    histories, catalog, _ = world
    scores = make(name).fit(histories, catalog).score(histories)
    last = histories.items[histories.offsets[1:] - 1]
    following = np.where(last == len(catalog) - 1, 1, last + 1)
    if name == "Transitions":  # pairs further apart vote as well: the answer is near the top, not always first
        place = (scores > scores[np.arange(len(last)), following][:, None]).sum(1)
        assert (place <= 2).all()
    else:
        assert (scores.argmax(1) == following).all()


def test_popularity_ranks_by_counts_and_frequency_by_ones_own():
    events = carousel(n_users=1, n_items=3, length=7)[2]  # item 0 three times, 1 and 2 twice
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    for name in ("Popularity", "Personal frequency"):
        best = make(name).fit(histories, catalog).score(histories).argmax()
        assert catalog.ids([best]) == [0]


@pytest.mark.parametrize(
    "name_of",
    [lambda i: i * 7, lambda i: f"SKU-{i}", lambda i: uuid.UUID(int=i + 1)],
    ids=["integer", "text", "uuid"],
)
def test_ids_of_any_type_survive_to_the_recommendation(name_of):
    events = carousel(n_users=10, n_items=5, length=6)[2].to_pandas()
    named = events.assign(
        **{
            ITEM: pd.Series([name_of(i) for i in events[ITEM]], dtype=None),
            USER: pd.Series([name_of(i) for i in events[USER]], dtype=None),
        }
    )
    catalog = build_catalog(named)
    histories = pack(named, catalog)
    listed = recommend(make("Popularity").fit(histories, catalog), histories, catalog, k=5)
    assert set(listed[0]) == {name_of(i) for i in range(5)}
    assert set(histories.users) == {name_of(i) for i in range(10)}
