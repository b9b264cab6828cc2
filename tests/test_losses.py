import math

import torch
from torch.nn import functional as F

from recolab.losses import full_cross_entropy, sampled_cross_entropy


def case():
    torch.manual_seed(0)
    hidden = torch.randn(700, 6, dtype=torch.float64, requires_grad=True)
    table = torch.randn(40, 6, dtype=torch.float64, requires_grad=True)
    owners = torch.arange(700).repeat_interleave(2)
    targets = torch.randint(1, 40, (1400,))
    return hidden, table, owners, targets


def test_the_full_loss_and_its_gradient_agree_with_torch():
    hidden, table, owners, targets = case()
    ours = full_cross_entropy(hidden, table, owners, targets)
    theirs = F.cross_entropy(hidden[owners] @ table[1:].T, targets - 1)
    torch.testing.assert_close(ours, theirs)
    for mine, oracle in zip(
        torch.autograd.grad(ours, (hidden, table)), torch.autograd.grad(theirs, (hidden, table)), strict=True
    ):
        torch.testing.assert_close(mine, oracle)


def test_padding_is_no_answer():
    hidden, table, owners, targets = case()
    before = full_cross_entropy(hidden, table, owners, targets)
    with torch.no_grad():
        table[0] += 100
    torch.testing.assert_close(full_cross_entropy(hidden, table, owners, targets), before)


def test_the_sampled_loss_by_hand():
    hidden, table = torch.tensor([[1.0]]), torch.tensor([[0.0], [2.0], [1.0], [3.0]])
    one, none = torch.tensor([0]), torch.tensor([2, 3])
    expected = torch.tensor([0.5, 2.0])
    loss = sampled_cross_entropy(hidden, table, one, torch.tensor([1]), none, expected.log())
    others = math.exp(1) / 0.5 + math.exp(3) / 2.0
    torch.testing.assert_close(loss.item(), math.log(1 + others / math.exp(2)), rtol=1e-6, atol=1e-6)


def test_the_sample_stands_for_the_whole_catalog_however_it_is_drawn():
    hidden, table, owners, targets = case()
    chance = torch.rand(40, dtype=torch.float64) + 0.2
    chance[0] = 0
    chance /= chance.sum()
    drawn = torch.multinomial(chance, 200_000, replacement=True)
    sampled = sampled_cross_entropy(hidden, table, owners, targets, drawn, (chance[drawn] * len(drawn)).log())
    full_plus_target = F.softplus(
        (hidden[owners] @ table[1:].T).logsumexp(1) - (hidden[owners] * table[targets]).sum(1)
    )
    torch.testing.assert_close(sampled, full_plus_target.mean(), rtol=0.01, atol=0)
