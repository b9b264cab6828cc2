"""recolab.models.recurrent: PyTorch's own GRU on every history alone, however they lie in the rectangle."""

import warnings

import pytest
import torch

from recolab.models.recurrent import RecurrentConfig, RecurrentEncoder, turned

LENGTHS = (5, 2, 1, 7)


def laid_out(lengths=LENGTHS, width=7, dim=6):
    """Random visits to the right, random junk in the padding: x, is_visit, ages."""
    torch.manual_seed(1)
    is_visit = torch.arange(width) >= width - torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), width, dim), is_visit, torch.rand(len(lengths), width)


@pytest.fixture(params=[1, 2], ids=["one layer", "two layers"])
def encoder(request):
    torch.manual_seed(0)
    return RecurrentEncoder(RecurrentConfig(dim=6, n_layers=request.param, dropout=0.5)).eval()


def test_rows_are_rolled_each_by_its_own_steps():
    x = torch.arange(8.0).view(2, 4, 1)
    right = turned(x, torch.tensor([1, 2]))
    assert right.squeeze(2).tolist() == [[3, 0, 1, 2], [6, 7, 4, 5]]
    assert turned(right, torch.tensor([-1, -2])).equal(x)


def test_every_history_is_read_as_pytorch_reads_it_alone(encoder):
    x, is_visit, ages = laid_out()
    states = encoder(x, is_visit, ages)
    for b, length in enumerate(LENGTHS):
        alone, _ = encoder.gru(x[b : b + 1, -length:])
        torch.testing.assert_close(states[b, -length:], alone[0], rtol=1e-5, atol=1e-6)


def test_the_gradient_is_that_of_every_history_alone_and_none_reaches_the_padding(encoder):
    x, is_visit, ages = laid_out()
    weights = torch.randn(x.shape)
    x.requires_grad_()
    parameters = list(encoder.parameters())
    ours = torch.autograd.grad((encoder(x, is_visit, ages) * weights)[is_visit].sum(), [x, *parameters])
    losses = [(encoder.gru(x[b : b + 1, -n:])[0][0] * weights[b, -n:]).sum() for b, n in enumerate(LENGTHS)]
    for mine, its in zip(ours, torch.autograd.grad(sum(losses), [x, *parameters]), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)
    assert ours[0][~is_visit].abs().max() == 0
    assert ours[0][is_visit].abs().amax(1).min() > 1e-4


def test_a_row_of_padding_alone_is_still_numbers(encoder):
    x, is_visit, ages = laid_out((0, 3), width=3)
    assert encoder(x, is_visit, ages).isfinite().all()


def test_dropout_stands_between_layers_and_one_layer_has_no_between():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        depths = {n: RecurrentEncoder(RecurrentConfig(dim=4, n_layers=n, dropout=0.3)).gru.dropout for n in (1, 2)}
    assert depths == {1: 0.0, 2: 0.3}
