"""recolab.models.convolutional: filters against PyTorch's Conv1d, reach worked by hand, and Caser against a slow loop."""

import pytest
import torch
from torch.nn import functional as F

from recolab.models.convolutional import (
    CaserConfig,
    CaserEncoder,
    CausalConvolution,
    DilatedBlock,
    DilatedEncoder,
    NextItNetConfig,
)

CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def laid_out(*lengths, width, dim=6):
    """Random visits to the right, random junk in the padding: x, is_visit, ages."""
    torch.manual_seed(1)
    is_visit = torch.arange(width) >= width - torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), width, dim), is_visit, torch.rand(len(lengths), width)


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (3, 1), (3, 4), (3, 9), (3, 40)])
def test_a_causal_convolution_is_pytorch_s_over_zeros_before_the_first_visit(kernel, dilation):
    torch.manual_seed(0)
    ours, x = CausalConvolution(4, 5, kernel, dilation), torch.randn(2, 9, 4)
    weight = ours.filters.weight.view(5, kernel, 4).transpose(1, 2)
    zeros_first = F.pad(x.transpose(1, 2), ((kernel - 1) * dilation, 0))
    theirs = F.conv1d(zeros_first, weight, ours.filters.bias, dilation=dilation).transpose(1, 2)
    torch.testing.assert_close(ours(x), theirs, **CLOSE)


def test_a_causal_convolution_by_hand_on_one_number_a_visit():
    # 100 times the visit two steps back, 10 times the one before, and the visit itself.
    convolution = CausalConvolution(1, 1, 3)
    with torch.no_grad():
        convolution.filters.weight.copy_(torch.tensor([[100.0, 10, 1]]))
        convolution.filters.bias.zero_()
    assert convolution(torch.tensor([[[1.0], [2], [3], [4]]])).flatten().tolist() == [1, 12, 123, 234]


def test_a_tower_that_reaches_further_back_than_there_is_memory_costs_no_more_than_the_history(monkeypatch):
    x, is_visit, ages = laid_out(5, 3, width=5)
    encoder, made = DilatedEncoder(NextItNetConfig(dim=6, n_blocks=20)), []
    pad = F.pad
    monkeypatch.setattr(F, "pad", lambda x, by: made.append(by[2]) or pad(x, by))
    assert encoder(x, is_visit, ages).isfinite().all()
    assert max(made) == 2 * 5


def test_a_block_adds_what_two_convolutions_find_to_what_was_known():
    torch.manual_seed(0)
    block, x = DilatedBlock(4, 3, 2, dropout=0.0), torch.randn(1, 9, 4)
    assert [(part.kernel, part.dilation) for part in (block.near, block.far)] == [(3, 2), (3, 4)]
    found = F.layer_norm(block.far(F.layer_norm(block.near(x), (4,)).relu()), (4,)).relu()
    torch.testing.assert_close(block(x, torch.ones(1, 9, 1, dtype=torch.bool)), x + found, **CLOSE)


@pytest.mark.parametrize(("n_blocks", "kernel", "reach"), [(1, 3, 7), (2, 3, 31), (2, 2, 16)])
def test_the_tower_reads_as_far_back_as_its_dilations_sum_to(n_blocks, kernel, reach):
    # By hand: kernel 3 reads 2 steps back at dilations 1 + 2, so 6 and itself; two blocks 2 (1 + 2 + 4 + 8) and itself.
    torch.manual_seed(0)
    tower = DilatedEncoder(NextItNetConfig(dim=16, n_blocks=n_blocks, kernel=kernel)).eval()
    x, is_visit, ages = laid_out(40, width=40, dim=16)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(tower(x, is_visit, ages)[0, 35].sum(), x)
    read = gradient[0].abs().amax(1).nonzero().flatten()
    assert read.max() == 35
    assert read.min() == 35 - reach + 1


def test_the_padding_of_the_tower_is_empty_after_every_block():
    torch.manual_seed(0)
    tower = DilatedEncoder(NextItNetConfig(dim=6, n_blocks=2)).eval()
    for part in tower.parameters():
        torch.nn.init.normal_(part)  # biases of 0 would hide what they do
    x, is_visit, ages = laid_out(9, 4, width=9)
    after = []
    for block in tower.blocks:
        block.register_forward_hook(lambda _, __, out: after.append(out))
        block.far.register_forward_pre_hook(lambda _, inputs: after.append(inputs[0]))
    tower(x, is_visit, ages)
    assert len(after) == 4
    for out in after:
        assert out[~is_visit].abs().max() == 0
        assert out[is_visit].abs().amax(1).min() > 0


def slow_caser(encoder, history, config):
    """Caser position by position, filter by filter, place by place: history (T, D) -> (T, D)."""
    L, D = config.reach, config.dim
    answers = []
    for t in range(len(history)):
        picture = torch.zeros(L, D)
        seen = history[max(0, t + 1 - L) : t + 1]
        picture[L - len(seen) :] = seen
        found = []
        for height, filters in enumerate(encoder.horizontal, 1):
            for weight, bias in zip(filters.filters.weight, filters.filters.bias, strict=True):
                places = [picture[i : i + height] for i in range(L - height + 1)]
                found.append(max((weight.view(height, D) * place).sum() + bias for place in places).relu())
        for d in range(D):
            found += [sum(weight[i] * picture[i, d] for i in range(L)) for weight in encoder.vertical.weight]
        answers.append(encoder.join(torch.stack(found)).relu())
    return torch.stack(answers)


@pytest.mark.parametrize("reach", [1, 3, 6])
def test_caser_is_the_slow_loop_of_the_paper_on_every_history_alone(reach):
    torch.manual_seed(0)
    config = CaserConfig(dim=5, reach=reach, n_horizontal=3, n_vertical=2)
    encoder = CaserEncoder(config).eval()
    x, is_visit, ages = laid_out(8, 3, 1, width=8, dim=5)
    states = encoder(x, is_visit, ages)
    for b, length in enumerate((8, 3, 1)):
        torch.testing.assert_close(states[b, -length:], slow_caser(encoder, x[b, -length:], config), **CLOSE)


def test_caser_reads_its_reach_and_no_visit_more():
    torch.manual_seed(0)
    encoder = CaserEncoder(CaserConfig(dim=16, reach=4)).eval()
    x, is_visit, ages = laid_out(9, width=9, dim=16)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(x, is_visit, ages)[0, 7].sum(), x)
    assert gradient[0].abs().amax(1).nonzero().flatten().tolist() == [4, 5, 6, 7]
