"""recolab.losses: the memory-saving losses are the textbook's, in value and in gradient."""

import math

import pytest
import torch
from torch.nn import functional as F

from recolab.losses import (
    ROWS,
    binary_cross_entropy,
    bpr_max,
    catalog_loss,
    full_cross_entropy,
    one_pass,
    sampled_cross_entropy,
    softmax,
    top1_max,
)


def problem(n_positions=7, n_items=11, dim=4, n_targets=13, seed=0):
    rng = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n_positions, dim, generator=rng, dtype=torch.float64, requires_grad=True)
    table = torch.randn(n_items, dim, generator=rng, dtype=torch.float64, requires_grad=True)
    owners = torch.randint(0, n_positions, (n_targets,), generator=rng)
    targets = torch.randint(1, n_items, (n_targets,), generator=rng)
    return hidden, table, owners, targets


def textbook(hidden, table, owners, targets):
    return F.cross_entropy((hidden @ table[1:].T)[owners], targets - 1)


@pytest.fixture(params=["at once", "in tiles", "item by item"])
def tiling(request, monkeypatch):
    """A catalog in one tile, as small ones are, or blocks of ROWS positions in tiles of some items, or of one."""
    if request.param != "at once":
        monkeypatch.setattr(one_pass, "CELLS", 1)
        monkeypatch.setattr(one_pass, "TILE", 4 * ROWS if request.param == "in tiles" else 1)


@pytest.mark.usefixtures("tiling")
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


@pytest.mark.parametrize(
    ("n_positions", "n_items", "at_once"),
    [(512, 10**6, 128), (512, 18_358, 256), (2048, 12_102, 683), (512, 9, 512), (0, 9, 128)],
)
def test_a_block_has_as_many_positions_as_its_logits_have_room_for(n_positions, n_items, at_once):
    assert one_pass.rows_at_once(n_positions, n_items) == at_once


def test_a_tile_has_as_many_items_as_its_logits_have_room_for():
    tiles = one_pass.tiles_of(torch.ones(256, 1), torch.arange(5000.0)[:, None])
    assert [tile.shape for tile in tiles] == [(256, 2048), (256, 2048), (256, 904)]
    assert torch.equal(torch.cat(tiles, 1)[3], torch.arange(5000.0))


def test_products_fill_a_table_whatever_its_size():
    for n_rows, n_items in ((256, 5000), (0, 7), (1, 1)):
        rows, items = torch.randn(n_rows, 3), torch.randn(n_items, 3)
        scores = torch.full((n_rows, n_items), torch.nan)
        one_pass.fill_with_products(scores, rows, items)
        torch.testing.assert_close(scores, rows @ items.T)


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


# Pairwise losses


def scores(n_targets=6, n_drawn=4, scale=2.0, seed=5):
    rng = torch.Generator().manual_seed(seed)
    wanted = scale * torch.randn(n_targets, generator=rng, dtype=torch.float64)
    drawn = scale * torch.randn(n_targets, n_drawn, generator=rng, dtype=torch.float64)
    return wanted.requires_grad_(), drawn.requires_grad_()


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_binary_cross_entropy_by_hand():
    # Each target has one drawn item of its own, in turn: the first of the first, the second of the second, the first again.
    wanted, drawn = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([[3.0, 9.0], [9.0, -1.0], [0.0, 9.0]])
    yes = [math.log(sigmoid(0)), math.log(sigmoid(1)), math.log(sigmoid(2))]
    no = [math.log(1 - sigmoid(3)), math.log(1 - sigmoid(-1)), math.log(1 - sigmoid(0))]
    assert binary_cross_entropy(wanted, drawn).item() == pytest.approx(-sum(yes + no) / 3, rel=1e-5)


def test_binary_cross_entropy_is_pytorch_s_on_both_halves():
    wanted, drawn = scores()
    one = torch.stack([drawn[m, m % 4] for m in range(6)])
    ask = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(
        binary_cross_entropy(wanted, drawn), ask(wanted, torch.ones(6).double()) + ask(one, torch.zeros(6).double())
    )


def test_bpr_max_by_hand_on_two_drawn_items():
    # Scores 0 and ln 3 share 1/4 and 3/4; the target stands at ln 3: above is σ(ln 3) / 4 + 3 σ(0) / 4 = 3/16 + 3/8.
    wanted, drawn = torch.tensor([math.log(3)]), torch.tensor([[0.0, math.log(3)]])
    assert bpr_max(wanted, drawn, penalty=0).item() == pytest.approx(-math.log(9 / 16), rel=1e-5)
    expected = -math.log(9 / 16) + 2 * 3 / 4 * math.log(3) ** 2
    assert bpr_max(wanted, drawn, penalty=2).item() == pytest.approx(expected, rel=1e-5)


