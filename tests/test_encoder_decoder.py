"""recolab.models.encoder_decoder and .writing: what may be seen, what is asked, and how lists are found."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from recolab.evaluation import judge, make_task
from recolab.histories import PAD, Rectangle, all_windows, build_catalog, lay_out, newest_window, pack, visits
from recolab.losses import full_cross_entropy
from recolab.metrics import top_k
from recolab.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig, Reading, Written
from recolab.models.writing import WriteNext, write_best
from recolab.training import TrainConfig
from tests.worlds import carousel, log

CONFIG = EncoderDecoderConfig(
    dim=16,
    n_heads=2,
    n_blocks=1,
    n_decoder_blocks=2,
    max_len=16,
    dropout=0.0,
    negatives=0,
    list_len=4,
    list_share=0.5,
    batch_positions=128,
)


@pytest.fixture(autouse=True)
def read_in_several_batches(monkeypatch):
    """As many as any shop has: the worlds here would fit into one."""
    monkeypatch.setattr("recolab.models.encoder_decoder.READ_POSITIONS", 128)


CLOSE = {"rtol": 1e-5, "atol": 1e-6}  # states are layer-normed: about 1


def quick(epochs=1, config=CONFIG, **settings):
    return EncoderDecoder(config, TrainConfig(epochs=epochs, learning_rate=1e-2, progress=False), **settings)


def roused(model):
    """Give weights that begin at zero something to say."""
    torch.manual_seed(1)
    for weight in (model.module.start, model.module.nothing, model.module.order.bias, model.module.reading.back.bias):
        torch.nn.init.normal_(weight)
    return model


@pytest.fixture(scope="module")
def world():
    """Histories of 1 to 12 visits of one to three items."""
    rng = np.random.default_rng(0)
    rows = [
        (user, int(item), day)
        for user in range(24)
        for day in range(1 + user % 12)
        for item in rng.choice(9, rng.integers(1, 4), replace=False)
    ]
    catalog = build_catalog(log(rows))
    return pack(log(rows), catalog), catalog


@pytest.fixture(scope="module")
def model(world):
    return roused(quick(3).fit(*world))


@pytest.fixture
def three(world, model):
    """Three histories laid out, with two lists each that read up to their second and to their newest visit."""
    histories = world[0].take(np.array([11, 8, 6]))
    window = lay_out(histories, visits(histories), newest_window(visits(histories), 12))
    newest = torch.tensor([[1, 11], [4, 11], [6, 11]])
    written = torch.randint(1, 10, (3, 2, 3), generator=torch.Generator().manual_seed(2))
    return window, newest, written


def states_of(model, window, newest, written):
    return model.module.write(model.module(window), torch.from_numpy(window.is_visit), newest, written)


def visits_of(items):
    """One window: a visit a day, of one item each."""
    n = len(items)
    days = np.arange(n, dtype=np.float32)[None] if n else np.zeros((1, 1), np.float32)
    return Rectangle(np.array(items, np.int64), np.arange(n), np.arange(n), np.full(days.shape, n > 0), days)


def nobody(histories):
    return histories.take(np.array([0, 1])).last(0)


# What may be seen


def test_a_step_cannot_see_what_is_yet_to_be_written(model, three):
    window, newest, written = three
    before = states_of(model, window, newest, written)
    other = written.clone()
    other[:, 0, 1] = other[:, 0, 1] % 9 + 1
    after = states_of(model, window, newest, other)
    torch.testing.assert_close(after[:, 0, :2], before[:, 0, :2], **CLOSE)
    assert (after[:, 0, 2:] - before[:, 0, 2:]).abs().amax(2).min() > 1e-3  # and it does see what is
    torch.testing.assert_close(after[:, 1], before[:, 1], **CLOSE)  # another list is none of its concern


def test_a_list_cannot_see_the_visits_after_its_beginning(model, three):
    window, newest, written = three
    before = states_of(model, window, newest, written)
    window.items[-1] = window.items[-1] % 9 + 1  # of the newest visit of the last history
    after = states_of(model, window, newest, written)
    torch.testing.assert_close(after[2, 0], before[2, 0], **CLOSE)
    assert (after[2, 1] - before[2, 1]).abs().amax(1).min() > 1e-4
    torch.testing.assert_close(after[:2], before[:2], **CLOSE)


def test_a_list_that_reads_nothing_is_the_same_whatever_the_window_holds(model, three):
    window, newest, written = three
    written = written[:1].expand(3, -1, -1)
    states = states_of(model, window, torch.full_like(newest, -1), written)
    torch.testing.assert_close(states, states[:1].expand(3, -1, -1, -1), **CLOSE)
    assert torch.isfinite(states).all()


def test_a_list_prefers_visits_by_how_far_back_they_lie_from_its_beginning_and_may_always_read_nothing():
    reading = Reading(n_heads=1, max_len=3)
    with torch.no_grad():
        reading.back.bias.copy_(torch.tensor([[1.0, 2.0, 3.0]]))
    is_visit = torch.tensor([[False, True, True, True]])
    never = -torch.inf
    assert reading(is_visit, torch.tensor([[3, 2, -1]]))[0, 0].tolist() == [
        [0, never, 3, 2, 1],
        [0, never, 2, 1, never],
        [0, never, never, never, never],
    ]


def test_padding_of_the_history_changes_nothing(world, model, three):
    window, newest, written = three
    together = states_of(model, window, newest, written)
    for b, which in enumerate((11, 8, 6)):
        history = world[0].take(np.array([which]))
        alone = lay_out(history, visits(history), newest_window(visits(history), 12))
        columns = newest[b : b + 1] - (12 - alone.is_visit.shape[1])
        torch.testing.assert_close(
            states_of(model, alone, columns, written[b : b + 1])[0], together[b], rtol=1e-4, atol=1e-5
        )


def test_an_encoder_that_reads_both_ways_is_refused():
    with pytest.raises(ValueError, match="reads what is to be written"):
        EncoderDecoder(replace(CONFIG, hidden_share=0.2))


# What is asked while learning


def asked(rows, objective, seed=0, max_len=16):
    catalog = build_catalog(log(rows))
    histories = pack(log(rows), catalog)
    visited = visits(histories)
    return objective.batch(histories, visited, all_windows(visited, max_len), np.random.default_rng(seed))


def test_a_list_goes_on_into_the_following_visits_and_writes_no_item_twice():
    rows = [("a", 0, 0), ("a", 1, 1), ("a", 1, 2), ("a", 2, 3), ("a", 0, 4)]
    batch = asked(rows, WriteNext(3, share=1.0))
    found = {int(n): row.tolist() for n, row in zip(batch.newest[0], batch.written[0], strict=True)}
    # Rows are 1, 2, 3 for items 0, 1, 2. Nothing follows the fifth visit: a place without a list reads -1 as well.
    assert {n: found[n] for n in range(4)} == {0: [2, 3, 1], 1: [2, 3, 1], 2: [3, 1, 0], 3: [1, 0, 0]}
    lists = [row.tolist() for n, row in zip(batch.newest[0], batch.written[0], strict=True) if n == -1]
    assert sorted(lists) == [[0, 0, 0], [1, 2, 3]]
    steps = batch.steps[batch.owners]
    assert (batch.written.flat[steps] == batch.targets).all()  # visits of one item leave no choice
    assert sorted(batch.steps) == np.flatnonzero(batch.written).tolist()
    for step, closed in zip(batch.steps, batch.closed, strict=True):
        assert closed.tolist() == [*batch.written.reshape(-1, 3)[step // 3][: step % 3], *[PAD] * (3 - step % 3)]


def test_a_visit_is_written_in_full_before_the_next_and_what_came_again_only_once():
    rows = [("a", 0, 0), *[("a", item, 1) for item in (1, 2, 3, 4)], *[("a", item, 2) for item in (1, 5, 6)]]
    for seed in range(5):
        batch = asked(rows, WriteNext(6, share=1.0), seed)
        (written,) = batch.written[batch.newest == 0]
        assert set(written[:4]) == {2, 3, 4, 5}
        assert set(written[4:]) == {6, 7}  # item 1 has been written


def test_the_order_inside_a_visit_is_drawn_anew():
    rows = [("a", 0, 0), *[("a", item, 1) for item in (1, 2, 3)]]
    orders = set()
    for seed in range(60):
        batch = asked(rows, WriteNext(3, share=1.0), seed)
        orders.add(tuple(batch.written[batch.newest == 0][0]))
    assert orders == set(permutations([2, 3, 4]))


def test_nothing_is_read_only_where_a_history_begins():
    rows = [(user, (user + day) % 7, day) for user in range(3) for day in range(9)]
    objective = WriteNext(2, share=1.0)
    batch = asked(rows, objective, max_len=4)  # windows of 1, 4 and 4 visits
    assert batch.newest.max() == 3  # no list reads beyond its window
    begins = batch.windows.is_visit.sum(1) == 1
    row = batch.steps // (batch.written.shape[1] * 2)
    reads = batch.newest.reshape(-1)[batch.steps // 2]
    assert (reads[~begins[row]] >= 0).all()
    assert (reads[begins[row]] == -1).any()


def test_over_the_epochs_a_list_begins_after_every_visit_that_has_a_next_one():
    rows = [("a", day % 5, day) for day in range(8)]
    seen = {n for seed in range(80) for n in asked(rows, WriteNext(2, share=0.25), seed).newest[0].tolist()}
    assert seen == set(range(-1, 7))
    assert asked(rows, WriteNext(2, share=0.25)).newest.shape == (1, 2)
    assert asked(rows, WriteNext(2, share=0.01)).newest.shape == (1, 1)


def test_the_loss_is_the_mean_surprise_of_what_was_written_among_what_could_be(model):
    histories, _, _ = carousel(n_users=5, n_items=9, length=6)
    visited = visits(histories)
    batch = WriteNext(4, 1.0).batch(histories, visited, all_windows(visited, 16), np.random.default_rng(0))
    table = model.module.table.weight
    owners, targets, closed = map(torch.from_numpy, (batch.owners, batch.targets, batch.closed))
    loss = full_cross_entropy(model.module.asked(batch), table, owners, targets, closed)
    surprise = []
    for items in histories.items.reshape(5, 6).tolist():
        for n_read in range(6):
            window = visits_of(items[:n_read])
            newest = torch.tensor([[n_read - 1]])
            for step, item in enumerate(items[n_read : n_read + 4]):
                so_far = items[n_read : n_read + step]
                state = states_of(model, window, newest, torch.tensor(so_far, dtype=torch.long)[None, None])[0, 0, -1]
                scores = (state @ table.T).detach()
                scores[[PAD, *so_far]] = -torch.inf
                surprise.append(-float(scores.log_softmax(0)[item]))
    assert loss.item() == pytest.approx(np.mean(surprise), rel=1e-4)


# How a list is found


def scorer(n_items, seed=0):
    """Scores that depend on all that was written, for any number of lists."""

    def next_scores(written):
        B, C = written.shape[:2]
        out = torch.empty(B, C, n_items)
        for b in range(B):
            for c in range(C):
                digits = [seed, b, *written[b, c].tolist()]
                out[b, c] = torch.from_numpy(np.random.default_rng(digits).normal(0, 2, n_items))
        return out

    return next_scores


def chance_of(rows, b, score, closed):
    """Log-probability of each item of a list after those before it, the slow way."""
    result = []
    for step in range(len(rows)):
        written = torch.zeros(b + 1, 1, step, dtype=torch.long)
        written[b, 0] = torch.tensor(rows[:step])
        scores = score(written)[b, 0]
        still = [i for i in range(len(scores)) if not closed[b, i] and i not in rows[:step]]
        result.append(float(scores[rows[step]] - scores[still].logsumexp(0)))
    return result


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_beam_of_all_beginnings_finds_what_an_exhaustive_search_finds(k):
    score, closed = scorer(6), torch.zeros(4, 6, dtype=torch.bool)
    closed[:, 0] = True
    closed[3, 2] = True
    rows, log_p = write_best(score, closed, k, beam=60)
    for b in range(4):
        shelf = [i for i in range(6) if not closed[b, i]]
        chances = {one: chance_of(one, b, score, closed) for one in permutations(shelf, k)}
        assert sum(np.exp(sum(c)) for c in chances.values()) == pytest.approx(1, rel=1e-5)
        best = max(chances, key=lambda one: sum(chances[one]))
        assert tuple(rows[b].tolist()) == best
        np.testing.assert_allclose(log_p[b], chances[best], rtol=1e-5, atol=1e-6)


def test_a_wider_beam_finds_lists_at_least_as_likely_and_somewhere_a_likelier_one():
    closed = torch.zeros(30, 9, dtype=torch.bool)
    closed[:, 0] = True
    greedy, wide = (write_best(scorer(9), closed, 3, beam)[1].sum(1) for beam in (1, 500))
    assert (wide >= greedy - 1e-5).all()
    assert (wide > greedy + 0.1).any()


def test_a_beam_of_one_is_the_best_next_item_again_and_again(world, model):
    histories = world[0]
    rows, log_p = model.write(histories, 5)
    for b in range(len(histories)):
        history = histories.take(np.array([b]))
        window = lay_out(history, visits(history), newest_window(visits(history), 16))
        so_far = []
        for step in range(5):
            newest = torch.tensor([[window.is_visit.shape[1] - 1]])
            state = states_of(model, window, newest, torch.tensor(so_far, dtype=torch.long)[None, None])[0, 0, -1]
            scores = (state @ model.module.table.weight.T).detach()
            scores[[PAD, *so_far]] = -torch.inf
            so_far.append(int(scores.argmax()))
            assert log_p[b, step] == pytest.approx(float(scores.log_softmax(0).max()), rel=1e-3, abs=1e-4)
        assert rows[b].tolist() == so_far


@pytest.mark.parametrize("beam", [1, 4])
def test_the_chances_of_a_list_are_those_of_reading_it_in_one_pass(world, model, beam):
    histories = world[0].take(np.arange(12))
    rows, log_p = model.write(histories, 6, beam)
    window = lay_out(histories, visits(histories), newest_window(visits(histories), 16))
    states = states_of(model, window, torch.full((12, 1), 11), torch.from_numpy(rows)[:, None, :-1])[:, 0]
    scores = states @ model.module.table.weight.T
    closed = torch.zeros(scores.shape, dtype=torch.bool)
    closed[:, :, PAD] = True
    for step in range(6):
        closed[:, step].scatter_(1, torch.from_numpy(rows[:, :step]), True)
    chances = (
        scores.masked_fill(closed, -torch.inf).log_softmax(2).gather(2, torch.from_numpy(rows)[:, :, None])[..., 0]
    )
    np.testing.assert_allclose(log_p, chances.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("beam", [1, 3])
def test_a_list_has_k_different_items_of_those_that_may_be_written(world, model, beam):
    histories, catalog = world
    everything, _ = model.write(histories, 9, beam)
    assert (np.sort(everything, 1) == np.arange(1, 10)).all()
    forbidden = np.random.default_rng(0).random((len(histories), len(catalog))) < 0.4
    rows, log_p = model.write(histories, 3, beam, forbidden=forbidden)
    assert not np.take_along_axis(forbidden, rows, 1).any()
    assert not forbidden[:, PAD].all()  # the caller's table is left as it was
    assert all(len(set(row)) == 3 for row in rows.tolist())
    assert (rows != PAD).all()
    assert (np.isfinite(log_p) & (log_p <= 1e-6)).all()


def test_the_last_item_that_may_be_written_is_certain(world, model):
    _, log_p = model.write(world[0], 9)
    np.testing.assert_allclose(log_p[:, -1], 0, atol=1e-6)


def test_where_repeats_are_not_allowed_nothing_of_the_history_is_written(world, model):
    histories = world[0].take(np.flatnonzero(world[0].lengths < 5))
    rows, _ = model.write(histories, 3, allow_repeats=False)
    had = histories.matrix(10).toarray() > 0
    assert not np.take_along_axis(had, rows, 1).any()


def test_more_items_than_there_are_is_an_error_that_says_how_many_there_are(world, model):
    histories = world[0]
    with pytest.raises(ValueError, match="a list of 10 is asked for, but somebody may be given 9 items only"):
        model.write(histories, 10)
    with pytest.raises(ValueError, match="a list of 3 is asked for, but somebody may be given 0 items only"):
        model.write(histories, 3, allow_repeats=False)


@pytest.mark.parametrize(("k", "beam"), [(3, 0), (3, -1), (0, 1), (-1, 1)])
def test_a_list_of_nothing_and_a_beam_of_no_beginning_are_refused(world, model, k, beam):
    with pytest.raises(ValueError, match=f"beam = {beam} and k = {k} must be 1 or more"):
        model.write(world[0], k, beam)


def test_without_a_past_there_is_a_list_too(world, model):
    histories = nobody(world[0])
    for beam in (1, 3):
        rows, log_p = model.write(histories, 5, beam)
        assert rows[0].tolist() == rows[1].tolist()
        assert len(set(rows[0].tolist()) - {PAD}) == 5
        assert np.isfinite(log_p).all()
    assert model.write(histories.take(slice(0, 0)), 5)[0].shape == (0, 5)


def test_a_list_without_a_past_reads_what_a_list_at_the_beginning_of_a_history_learned_to_read(world, model, three):
    window, newest, _ = three
    states = states_of(model, window, torch.full_like(newest, -1), torch.zeros(3, 2, 0, dtype=torch.long))
    learned = states[0, 0] @ model.module.table.weight.T
    np.testing.assert_allclose(model.score(nobody(world[0]))[0, 1:], learned[0, 1:].detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("beam", [1, 3])
def test_a_list_is_the_same_alone_and_in_a_batch_of_any_size(world, model, beam):
    histories = world[0]
    rows, log_p = model.write(histories, 4, beam)
    for b in range(12):
        alone, its_log_p = model.write(histories.take(np.array([b])), 4, beam)
        assert alone[0].tolist() == rows[b].tolist()
        np.testing.assert_allclose(its_log_p[0], log_p[b], rtol=1e-4, atol=1e-4)


def test_the_score_is_the_distribution_of_the_first_item(world, model):
    for histories in (world[0], nobody(world[0])):
        scores = torch.from_numpy(model.score(histories)).double()
        rows, log_p = model.write(histories, 1)
        np.testing.assert_array_equal(rows[:, 0], scores.argmax(1))
        np.testing.assert_allclose(log_p[:, 0], scores.log_softmax(1).max(1).values, rtol=1e-4, atol=1e-5)


# The whole model


def test_it_writes_the_next_stations_of_the_carousel_in_order():
    histories, catalog, _ = carousel()
    model = quick(12).fit(histories, catalog)
    last = histories.items[histories.offsets[1:] - 1]
    expected = (last[:, None] + np.arange(4)) % 8 + 1
    for beam in (1, 3):
        rows, log_p = model.write(histories, 4, beam)
        np.testing.assert_array_equal(rows, expected)
        assert log_p.min() > np.log(0.5)


def test_it_writes_baskets_that_belong_together_where_scoring_once_mixes_them():
    # Everybody comes with item 0, then takes either 1, 2, 3 or 4, 5, 6: a list that has begun with one goes on with it.
    rows = [(user, 0, 0) for user in range(60)]
    rows += [(user, 3 * (user % 2) + item, 1) for user in range(60) for item in (1, 2, 3)]
    catalog = build_catalog(log(rows))
    model = quick(30).fit(pack(log(rows), catalog), catalog)
    begun = pack(log([(user, 0, 0) for user in range(4)]), catalog)
    rows, log_p = model.write(begun, 3)
    assert [{2, 3, 4}, {5, 6, 7}].count(set(rows[0].tolist())) == 1
    assert log_p[:, 0].max() < np.log(0.3)  # one of six
    assert log_p[:, 1].min() > np.log(0.4)  # one of two


def test_the_same_seed_writes_the_same_lists(world):
    first, second = (quick().fit(*world).write(world[0], 4, 3) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_what_is_saved_and_loaded_writes_the_same(tmp_path, world, model):
    model.save(tmp_path / "model.safetensors")
    again = EncoderDecoder.load(tmp_path / "model.safetensors")
    for one, other in zip(again.write(world[0], 4, 2), model.write(world[0], 4, 2), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.config == model.config


@pytest.mark.parametrize("negatives", [0, 20])
def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path, world, negatives):
    config = replace(CONFIG, dropout=0.3, negatives=negatives, batch_positions=40)
    whole = quick(3, config).fit(*world)
    epochs = iter([True, False])

    def cut(_):
        if not next(epochs):
            raise KeyboardInterrupt
        return 1.0

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        quick(3, config).fit(*world, cut, path)
    torch.rand(3)  # whatever happened between
    rising = iter([2.0, 3.0])
    resumed = quick(3, config).fit(*world, lambda _: next(rising), path)
    for name, part in whole.module.state_dict().items():
        assert torch.equal(resumed.module.state_dict()[name], part), name
    assert [row["loss"] for row in resumed.log] == [row["loss"] for row in whole.log]


def test_pad_keeps_its_zero_vector_and_every_weight_learns(world):
    for negatives in (0, 20):
        model = quick(1, replace(CONFIG, negatives=negatives))
        start = {name: part.clone() for name, part in model.network(10).state_dict().items()}
        weights = model.fit(*world).module.state_dict()
        assert weights["table.weight"][PAD].abs().max() == 0
        assert not [n for n in start if n != "blank" and torch.equal(weights[n], start[n])]


# Lists as scores


def test_a_list_judged_as_scores_stands_first_and_in_its_order(world, model):
    histories = world[0]
    for beam in (1, 3):
        scores = Written(model, k=4, beam=beam).score(histories)
        np.testing.assert_array_equal(top_k(scores, 4), model.write(histories, 4, beam)[0])
        assert (scores[:, PAD] == -np.inf).all()
        below, once = scores.copy(), model.score(histories)
        np.put_along_axis(below, top_k(scores, 4), -np.inf, 1)
        np.put_along_axis(once, top_k(scores, 4), -np.inf, 1)
        np.testing.assert_array_equal(below, once)


def test_lists_and_scores_of_one_model_are_judged_side_by_side(world, model):
    histories, catalog = world
    future = log([(user, (user * 5) % 9, 20) for user in range(4)])
    for repeats in (True, False):
        task = make_task(histories.take(np.arange(4)), future, catalog, allow_repeats=repeats)
        judged = judge([model, Written(model, k=1, allow_repeats=repeats)], task, k=1)
        once, written = (
            judged.filter(judged["model"] == name)["hr@1"] for name in judged["model"].unique(maintain_order=True)
        )
        assert once.to_list() == written.to_list()  # of one item the list is what the score says
