import math

import pytest
import torch
from torch.nn import functional as F

from recolab.attention import Dropout, SelfAttention


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_it_forgets_its_share_and_keeps_the_mean(share):
    torch.manual_seed(7)
    n = 400_000
    kept = Dropout(share)(torch.ones(n))
    forgotten = (kept == 0).double().mean().item()
    assert abs(forgotten - share) < 4 * math.sqrt(share * (1 - share) / n)  # four standard errors
    assert kept[kept > 0].unique().tolist() == pytest.approx([1 / (1 - share)], rel=1e-4)


def test_each_number_is_forgotten_by_itself():
    torch.manual_seed(7)
    kept = (Dropout(0.5)(torch.ones(100_000, 8)) > 0).double() - 0.5
    for apart in (1, 2, 3, 4, 5, 8):  # four share a draw of 64 bits
        flat = kept.flatten()
        assert abs((flat[apart:] * flat[:-apart]).mean().item() / 0.25) < 4 / math.sqrt(len(flat))
    assert (kept.mean(0).abs() < 4 * 0.5 / math.sqrt(len(kept))).all()  # nor is a place favoured


def test_the_gradient_goes_where_the_number_went():
    torch.manual_seed(7)
    x = torch.randn(33, 7, dtype=torch.float64, requires_grad=True)  # a number of cells that no draw fits
    y = Dropout(0.4)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(y, x * gradient, rtol=1e-12, atol=0)
    assert set(gradient.unique().tolist()) == {0.0, gradient.max().item()}


def test_a_seed_gives_the_same_mask_again_and_another_seed_another():
    def drawn(seed):
        torch.manual_seed(seed)
        return Dropout(0.5)(torch.ones(50))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_without_training_or_without_a_share_all_is_kept():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_precision_stays_what_it_is(dtype):
    assert Dropout(0.5)(torch.ones(9, dtype=dtype)).dtype == dtype


def test_nothing_at_all_stays_nothing():
    assert Dropout(0.5)(torch.ones(0, 4)).shape == (0, 4)


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_share_that_means_nothing_is_refused(share):
    with pytest.raises(ValueError, match="from 0 to below 1"):
        Dropout(share)


def test_attention_that_forgets_reads_on_average_what_attention_that_does_not_reads():
    torch.manual_seed(7)
    attention, x = SelfAttention(8, 2, 0.3).double(), torch.randn(2, 5, 8, dtype=torch.float64)
    bias = torch.zeros(1, 1, 5, 5, dtype=torch.float64).masked_fill(~torch.ones(5, 5).tril().bool(), -torch.inf)
    with torch.no_grad():
        many = attention(x.repeat(4000, 1, 1), bias.expand(8000, 2, 5, 5)).view(4000, 2, 5, 8)
        calm = attention.eval()(x, bias.expand(2, 2, 5, 5))
    error = many.std(0) / math.sqrt(len(many))
    assert ((many.mean(0) - calm).abs() < 5 * error).all()
    assert (many.std(0) > 0.01).all()


def test_the_mask_is_not_drawn_by_torch_s_slow_way(monkeypatch):
    monkeypatch.setattr(F, "dropout", None)  # calling it would fail
    SelfAttention(8, 2, 0.3)(torch.randn(2, 5, 8), torch.zeros(2, 1, 5, 5))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 1 - 1e-9])
def test_of_all_levels_exactly_the_share_is_forgotten_and_the_mean_stays(share, monkeypatch):
    every = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.int64)  # each level once
    monkeypatch.setattr(torch.Tensor, "random_", lambda draws, *_: draws.copy_(every))
    kept = Dropout(share)(torch.ones(2**16, dtype=torch.float64))
    assert int((kept == 0).sum()) == min(round(share * 2**16), 2**16 - 1)
    assert kept.mean().item() == pytest.approx(1, rel=1e-6)
