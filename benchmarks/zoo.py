"""Which architecture? The same loss, loop and number of trials for each, three seeds, two data sets.

python -m benchmarks.zoo complete_journey beauty    # after `make report`; about an hour; goes on where it was stopped
"""

from __future__ import annotations

import json
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
import optuna
import polars as pl

from benchmarks.grounds import GROUNDS, Ground
from benchmarks.kept import folder, kept
from benchmarks.stamped import write_table
from recolab.evaluation import compare, judge, validation_score
from recolab.metrics import bootstrap_interval
from recolab.models.convolutional import Caser, NextItNet
from recolab.models.recurrent import Gru4Rec
from recolab.models.sequential import SequenceModel
from recolab.models.transformer import Transformer
from recolab.training import TrainConfig

SEEDS = (7, 8, 9)
AGAINST = "Transformer"  # whom the others are compared with, user by user
TRIALS = 4
EPOCHS = 8  # at most; the best on validation is kept
LOOK_USERS = 1500  # asked after every epoch
Knobs = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One line of the zoo: an architecture, what makes it this variant, and the one knob of its own that is searched."""

    architecture: type[SequenceModel]
    fixed: Knobs
    own: dict[str, list[Any]]


MODERN: Knobs = {"positions": "rotary", "feed_forward": "swiglu", "gated": True}
ZOO: dict[str, Entry] = {
    "Transformer": Entry(Transformer, {}, {"n_blocks": [2, 1]}),
    "Transformer, gated": Entry(Transformer, MODERN, {"n_blocks": [2, 1]}),
    "BERT4Rec": Entry(Transformer, {"hidden_share": 0.3}, {"n_blocks": [2, 1]}),
    "GRU4Rec": Entry(Gru4Rec, {}, {"n_layers": [1, 2]}),
    "NextItNet": Entry(NextItNet, {}, {"n_blocks": [2, 1]}),
    "Caser": Entry(Caser, {}, {"reach": [5, 9]}),
}
SHARED: dict[str, list[Any]] = {"dropout": [0.2, 0.5], "learning_rate": [5e-3, 2e-3]}


def made(entry: Entry, knobs: Knobs, epochs: int, seed: int) -> SequenceModel:
    """Make a model with knobs of its shape and of its training."""
    knobs = entry.fixed | knobs
    names = {field.name for field in fields(TrainConfig)}
    training = TrainConfig(epochs=epochs, seed=seed, progress=False, **{k: v for k, v in knobs.items() if k in names})
    shape = entry.architecture.Config(**{k: v for k, v in knobs.items() if k not in names})
    return entry.architecture(shape, training)


def search(ground: Ground, name: str, storage: Any) -> tuple[Knobs, int, float]:
    """Try TRIALS settings on validation  ->  the best, the epochs it took, and its score there."""
    entry, few = ZOO[name], ground.few(LOOK_USERS)
    space = SHARED | entry.own
    study = optuna.create_study(
        study_name=f"{ground.name}, {name}",
        storage=storage,
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=SEEDS[0]),
    )
    if not study.trials:
        study.enqueue_trial({knob: values[0] for knob, values in space.items()})

    def worth(trial: optuna.Trial) -> float:
        knobs = {knob: trial.suggest_categorical(knob, values) for knob, values in space.items()}
        model = made(entry, knobs, EPOCHS, SEEDS[0])
        model.fit(ground.past, ground.catalog, validate=lambda so_far: validation_score(so_far, few))
        best = max(model.log, key=lambda row: row["validation"])
        trial.set_user_attr("epochs", int(best["epoch"]))
        return float(best["validation"])

    done = [trial for trial in study.trials if trial.state.is_finished()]
    study.optimize(worth, n_trials=max(TRIALS - len(done), 0))
    return study.best_params, study.best_trial.user_attrs["epochs"], study.best_value


def judged(ground: Ground, name: str, knobs: Knobs, epochs: int, seed: int) -> pl.DataFrame:
    """Learn from all that is known with the chosen settings, and ask the test once: a row for each user, costs beside."""
    model = made(ZOO[name], knobs, epochs, seed)
    model.fit(ground.known, ground.known_catalog)
    cost = {
        "peak memory, GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "encoder parameters": sum(p.numel() for p in model.module.encoder.parameters()),
        "parameters": sum(p.numel() for p in model.module.parameters()),
    }
    model.name = name
    stamp = {"set": ground.name, "seed": seed, "settings": json.dumps(knobs), "epochs": epochs} | cost
    return judge([model], ground.test).with_columns(**{key: pl.lit(value) for key, value in stamp.items()})


def epoch_seconds(ground: Ground, name: str, knobs: Knobs) -> float:
    """Time three epochs on the machine as it is: all architectures in one go, so that their ratios can be trusted."""
    model = made(ZOO[name], knobs, 3, SEEDS[0]).fit(ground.known, ground.known_catalog)
    return float(np.median([line["seconds"] for line in model.log]))


def alone(*case: Any) -> pl.DataFrame:
    """Run one case in a process of its own, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one:
        return one.submit(_work, *case).result()