def test_bpr_max_leaves_high_scores_alone_unless_it_is_told():
    wanted, drawn = scores()
    assert bpr_max(wanted, drawn).item() == bpr_max(wanted, drawn, penalty=0).item()


def test_top1_max_by_hand_on_two_drawn_items():
    wanted, drawn = torch.tensor([math.log(3)]), torch.tensor([[0.0, math.log(3)]])
    expected = (1 / 4 + 1 / 2) / 4 + 3 * (1 / 2 + sigmoid(math.log(3) ** 2)) / 4
    assert top1_max(wanted, drawn).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("penalty", [None, 0, 1])
def test_a_loss_of_maxima_is_the_loop_that_the_paper_prints(penalty):
    wanted, drawn = scores()
    total = 0.0
    for w, row in zip(wanted.tolist(), drawn.tolist(), strict=True):
        share = [math.exp(d) / sum(math.exp(e) for e in row) for d in row]
        pairs = list(zip(share, row, strict=True))
        if penalty is None:
            total += sum(s * (sigmoid(d - w) + sigmoid(d**2)) for s, d in pairs)
        else:
            total -= math.log(sum(s * sigmoid(w - d) for s, d in pairs)) - penalty * sum(s * d**2 for s, d in pairs)
    loss = top1_max(wanted, drawn) if penalty is None else bpr_max(wanted, drawn, penalty)
    assert loss.item() == pytest.approx(total / 6, rel=1e-12)


@pytest.mark.parametrize("loss", [binary_cross_entropy, bpr_max, top1_max])
def test_to_lift_the_target_is_to_lower_a_pairwise_loss(loss):
    wanted, drawn = scores()
    (gradient,) = torch.autograd.grad(loss(wanted, drawn), wanted)
    assert (gradient < 0).all()


def test_bpr_max_still_lifts_a_target_that_stands_far_below():
    wanted, drawn = torch.tensor([-60.0], requires_grad=True), torch.tensor([[60.0, 59.0]])
    loss = bpr_max(wanted, drawn, penalty=0)
    (gradient,) = torch.autograd.grad(loss, wanted)
    assert loss.item() == pytest.approx(120, abs=1)
    assert gradient.item() == pytest.approx(-1, abs=1e-4)


# The choice


def test_without_draws_the_choice_is_the_full_softmax():
    assert catalog_loss("softmax", torch.ones(11), 0) is full_cross_entropy


@pytest.mark.parametrize(("name", "n_drawn"), [("hinge", 5), ("hinge", 0), ("bce", 0), ("bpr_max", 0), ("top1_max", 0)])
def test_an_unknown_loss_and_a_pairwise_one_without_draws_are_refused(name, n_drawn):
    with pytest.raises(ValueError, match=rf"loss '{name}' with {n_drawn} negatives: use softmax, or .*bpr_max"):
        catalog_loss(name, torch.ones(11), n_drawn)


@pytest.mark.parametrize("name", ["softmax", "bce", "bpr_max", "top1_max"])
def test_pad_is_never_drawn_even_where_it_was_sold(name):
    hidden, table, owners, targets = problem()
    sold = torch.zeros(11)
    sold[0] = 1e6
    torch.manual_seed(0)
    (gradient,) = torch.autograd.grad(catalog_loss(name, sold, 500)(hidden, table, owners, targets), table)
    assert gradient[0].abs().max() == 0
    assert gradient[1:].abs().amax(1).min() > 0


@pytest.mark.parametrize(
    ("name", "loss"), [("bce", binary_cross_entropy), ("bpr_max", bpr_max), ("top1_max", top1_max)]
)
def test_a_pairwise_loss_scores_each_target_against_what_was_drawn_but_not_against_itself(name, loss, monkeypatch):
    hidden, table, owners, targets = problem(n_targets=3)
    others = [j for j in range(1, 11) if j not in targets]
    monkeypatch.setattr(torch, "multinomial", lambda *_, **__: torch.tensor(others))
    ours = catalog_loss(name, torch.ones(11), len(others))(hidden, table, owners, targets)
    wanted, drawn = (hidden[owners] * table[targets]).sum(1), hidden[owners] @ table[others].T
    torch.testing.assert_close(ours, loss(wanted, drawn))
    if name != "bce":  # there a place in the row decides who is judged
        one = problem(n_targets=1)
        monkeypatch.setattr(torch, "multinomial", lambda *_, **__: torch.cat([torch.tensor(others), one[3]]))
        with_itself = catalog_loss(name, torch.ones(11), 9)(*one)
        monkeypatch.setattr(torch, "multinomial", lambda *_, **__: torch.tensor(others))
        torch.testing.assert_close(with_itself, catalog_loss(name, torch.ones(11), 9)(*one))


