"""recolab.attention.positions: four ways to say how far back, each worked by hand."""

import pytest
import torch

from recolab.attention import AbsolutePosition, RelativePosition, RotaryPosition, TimeBias


def test_a_reader_of_both_ways_tells_steps_ahead_apart_as_well():
    position = RelativePosition(n_heads=1, max_len=3, ahead=2)
    with torch.no_grad():
        position.bias.copy_(torch.tensor([[-2.0, -1, 0, 1, 2]]))  # each bias says how many steps back it is for
    assert position(4)[0].tolist() == [[0, -1, -2, -2], [1, 0, -1, -2], [2, 1, 0, -1], [2, 2, 1, 0]]


def test_without_steps_ahead_the_future_is_as_now():
    position = RelativePosition(n_heads=1, max_len=2)
    with torch.no_grad():
        position.bias.copy_(torch.tensor([[5.0, 6]]))
    assert position(2)[0].tolist() == [[5, 5], [6, 5]]


def test_an_absolute_position_counts_from_the_first_real_event_so_padding_moves_nothing():
    position = AbsolutePosition(dim=2, max_len=3)
    with torch.no_grad():
        position.vectors.weight.copy_(torch.tensor([[1.0, 10], [2, 20], [3, 30]]))
    alone = position(torch.tensor([[True, True]]))
    assert alone[0].tolist() == [[1, 10], [2, 20]]
    for more in (1, 4):
        padded = position(torch.tensor([[False] * more + [True, True]]))
        assert padded[0, more:].equal(alone[0])
    assert position(torch.ones(1, 5, dtype=torch.bool))[0, :, 0].tolist() == [1, 2, 3, 3, 3]  # no place past the last


def test_a_turn_by_hand_on_two_pairs():
    # Place 1 turns the first pair by 1 radian and the second, with base 100, by 100^(-1/2) = 0.1.
    turned = RotaryPosition(4, base=100)(torch.tensor([[1.0, 0, 0, 1]] * 2))
    assert turned[0].tolist() == [1, 0, 0, 1]
    cos, sin = torch.tensor([1.0, 0.1]).cos(), torch.tensor([1.0, 0.1]).sin()
    torch.testing.assert_close(turned[1], torch.stack([cos[0], sin[0], -sin[1], cos[1]]))


def test_the_fit_of_two_turned_vectors_knows_only_how_far_apart_they_stand():
    torch.manual_seed(0)
    turn = RotaryPosition(8).double()
    query, key = torch.randn(2, 8, dtype=torch.float64)
    fit = turn(query.expand(12, 8)) @ turn(key.expand(12, 8)).T
    for distance in range(-11, 12):
        same = fit.diagonal(distance)
        torch.testing.assert_close(same, same[:1].expand_as(same))
    assert (fit[0, 1:] - fit[0, :-1]).abs().min() > 1e-3  # and it does know that


def test_a_turn_changes_no_length():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 9, 6, dtype=torch.float64)
    turned = RotaryPosition(6).double()(x)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert turned[..., 0, :].equal(x[..., 0, :])
    assert (turned[..., 1:, :] - x[..., 1:, :]).abs().amax(-1).min() > 1e-3


def test_a_head_of_odd_width_has_no_pairs_to_turn():
    with pytest.raises(ValueError, match="a head of width 5 has no pairs to turn: make dim / n_heads even"):
        RotaryPosition(5)


def numbered(n_steps=12):
    """A bias of one head that tells which step it is."""
    bias = TimeBias(1, n_steps)
    with torch.no_grad():
        bias.bias.copy_(torch.arange(float(n_steps)))
    return bias


def test_steps_of_time_begin_at_none_one_two_four_and_eight_days():
    ages = torch.tensor([[8.0, 7, 4, 3, 2, 1, 0]])
    steps = numbered()(ages)[0, 0]
    assert steps[-1].tolist() == [4, 3, 3, 2, 2, 1, 0]
    assert steps[:, -1].equal(steps[-1])  # apart is apart, whoever is asked
    assert steps[2].tolist() == [3, 2, 0, 1, 2, 2, 3]  # the reader stands 4 days back


def test_the_farthest_step_takes_all_that_is_older():
    assert numbered(3)(torch.tensor([[500.0, 0]]))[0, 0, 1].tolist() == [2, 0]


@pytest.mark.parametrize("days", [1, 2, 4, 8, 64])
def test_whole_days_stay_in_their_step_a_quarter_of_an_hour_early_or_late(days):
    on_time = numbered()(torch.tensor([[float(days), 0]]))[0, 0, 1, 0]
    for late in (-0.01, 0.01):
        assert numbered()(torch.tensor([[400.3 + days + late, 400.3]]))[0, 0, 1, 0] == on_time


def test_each_head_and_each_history_has_its_own_biases():
    bias = TimeBias(2, 4)
    with torch.no_grad():
        bias.bias.copy_(torch.tensor([[0.0, 1, 2, 3], [0, 10, 20, 30]]))
    laid_out = bias(torch.tensor([[1.0, 0], [2, 0]]))
    assert laid_out.shape == (2, 2, 2, 2)
    assert laid_out[:, :, 1, 0].tolist() == [[1, 10], [2, 20]]