def _work(place: str, *case: Any) -> pl.DataFrame:
    return judged(GROUNDS[place](), *case)


def summed_up(cases: pl.DataFrame) -> pl.DataFrame:
    """Average over users and seeds, with intervals that resample users, each with all its seeds, and the paired lift."""
    rows = []
    for (place, name), one in cases.group_by("set", "model", maintain_order=True):
        rng, users = np.random.default_rng(0), one.group_by("user").agg(pl.col("ndcg@10", "hr@10").mean())
        low, high = bootstrap_interval(users["ndcg@10"].to_numpy(), rng)
        row = {"set": place, "model": name, "ndcg@10": users["ndcg@10"].mean()}
        row |= {"ndcg@10_low": low, "ndcg@10_high": high, "hr@10": users["hr@10"].mean(), "users": len(users)}
        seeds = one.group_by("seed").agg(pl.col("ndcg@10").mean())["ndcg@10"]
        row |= {"lowest_seed": seeds.min(), "highest_seed": seeds.max()}
        here = cases.filter(pl.col("set") == place)
        row |= {"lift": None, "low": None, "high": None}
        if name != AGAINST:
            against = compare(here, str(name), AGAINST, rng)
            row |= {key: against[key] for key in ("lift", "low", "high")}
        costs = (
            "an epoch, seconds",
            "peak memory, GB",
            "encoder parameters",
            "parameters",
            "epochs",
        )
        rows.append(row | {cost: one[cost].median() for cost in costs} | {"settings": one["settings"][0]})
    training = pl.col("epochs") * pl.col("an epoch, seconds")
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(training.alias("training, seconds"))


def main(places: list[str]) -> None:
    """Search, judge, print one JSON line per case, and write the table that notebook 07 shows."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    here = folder("zoo")
    here.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(here / "studies.log")))
    cases = []
    for place in places:
        ground = GROUNDS[place]()
        for name in ZOO:
            knobs, epochs, score = search(ground, name, storage)
            print(f"{place}, {name}: {score:.4f} with {knobs}, {epochs} epochs", file=sys.stderr, flush=True)
            for seed in SEEDS:
                case = partial(alone, place, name, knobs, epochs, seed)
                cases.append(kept("zoo", f"{place}-{name}-{seed}", case))
                figure = {"benchmark": "zoo", "case": f"{place}, seed {seed}", "system": name}
                figure |= {"value": round(cases[-1]["ndcg@10"].mean(), 4), "unit": "ndcg@10"}  # type: ignore[arg-type]
                print(json.dumps(figure | {"peer": None, "ratio": None}), flush=True)
    table, seconds = pl.concat(cases), []
    for place in places:
        ground = GROUNDS[place]()
        of_place = table.filter(pl.col("set") == ground.name)
        for (name, settings), _ in of_place.group_by("model", "settings", maintain_order=True):
            taken = epoch_seconds(ground, name, json.loads(settings))
            seconds.append({"set": ground.name, "model": name, "an epoch, seconds": taken})
    write_table("zoo", summed_up(table.join(pl.DataFrame(seconds), on=["set", "model"])), replacing="set")


if __name__ == "__main__":
    main(sys.argv[1:] or list(GROUNDS))