def closed_at(n_positions, n_items, seed=1):
    """Up to three rows closed at each position, PAD where there are fewer."""
    return torch.randint(0, n_items, (n_positions, 3), generator=torch.Generator().manual_seed(seed))


@pytest.mark.usefixtures("tiling")
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


@pytest.mark.parametrize("ask", [full_cross_entropy, catalog_loss("softmax", torch.ones(11), 5)])
def test_a_target_that_is_closed_and_a_question_for_nothing_are_refused(ask):
    hidden, table, owners, targets = problem()
    closed = torch.zeros(7, 2, dtype=torch.long)
    closed[owners[3], 1] = targets[3]
    shut = int(((owners == owners[3]) & (targets == targets[3])).sum())
    with pytest.raises(ValueError, match=f"{shut} of 13 targets are closed at their own position"):
        ask(hidden, table, owners, targets, closed)
    with pytest.raises(ValueError, match="no target is asked for"):
        ask(hidden, table, owners[:0], targets[:0])


def test_a_position_where_all_is_closed_and_nothing_is_asked_is_as_if_it_were_not_there():
    hidden, table, _, _ = problem()
    closed = torch.zeros(7, 10, dtype=torch.long)
    closed[3] = torch.arange(1, 11)
    asked = torch.tensor([2, 4]), torch.tensor([1, 9])
    ours, theirs = full_cross_entropy(hidden, table, *asked, closed), full_cross_entropy(hidden, table, *asked)
    torch.testing.assert_close(ours, theirs)
    for mine, its in zip(*(torch.autograd.grad(x, (hidden, table)) for x in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, its)


def test_the_full_loss_is_computed_in_the_table_s_precision_where_the_rest_is_not():
    hidden, table, owners, targets = (x.detach().float() if x.is_floating_point() else x for x in problem())
    table.requires_grad_()
    rough = hidden.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = full_cross_entropy(rough, table, owners, targets)
    expected = textbook(rough.detach().float(), table, owners, targets)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    (its,) = torch.autograd.grad(expected, table)
    torch.testing.assert_close(table.grad, its)
    assert rough.grad.dtype == torch.bfloat16


def test_a_second_gradient_of_the_full_loss_is_refused_rather_than_wrong():
    hidden, table, owners, targets = problem()
    squared = full_cross_entropy(hidden, table, owners, targets).square()
    (first,) = torch.autograd.grad(squared, hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.square().sum().backward()


@pytest.mark.parametrize(("learns_hidden", "learns_table"), [(True, False), (False, True), (False, False)])
def test_the_full_loss_learns_what_asks_for_it_and_nothing_where_nothing_may(learns_hidden, learns_table):
    hidden, table, owners, targets = problem()
    expected = full_cross_entropy(hidden, table, owners, targets)
    gradients = torch.autograd.grad(expected, (hidden, table))
    hidden, table = hidden.detach().requires_grad_(learns_hidden), table.detach().requires_grad_(learns_table)
    loss = full_cross_entropy(hidden, table, owners, targets)
    assert loss == expected
    assert loss.requires_grad == (learns_hidden or learns_table)
    if loss.requires_grad:
        loss.backward()
    for part, gradient, learns in zip((hidden, table), gradients, (learns_hidden, learns_table), strict=True):
        assert torch.equal(part.grad, gradient) if learns else part.grad is None
    for silence in (torch.no_grad, torch.inference_mode):
        with silence():
            assert full_cross_entropy(hidden, table, owners, targets) == expected


def test_bpr_max_is_not_all_penalty_where_the_target_itself_was_all_that_was_drawn():
    one_item = torch.ones(1, 2), torch.ones(2, 2), torch.tensor([0]), torch.tensor([1])
    assert catalog_loss("bpr_max", torch.tensor([0, 5]), 4)(*one_item).item() == pytest.approx(0, abs=1e-6)


def test_the_layout_in_memory_of_what_is_closed_says_nothing():
    hidden, table, owners, targets = problem()
    drawn, zero = torch.tensor([4, 9, 4, 2]), torch.zeros(4, dtype=torch.float64)
    closed = torch.tensor([[4, 2], [0, 0], [9, 0], [4, 0], [8, 0], [7, 9], [0, 4]])
    open_ones = ~(closed[owners] == targets[:, None]).any(1)
    asked = owners[open_ones], targets[open_ones]
    turned = closed.T.contiguous().T
    first, other = (sampled_cross_entropy(hidden, table, *asked, drawn, zero, c) for c in (closed, turned))
    assert torch.equal(first, other)


@pytest.mark.parametrize("n_positions", [7, 2 * ROWS + 3])
def test_the_sampled_loss_is_the_formula_in_value_and_gradient_however_many_blocks(n_positions, monkeypatch):
    monkeypatch.setattr(softmax, "DRAWN_CELLS", 1)
    hidden, table, owners, targets = problem(n_positions)
    rng = torch.Generator().manual_seed(8)
    drawn = torch.randint(1, len(table), (23,), generator=rng)
    log_expected = torch.randn(23, generator=rng, dtype=torch.float64)
    others = (hidden @ table[drawn].T - log_expected).logsumexp(1)[owners]
    expected = F.softplus(others - (hidden[owners] * table[targets]).sum(1)).mean()
    ours = sampled_cross_entropy(hidden, table, owners, targets, drawn, log_expected)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=0)
    gradients = (torch.autograd.grad(3 * loss, (hidden, table)) for loss in (ours, expected))
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-15)


