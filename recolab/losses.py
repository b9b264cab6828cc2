"""Losses over a catalog: cross-entropy in full or against sampled items, and the pairwise losses of GRU4Rec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

ROWS = 128  # positions whose logits live in a core's cache at once, at least
CELLS = 2**19  # logits at once, where a few items are drawn: short blocks are more calls than work
OUT_OF_REACH = -1e4  # a score whose softmax and sigmoid are exactly 0, and whose square is still a number

LossName = Literal["softmax", "bce", "bpr_max", "top1_max"]


class CatalogLoss(Protocol):
    """A way to ask positions for their targets."""

    def __call__(
        self, hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor, closed: Tensor | None = None, /
    ) -> Tensor:
        """Compare the targets with other items: as in full_cross_entropy -> scalar."""


def full_cross_entropy(
    hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor, closed: Tensor | None = None
) -> Tensor:
    """Ask each position for its targets among all items: mean over targets of log Σⱼ exp(h·eⱼ) - h·e_target.

    hidden: (P, D) positions    table: (N, D), row 0 = PAD    owners, targets: (M,), target m is asked of position owners[m]
    closed: (P, C) rows that are no answer at a position (a list has them already), PAD where there are fewer
    ->  scalar; logits exist for ROWS positions at a time, and the gradient is taken while they do, the first one only
    Raises ValueError where nothing is asked, or something closed.
    """
    _require_open(owners, targets, closed)
    with torch.autocast(hidden.device.type, enabled=False):  # sums over a catalog want more digits than bfloat16 has
        loss: Tensor = FullCrossEntropy.apply(hidden.to(table.dtype), table, owners, targets, closed)  # type: ignore[no-untyped-call]
    return loss


class _InOnePass(torch.autograd.Function):
    """A loss whose forward pass has found the gradients already: to hidden (P, D) and table (N, D), its first two inputs."""

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Hand on what the forward pass found."""
        to_hidden, to_table = ctx.saved_tensors
        return upstream[0] * to_hidden, upstream[0] * to_table, *[None] * (len(ctx.needs_input_grad) - 2)


