"""Looking every day makes a z-test lie, and leaves a confidence sequence true."""

from __future__ import annotations

import pytest

from recolab.loop.peeking import AT_ANY_TIME, FEWEST, Z_TEST, prove_gate


def declared(table, gate):
    return table.filter(gate=gate)["declared"]


def test_who_peeks_is_fooled_by_the_z_test_and_not_by_the_sequence():
    table = prove_gate()
    assert declared(table, Z_TEST)[0] < 0.06  # a single look keeps its word: half of alpha, for only better is counted
    assert declared(table, Z_TEST)[-1] > 0.15
    assert declared(table, AT_ANY_TIME)[-1] <= 0.025 + 3 * (0.025 * 0.975 / 500) ** 0.5
    for gate in (Z_TEST, AT_ANY_TIME):
        assert (declared(table, gate).diff().drop_nulls() >= 0).all()  # what was said stays said
    assert table["lists"].min() == FEWEST


def test_a_challenger_that_is_better_gets_through_and_a_worse_one_does_not():
    assert declared(prove_gate(0.1), AT_ANY_TIME)[-1] > 0.95
    assert declared(prove_gate(-0.1), AT_ANY_TIME)[-1] == 0


@pytest.mark.parametrize("better", [0.4, -0.4])
def test_a_challenger_cannot_win_oftener_than_there_are_wins(better):
    with pytest.raises(ValueError, match="non-negative"):
        prove_gate(better)