def test_a_sampled_loss_far_from_its_target_is_still_a_number_with_a_gradient():
    table = torch.tensor([[0.0], [-300.0], [300.0]], requires_grad=True)
    asked = torch.ones(1, 1), table, torch.tensor([0]), torch.tensor([1])
    loss = sampled_cross_entropy(*asked, torch.tensor([2, 2]), torch.zeros(2))
    assert loss.item() == pytest.approx(600 + math.log(2), rel=1e-6)
    (gradient,) = torch.autograd.grad(loss, table)
    assert gradient.flatten().tolist() == pytest.approx([0, -1, 1])


def test_what_is_closed_is_closed_in_every_block_of_the_sampled_loss(monkeypatch):
    monkeypatch.setattr(softmax, "DRAWN_CELLS", 1)
    hidden, table, owners, targets = problem(2 * ROWS + 3, n_targets=300)
    closed = closed_at(len(hidden), len(table))
    open_ones = ~(closed[owners] == targets[:, None]).any(1)
    owners, targets = owners[open_ones], targets[open_ones]
    drawn = torch.randint(1, len(table), (23,), generator=torch.Generator().manual_seed(8))
    logits = (hidden @ table[drawn].T).masked_fill((drawn[:, None] == closed[:, None]).any(2), -torch.inf)
    others = logits.logsumexp(1)[owners]
    expected = F.softplus(others - (hidden[owners] * table[targets]).sum(1)).mean()
    zero = torch.zeros(len(drawn), dtype=torch.float64)
    ours = sampled_cross_entropy(hidden, table, owners, targets, drawn, zero, closed)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=0)
    for mine, its in zip(*(torch.autograd.grad(x, (hidden, table)) for x in (ours, expected)), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-15)


def test_where_all_that_was_drawn_is_closed_there_is_nothing_to_learn():
    table = torch.tensor([[0.0], [-100.0], [1.0]], requires_grad=True)
    asked = torch.ones(1, 1), table, torch.tensor([0]), torch.tensor([1]), torch.tensor([2, 2]), torch.zeros(2)
    loss = sampled_cross_entropy(*asked, torch.tensor([[2]]))
    assert loss.item() == 0
    assert torch.autograd.grad(loss, table)[0].abs().max() == 0


def test_a_comparison_with_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing was drawn"):
        sampled_cross_entropy(*problem(), torch.zeros(0, dtype=torch.long), torch.zeros(0))


def test_the_sampled_loss_too_is_computed_in_the_table_s_precision_where_the_rest_is_not():
    hidden, table, owners, targets = (x.detach().float() if x.is_floating_point() else x for x in problem())
    drawn, zero, rough = torch.tensor([4, 9, 4, 2]), torch.zeros(4), hidden.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = sampled_cross_entropy(rough, table, owners, targets, drawn, zero)
    expected = sampled_cross_entropy(rough.detach().float(), table, owners, targets, drawn, zero)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    loss.square().backward()
    assert rough.grad.dtype == torch.bfloat16


def test_a_second_gradient_of_the_sampled_loss_is_refused_rather_than_wrong():
    drawn, zero = torch.tensor([4, 9]), torch.zeros(2, dtype=torch.float64)
    hidden, *asked = problem()
    (first,) = torch.autograd.grad(
        sampled_cross_entropy(hidden, *asked, drawn, zero).square(), hidden, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.square().sum().backward()
