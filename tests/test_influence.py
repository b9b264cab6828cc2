"""recolab.models.influence: what cannot be read has no share, and what is read sums to one."""

import numpy as np
import pytest

from recolab.models.convolutional import NextItNet, NextItNetConfig
from recolab.models.influence import influence
from recolab.models.recurrent import Gru4Rec, RecurrentConfig
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig
from tests.worlds import carousel

SMALL = {"dim": 16, "max_len": 16, "dropout": 0.3, "negatives": 0}
ONE = TrainConfig(epochs=1, progress=False)


def test_without_a_block_the_answer_hangs_on_the_newest_visit_alone():
    histories, catalog, _ = carousel(n_users=6)
    model = Transformer(TransformerConfig(n_blocks=0, **SMALL), ONE).fit(histories, catalog)
    assert influence(model, histories, 5).tolist() == [1, 0, 0, 0, 0]


def test_a_tower_of_one_block_reads_seven_visits_and_no_more():
    histories, catalog, _ = carousel(n_users=6)
    model = NextItNet(NextItNetConfig(n_blocks=1, kernel=3, **SMALL), ONE).fit(histories, catalog)
    shares = influence(model, histories, 10)
    assert (shares[:7] > 0).all()
    assert (shares[7:] == 0).all()


@pytest.mark.parametrize("hidden_share", [0.0, 0.4])
def test_attention_reads_every_visit_and_the_shares_sum_to_one(hidden_share):
    histories, catalog, _ = carousel(n_users=6)
    model = Transformer(TransformerConfig(hidden_share=hidden_share, **SMALL), ONE).fit(histories, catalog)
    shares = influence(model, histories, 8)
    assert (shares > 0).all()
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_array_equal(influence(model, histories, 8), shares)


def test_a_history_that_is_too_short_is_not_asked():
    histories, catalog, _ = carousel(n_users=6)
    model = Gru4Rec(RecurrentConfig(**SMALL), ONE).fit(histories, catalog)
    mixed = histories.take(np.array([0])).last(3).extend(histories.take(np.array([1, 2])))
    both = influence(model, histories.take(np.array([1, 2])), 6)
    np.testing.assert_allclose(influence(model, mixed, 6), both)
    with pytest.raises(ValueError, match="no history has 13 visits"):
        influence(model, histories, 13)


@pytest.mark.parametrize(("hidden_share", "reads"), [(0.0, 4), (0.4, 3)])
def test_what_a_model_never_reads_is_not_asked_for(hidden_share, reads):
    histories, catalog, _ = carousel(n_users=6)
    config = TransformerConfig(hidden_share=hidden_share, **(SMALL | {"max_len": 4}))
    model = Transformer(config, ONE).fit(histories, catalog)
    assert (influence(model, histories, reads) > 0).all()
    for n_visits in (0, reads + 1, 12):
        with pytest.raises(ValueError, match=f"n_visits = {n_visits} must be from 1 to {reads}, as many as"):
            influence(model, histories, n_visits)


def test_the_blank_at_which_a_reader_of_both_ways_is_asked_has_no_share():
    # The answer is written on the blank itself, so it would outweigh all visits together.
    histories, catalog, _ = carousel(n_users=6)
    model = Transformer(TransformerConfig(hidden_share=0.4, **SMALL), ONE).fit(histories, catalog)
    assert influence(model, histories, 8).max() < 0.5
