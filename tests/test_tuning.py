import time

from recolab.evaluation import make_task
from recolab.histories import build_catalog, pack
from recolab.models.popularity import PersonalFrequency
from recolab.tuning import tune
from tests.worlds import log

# Long ago everybody had item 1 twice; lately once item 2, which is what they want now.
PAST = log([(u, 1, 0) for u in range(6)] + [(u, 1, 1) for u in range(6)] + [(u, 2, 90) for u in range(6)])
CATALOG = build_catalog(PAST)
HISTORIES = pack(PAST, CATALOG)
TASK = make_task(HISTORIES, log([(u, 2, 95) for u in range(6)]), CATALOG, allow_repeats=True, name="next")


def test_a_small_space_is_searched_whole_and_the_best_knob_found():
    best, trials = tune(PersonalFrequency, {"half_life_days": [10, 10_000]}, HISTORIES, [TASK], metric="mrr@10")
    assert best == {"next": {"half_life_days": 10}}
    assert sorted(trials["next"].to_list()) == [0.5, 1.0]


def test_a_large_space_gets_as_many_trials_as_are_paid_for():
    space = {"half_life_days": list(range(1, 200))}
    _, trials = tune(PersonalFrequency, space, HISTORIES, [TASK], trials=4)
    assert len(trials) == 4
    assert trials["half_life_days"][0] == 1  # the first value is the first to be tried


def test_a_model_with_nothing_to_turn_is_tried_once():
    best, trials = tune(PersonalFrequency, {}, HISTORIES, [TASK])
    assert (best, len(trials)) == ({"next": {}}, 1)


def test_when_the_time_is_up_no_other_trial_begins():
    space = {"half_life_days": list(range(1, 200))}
    _, trials = tune(PersonalFrequency, space, HISTORIES, [TASK], trials=50, seconds=0)
    assert len(trials) == 1


def test_what_there_is_time_for_begins_where_the_best_is_expected():
    space = {"half_life_days": [30, 10, 90, 10_000, 1, 5, 7, 20]}
    _, trials = tune(PersonalFrequency, space, HISTORIES, [TASK], trials=8, seconds=0)
    assert trials["half_life_days"].to_list() == [30]
    _, trials = tune(PersonalFrequency, space, HISTORIES, [TASK], trials=8)
    assert trials["half_life_days"].to_list() == space["half_life_days"]


def test_a_trial_that_would_end_too_late_does_not_begin():
    class Slow(PersonalFrequency):
        """A fifth of a second for every fit."""

        def fit(self, histories, catalog):
            time.sleep(0.2)
            return super().fit(histories, catalog)

    space = {"half_life_days": list(range(1, 200))}
    for seconds, least, most in ((0.3, 1, 1), (1.1, 2, 5)):
        _, trials = tune(Slow, space, HISTORIES, [TASK], trials=50, seconds=seconds)
        assert least <= len(trials) <= most
