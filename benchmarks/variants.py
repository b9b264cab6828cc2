"""What does each part of the Transformer bring, and which loss suits a GRU? One change at a time, three seeds.

The Transformer on Complete Journey's validation cut; the losses on Beauty's validation, where a visit is one item as in
the papers that made them.

python -m benchmarks.variants    # after `make report`; twenty minutes
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from benchmarks.grounds import GROUNDS
from benchmarks.kept import kept
from benchmarks.stamped import write_table
from benchmarks.zoo import SEEDS, Entry, Ground, made
from recolab.evaluation import compare, judge, validation_score
from recolab.models.recurrent import Gru4Rec
from recolab.models.transformer import Transformer

BASE = "as it stands"
EPOCHS = 5  # at most; the best on validation is kept
LOOK_USERS = 500  # asked after every epoch
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "Transformer": {
        BASE: {},
        "no positions": {"positions": "none"},
        "absolute positions": {"positions": "absolute"},
        "rotary positions": {"positions": "rotary"},
        "time bias": {"time_bias": True},
        "norm after the sum": {"norm": "post"},
        "SwiGLU": {"feed_forward": "swiglu"},
        "gated sums": {"gated": True},
        "hidden visits (BERT4Rec)": {"hidden_share": 0.3},
        "one negative (BCE)": {"loss": "bce", "negatives": 256},  # a basket's many targets, each with all of them
        "cold item table": {"warm_start": False},
    },
    "GRU4Rec": {
        BASE: {},
        "BPR-max": {"loss": "bpr_max"},
        "TOP1-max": {"loss": "top1_max"},
        "one negative (BCE)": {"loss": "bce"},
        "cold item table": {"warm_start": False},
    },
}
ARCHITECTURES = {"Transformer": (Transformer, "complete_journey"), "GRU4Rec": (Gru4Rec, "beauty")}


def measure(ground: Ground, name: str, variant: str, seed: int) -> pl.DataFrame:
    """Learn one variant: what each shopper got, and beside it what it cost."""
    model = made(Entry(ARCHITECTURES[name][0], VARIANTS[name][variant], {}), {}, EPOCHS, seed)
    few = ground.few(LOOK_USERS)
    model.fit(ground.past, ground.catalog, validate=lambda so_far: validation_score(so_far, few))
    model.name = variant
    return judge([model], ground.check).with_columns(
        seed=pl.lit(seed),
        epochs=pl.lit(max(model.log, key=lambda row: row["validation"])["epoch"]),
        epoch_seconds=pl.lit(float(np.median([row["seconds"] for row in model.log]))),
        parameters=pl.lit(sum(p.numel() for p in model.module.encoder.parameters())),
    )


def main() -> None:
    """Measure, print one JSON line per variant, and write the table that notebook 07 shows."""
    rows = []
    for name, variants in VARIANTS.items():
        ground, base = GROUNDS[ARCHITECTURES[name][1]](), None
        for variant in variants:
            judged = pl.concat(
                kept("variants", f"{name}, {variant}, {seed}", partial(measure, ground, name, variant, seed))
                for seed in SEEDS
            )
            base = judged if base is None else base
            row = {"set": ground.name, "model": name, "variant": variant, "ndcg@10": judged["ndcg@10"].mean()}
            row |= {cost: judged[cost].median() for cost in ("epochs", "epoch_seconds", "parameters")}
            both = pl.concat([base, judged])
            against = compare(both, variant, BASE, np.random.default_rng(0)) if variant != BASE else {}
            rows.append(row | {key: against.get(key) for key in ("lift", "low", "high")})
            figure = {"benchmark": "variants", "case": variant, "system": name, "value": round(row["ndcg@10"], 4)}
            print(json.dumps(figure | {"unit": "ndcg@10", "peer": None, "ratio": None}), flush=True)
    write_table("variants", pl.DataFrame(rows))


if __name__ == "__main__":
    main()
