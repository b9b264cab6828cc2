"""recolab.losses: the memory-saving losses are the textbook's, in value and in gradient."""

import math

import pytest
import torch
from torch.nn import functional as F

from recolab.losses import ROWS, full_cross_entropy, sampled_cross_entropy


def problem(n_positions=7, n_items=11, dim=4, n_targets=13, seed=0):
    rng = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n_positions, dim, generator=rng, dtype=torch.float64, requires_grad=True)
    table = torch.randn(n_items, dim, generator=rng, dtype=torch.float64, requires_grad=True)
    owners = torch.randint(0, n_positions, (n_targets,), generator=rng)
    targets = torch.randint(1, n_items, (n_targets,), generator=rng)
    return hidden, table, owners, targets


def textbook(hidden, table, owners, targets):
    return F.cross_entropy((hidden @ table[1:].T)[owners], targets - 1)


@pytest.mark.parametrize("n_positions", [7, ROWS, 2 * ROWS + 3])
def test_the_full_loss_is_cross_entropy_without_pad_in_value_and_gradient(n_positions):
    inputs = problem(n_positions, n_targets=n_positions + 5)
    ours, theirs = full_cross_entropy(*inputs), textbook(*inputs)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    gradients = (torch.autograd.grad(loss, inputs[:2]) for loss in (ours, theirs))
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-15)


def test_the_full_loss_never_teaches_pad():
    hidden, table, owners, targets = problem()
    (gradient,) = torch.autograd.grad(full_cross_entropy(hidden, table, owners, targets), table)
    assert gradient[0].abs().max() == 0
    assert gradient[1:].abs().min() > 0


def test_the_full_loss_by_hand_on_two_items():
    # Logits 0 and ln 3 give chances 1/4 and 3/4; asked once for each: (ln 4 + ln 4/3) / 2.
    hidden, table = torch.tensor([[1.0]]), torch.tensor([[50.0], [0.0], [math.log(3)]])
    loss = full_cross_entropy(hidden, table, torch.tensor([0, 0]), torch.tensor([1, 2]))
    assert loss.item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2, rel=1e-6)


def test_a_position_that_is_asked_nothing_learns_nothing():
    hidden, table, _, _ = problem()
    loss = full_cross_entropy(hidden, table, torch.tensor([2, 2]), torch.tensor([1, 4]))
    (gradient,) = torch.autograd.grad(loss, hidden)
    assert gradient[2].abs().min() > 0
    assert gradient[[0, 1, 3, 4, 5, 6]].abs().max() == 0


def test_the_log_q_correction_by_hand_on_three_items():
    # Logits ln 2, ln 3, ln 5; the target is item 1; drawn are 2 (expected 1/2 times) and 3 (expected 2 times).
    # Others weigh 3 / (1/2) + 5 / 2 = 17/2, so the loss is -ln(2 / (2 + 17/2)) = ln(21/4).
    table = torch.tensor([[9.0], [math.log(2)], [math.log(3)], [math.log(5)]])
    drawn, log_expected = torch.tensor([2, 3]), torch.tensor([0.5, 2]).log()
    loss = sampled_cross_entropy(torch.ones(1, 1), table, torch.tensor([0]), torch.tensor([1]), drawn, log_expected)
    assert loss.item() == pytest.approx(math.log(21 / 4), rel=1e-6)


def sampled(inputs, chance, n_drawn, rng):
    drawn = torch.multinomial(chance, n_drawn, replacement=True, generator=rng)
    return sampled_cross_entropy(*inputs, drawn, (chance[drawn] * n_drawn).log()).item()


def test_the_sampled_loss_nears_its_limit_as_samples_grow():
    # Draws may hit the target itself, so the limit is ln(1 + Σⱼ exp(logitⱼ - logit_target)), j over all items.
    inputs = problem(n_items=31, n_targets=40)
    hidden, table, owners, targets = inputs
    chance = torch.rand(31, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.1
    chance[0] = 0
    chance /= chance.sum()
    logits = hidden @ table.T
    limit = F.softplus(logits[:, 1:].logsumexp(1)[owners] - logits[owners, targets]).mean().item()
    rng = torch.Generator().manual_seed(2)
    error = {n: abs(sum(sampled(inputs, chance, n, rng) for _ in range(200)) / 200 - limit) for n in (4, 64, 4096)}
    assert error[4] > 3 * error[64] > 9 * error[4096]
    assert error[4096] < 1e-3 * limit


def test_the_sampled_loss_over_many_items_nears_the_full_one():
    # Among many like items no single one holds much of the total, so a target counted twice hardly shows.
    hidden, table, owners, targets = problem(n_items=3001, n_targets=40)
    inputs = (0.1 * hidden, table, owners, targets)
    chance = torch.full((3001,), 1 / 3000, dtype=torch.float64)
    chance[0] = 0
    rng = torch.Generator().manual_seed(3)
    loss = sum(sampled(inputs, chance, 3000, rng) for _ in range(50)) / 50
    full = full_cross_entropy(*inputs).item()
    assert loss == pytest.approx(full, rel=1e-3)
    uncorrected = sampled_cross_entropy(*inputs, torch.arange(1, 301), torch.zeros(300)).item()
    assert abs(uncorrected - full) > 1


def closed_at(n_positions, n_items, seed=1):
    """Up to three rows closed at each position, PAD where there are fewer."""
    return torch.randint(0, n_items, (n_positions, 3), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_positions", [7, 2 * ROWS + 3])
def test_what_is_closed_at_a_position_is_no_answer_there_in_value_and_gradient(n_positions):
    hidden, table, owners, targets = problem(n_positions)
    closed = closed_at(n_positions, len(table))
    for m, target in enumerate(targets):  # what is asked for is open
        closed[owners[m], closed[owners[m]] == target] = 0
    logits = hidden @ table.T
    is_closed = torch.zeros(logits.shape, dtype=torch.bool).scatter(1, closed, True)
    is_closed[:, 0] = True
    theirs = F.cross_entropy(logits.masked_fill(is_closed, -torch.inf)[owners], targets)
    ours = full_cross_entropy(hidden, table, owners, targets, closed)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    gradients = (torch.autograd.grad(loss, (hidden, table)) for loss in (ours, theirs))
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-15)


def test_a_closed_item_that_was_drawn_several_times_counts_nowhere():
    hidden, table, owners, targets = problem()
    drawn = torch.tensor([4, 9, 4, 2, 7, 4])
    closed = torch.tensor([[4, 2], [0, 0], [9, 0], [4, 0], [8, 0], [7, 9], [0, 4]])
    zero = torch.zeros(len(drawn), dtype=torch.float64)
    logits = (hidden @ table[drawn].T).masked_fill((drawn[:, None] == closed[:, None]).any(2), -torch.inf)
    beside = torch.cat([(hidden[owners] * table[targets]).sum(1, keepdim=True), logits[owners]], 1)
    expected = F.cross_entropy(beside, torch.zeros(len(owners), dtype=torch.long))
    ours = sampled_cross_entropy(hidden, table, owners, targets, drawn, zero, closed)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=0)
    for mine, its in zip(*(torch.autograd.grad(x, (hidden, table)) for x in (ours, expected)), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-15)