class FullCrossEntropy(_InOnePass):
    """Loss and gradient in one pass over blocks of rows: nothing of size positions x items is stored or computed twice."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor, closed: Tensor | None
    ) -> Tensor:
        """Sum over blocks of positions; with p = softmax(h Eᵀ) and y the targets, dh = (p - y) E and dE = (p - y)ᵀ h."""
        owners, order = owners.sort(stable=True)
        targets, share = targets[order], 1 / len(targets)
        asked = share * torch.bincount(owners, minlength=len(hidden)).to(hidden.dtype)[:, None]
        loss = -share * _target_logits(hidden, table, owners, targets).sum()
        to_hidden, to_table = torch.empty_like(hidden), torch.zeros_like(table)
        for block, mine in _blocks(owners, len(hidden), ROWS):
            rows, weight = hidden[block], asked[block]
            errors = rows @ table.T  # (ROWS, N): logits, soon p, then p - y
            errors[:, 0] = -torch.inf  # PAD is not an answer
            if closed is not None:
                errors.scatter_(1, closed[block], -torch.inf)
            total, log_total = _exponentials(errors)
            loss += (weight * log_total).sum()
            errors *= weight / total
            answers = owners[mine] - block.start, targets[mine]
            errors.index_put_(answers, errors.new_tensor(-share), accumulate=True)
            to_hidden[block] = errors @ table
            to_table.addmm_(errors.T, rows)
        ctx.save_for_backward(to_hidden, to_table)
        return loss


def sampled_cross_entropy(
    hidden: Tensor,
    table: Tensor,
    owners: Tensor,
    targets: Tensor,
    negatives: Tensor,
    log_expected: Tensor,
    closed: Tensor | None = None,
) -> Tensor:
    """Ask each position for its targets among items sampled for the whole batch, corrected for how often each is drawn.

    hidden, table, owners, targets, closed: as above    negatives: (S,) rows    log_expected: (S,) log of the expected
    number of draws of each (the log-q correction of Bengio & Senécal 2008)  ->  scalar; made in blocks as the full one
    Raises ValueError where nothing is asked or drawn, or something closed is asked.
    """
    _require_open(owners, targets, closed)
    if not len(negatives):
        raise ValueError("nothing was drawn to compare the targets with: draw some, or ask the whole catalog")
    asked = owners, targets, negatives, log_expected.to(table.dtype), closed
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = SampledCrossEntropy.apply(hidden.to(table.dtype), table, *asked)  # type: ignore[no-untyped-call]
    return loss


class SampledCrossEntropy(_InOnePass):
    """Mean of log(1 + Z / exp(h·e_target)), Z = Σⱼ exp(h·eⱼ) / expectedⱼ over the draws; the gradient in the same pass."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        owners: Tensor,
        targets: Tensor,
        negatives: Tensor,
        log_expected: Tensor,
        closed: Tensor | None,
    ) -> Tensor:
        """Sum over blocks of positions; with b = log Z - h·e_target, dh·e_target is -σ(b), and σ(b) falls to the draws by their share of Z."""
        owners, order = owners.sort(stable=True)
        targets = targets[order]
        wanted = _target_logits(hidden, table, owners, targets)  # (M,)
        vectors, to_hidden, behind = table[negatives], torch.empty_like(hidden), torch.empty_like(wanted)
        to_vectors = torch.zeros_like(vectors)
        ordered = None if closed is None else negatives.sort()
        for block, mine in _blocks(owners, len(hidden), max(ROWS, CELLS // len(negatives))):
            rows, at = hidden[block], owners[mine] - block.start
            errors = torch.addmm(
                -log_expected, rows, vectors.T
            )  # (ROWS, S): logits, soon their share of Z, then their gradient
            if closed is not None and ordered is not None:
                _shut(errors, *ordered, closed[block])
            total, log_total = _exponentials(errors)
            log_total.masked_fill_(total < 1, -torch.inf)  # the largest has 1, so here all that was drawn is closed
            behind[mine] = log_total[at, 0] - wanted[mine]
            push = torch.zeros_like(total).index_add_(0, at, behind[mine].sigmoid()[:, None] / len(targets))
            errors *= push / total
            to_hidden[block] = errors @ vectors
            to_vectors.addmm_(errors.T, rows)
        pull = behind.sigmoid()[:, None] / len(targets)
        to_table = torch.zeros_like(table).index_add_(0, negatives, to_vectors)
        to_table.index_add_(0, targets, pull * hidden[owners], alpha=-1)
        ctx.save_for_backward(to_hidden.index_add_(0, owners, pull * table[targets], alpha=-1), to_table)
        return F.softplus(behind).mean()


def binary_cross_entropy(wanted: Tensor, drawn: Tensor) -> Tensor:
    """Judge each target and one drawn item as yes or no, as SASRec did (Kang & McAuley 2018): wanted (M,), drawn (M, S) -> scalar."""
    M, S = drawn.shape
    one = drawn[torch.arange(M), torch.arange(M) % S]  # to each target its own
    return (F.softplus(-wanted) + F.softplus(one)).mean()


def bpr_max(wanted: Tensor, drawn: Tensor, penalty: float = 0.0) -> Tensor:
    """Put the target above the drawn items that stand highest: -log Σⱼ sⱼ σ(w - dⱼ) + penalty Σⱼ sⱼ dⱼ², s = softmax(d).

    wanted: (M,) scores of targets    drawn: (M, S) scores of drawn items    penalty: of high scores; tuned for each set
    in the paper, and 0 is what Beauty's validation chooses here  ->  scalar (Hidasi & Karatzoglou 2018, eq. 10)
    """
    # In logarithms all the way: a target far below would else lose its gradient where the sigmoid is a flat 0.
    log_above = (drawn.log_softmax(1) + F.logsigmoid(wanted[:, None] - drawn)).logsumexp(1)
    held = drawn.masked_fill(drawn == OUT_OF_REACH, 0)  # where nothing else was drawn, it would be all of the loss
    return (penalty * (drawn.softmax(1) * held**2).sum(1) - log_above).mean()


def top1_max(wanted: Tensor, drawn: Tensor) -> Tensor:
    """Push the drawn items that stand highest under the target and towards 0: Σⱼ sⱼ (σ(dⱼ - w) + σ(dⱼ²)), s = softmax(d).

    wanted: (M,) scores of targets    drawn: (M, S) scores of drawn items  ->  scalar (Hidasi & Karatzoglou 2018, eq. 8)
    """
    share = drawn.softmax(1)
    return (share * ((drawn - wanted[:, None]).sigmoid() + (drawn**2).sigmoid())).sum(1).mean()


_PAIRWISE = {"bce": binary_cross_entropy, "bpr_max": bpr_max, "top1_max": top1_max}


def catalog_loss(name: LossName, sold: Tensor, n_drawn: int) -> CatalogLoss:
    """Choose how targets are asked for: against the whole catalog (n_drawn = 0), or against items drawn for the batch.

    sold: (N,) events of each item, row 0 = PAD; draws follow the square root of one more, between what sells and what
    there is  ->  a function of hidden (P, D), table (N, D), owners (M,) and targets (M,) that gives a scalar; softmax
    heeds `closed` too, the pairwise losses do not
    Raises ValueError for a pairwise loss without draws, and for a name that is none of LossName.
    """
    if name != "softmax" and (name not in _PAIRWISE or not n_drawn):
        raise ValueError(
            f"loss {name!r} with {n_drawn} negatives: use softmax, or {list(_PAIRWISE)} with some negatives"
        )
    chance = (sold.double() + 1).sqrt()
    chance[0] = 0  # PAD is never drawn
    chance = chance / chance.sum()

    def sampled(hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor, closed: Tensor | None = None) -> Tensor:
        drawn = torch.multinomial(chance, n_drawn, replacement=True)
        if name == "softmax":
            log_expected = (chance[drawn] * n_drawn).log().float()
            return sampled_cross_entropy(hidden, table, owners, targets, drawn, log_expected, closed)
        # A target drawn as its own negative would be pushed under itself: it stands out of reach instead.
        scores = (hidden @ table[drawn].T)[owners].masked_fill(targets[:, None] == drawn, OUT_OF_REACH)
        return _PAIRWISE[name](_target_logits(hidden, table, owners, targets), scores)

    return sampled if n_drawn else full_cross_entropy


def _require_open(owners: Tensor, targets: Tensor, closed: Tensor | None) -> None:
    if not len(targets):
        raise ValueError("no target is asked for, so there is no mean: leave such a batch out")
    if closed is not None and (shut := int((closed[owners] == targets[:, None]).any(1).sum())):
        raise ValueError(f"{shut} of {len(targets)} targets are closed at their own position: ask for open ones only")


def _target_logits(hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor) -> Tensor:
    return (hidden[owners] * table[targets]).sum(-1)


def _blocks(owners: Tensor, n_positions: int, rows: int) -> Iterator[tuple[slice, slice]]:
    """Go through positions some rows at a time: which they are, and which of the sorted owners (M,) ask them."""
    starts = range(0, n_positions, rows)
    bounds = torch.searchsorted(owners, owners.new_tensor([*starts, n_positions])).tolist()
    for start, first, last in zip(starts, bounds, bounds[1:], strict=False):
        yield slice(start, start + rows), slice(first, last)


def _exponentials(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Turn logits (R, N) in place into exp(logit - the largest)  ->  their sum (R, 1), and the log of Σ exp(logit) (R, 1)."""
    top = logits.amax(1, keepdim=True)
    top = top.masked_fill(top == -torch.inf, 0)  # where all is closed nothing is asked, and no NaN comes of it
    total = logits.sub_(top).exp_().sum(1, keepdim=True).clamp(min=torch.finfo(logits.dtype).tiny)
    return total, total.log() + top


def _shut(drawn: Tensor, ordered: Tensor, place: Tensor, closed: Tensor) -> None:
    """Put at -inf the draws that are closed at a position: drawn (P, S), its items in order and where they stand (S,), closed (P, C)."""
    # In order, the draws of one item lie side by side: two look-ups find them, a fifth of the cost of a (P, N) table.
    closed = closed.contiguous()
    first, last = torch.searchsorted(ordered, closed), torch.searchsorted(ordered, closed, right=True)
    times = (last - first).flatten()
    nth = torch.arange(int(times.sum())) - (times.cumsum(0) - times).repeat_interleave(times)
    columns = place[first.flatten().repeat_interleave(times) + nth]
    rows = torch.arange(closed.numel()).repeat_interleave(times) // closed.size(1)
    drawn.index_put_((rows, columns), drawn.new_tensor(-torch.inf))
