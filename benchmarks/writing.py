"""Is a list written item by item better than the best single items? Greedy and beam against the one-step top-k, three seeds.

python -m benchmarks.writing    # after `make report`; a quarter of an hour, on Complete Journey's validation cut
"""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from benchmarks.grounds import drawn
from benchmarks.stamped import write_table
from recolab.evaluation import compare, judge
from recolab.folds import Fold, load_fold
from recolab.lab import DEFAULT_RUN, open_lab
from recolab.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig, Written
from recolab.models.transformer import Transformer
from recolab.training import TrainConfig

SEEDS = (7, 8, 9)
EPOCHS = 5
ASKED = 700  # shoppers of each question
ONE_STEP = "one step: the ten likeliest first items"


def measure(fold: Fold, seed: int) -> pl.DataFrame:
    """Learn to write and, for comparison, to foresee the next visit only; judge the lists of both questions."""
    past, training = fold.histories.take(drawn(len(fold.histories))), TrainConfig(EPOCHS, seed=seed, progress=False)
    writer = EncoderDecoder(EncoderDecoderConfig(), training, ONE_STEP).fit(past, fold.catalog)
    reader = Transformer(training=training, name="Transformer, as many epochs").fit(past, fold.catalog)
    tables = []
    for repeats in (True, False):
        task = fold.task(allow_repeats=repeats).sample(ASKED, np.random.default_rng(0))
        greedy, beam = (
            Written(writer, beam=beam, allow_repeats=repeats, name=name)
            for beam, name in ((1, "written, greedy"), (4, "written, beam of 4"))
        )
        judged = judge([writer, greedy, beam, reader], task)
        tables.append(judged.with_columns(task=pl.lit(task.name), seed=pl.lit(seed)))
    return pl.concat(tables)


def main() -> None:
    """Measure, print one JSON line per way of listing, and write the table that notebook 07 shows."""
    fold = load_fold(open_lab(SEEDS[0], DEFAULT_RUN).artefact("fold_0"))
    judged, rows = pl.concat([measure(fold, seed) for seed in SEEDS]), []
    for (task, name), one in judged.group_by("task", "model", maintain_order=True):
        here = judged.filter(pl.col("task") == task)
        against = compare(here, str(name), ONE_STEP, np.random.default_rng(0)) if name != ONE_STEP else {}
        row = {"task": task, "list": name, "ndcg@10": one["ndcg@10"].mean(), "recall@10": one["recall@10"].mean()}
        rows.append(row | {key: against.get(key) for key in ("lift", "low", "high")} | {"users": ASKED})
        figure = {"benchmark": "writing", "case": task, "system": name, "value": round(row["ndcg@10"], 4)}
        print(json.dumps(figure | {"unit": "ndcg@10", "peer": None, "ratio": None}), flush=True)
    write_table("writing", pl.DataFrame(rows))


if __name__ == "__main__":
    main()
