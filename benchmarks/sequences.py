"""Does one call reach published numbers? `recolab.benchmark` on whole sets, with three seeds, as the papers did it.

python -m benchmarks.sequences               # Beauty and Sports: an hour and a half on one core; it goes on where it was stopped
python -m benchmarks.sequences beauty --minutes 5 --seeds 7 8

Leave-one-out, all items ranked, history masked; every choice on validation, the test asked once. Each set and seed has a process
of its own, so the peak memory is its own. Video Games is not here: it is stored in another format, and `recolab.benchmark` reads
a folder with sequences.txt. A set's rows are replaced by those of the newest run, so name all its seeds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import partial

import polars as pl

import recolab
from benchmarks.apart import apart
from benchmarks.kept import kept
from benchmarks.peers.shared import peak_gb
from benchmarks.stamped import write_table
from recolab.lab import Lab
from recolab.sources.amazon import find_sequences

SETS = {"beauty": ("Beauty", "amazon_beauty"), "sports": ("Sports", "amazon_sports")}
SEEDS = (7, 8, 9)
MINUTES = 25.0
SEQUENCE = ("Transformer", "BERT4Rec", "GRU4Rec", "NextItNet", "Caser")  # a variant begins with its family's name
SCORES = ("hr@10", "ndcg@10")
COLUMNS = [bound for score in SCORES for bound in (score, f"{score}_low", f"{score}_high")]


def measure(folder: str, minutes: float, seed: int) -> pl.DataFrame:
    """Judge all models of one set with one seed  ->  a row a model, with the most memory that the process ever held."""
    return recolab.benchmark(folder, minutes=minutes, seed=seed).with_columns(peak_gb=pl.lit(peak_gb()))


def rows_of(name: str, minutes: float, seed: int) -> pl.DataFrame:
    """Measure one set with one seed, or read what it gave before  ->  its rows of the table."""
    shown, folder = SETS[name]
    run = partial(apart, measure, str(find_sequences(folder)), minutes, seed)
    found = kept("sequences", f"{name}, {seed}, {minutes:g} min", run)
    return found.select(
        pl.lit(shown).alias("set"),
        pl.lit(seed).alias("seed"),
        pl.lit(minutes).alias("minutes"),
        "model",
        "users",
        *COLUMNS,
        "validation_ndcg@10",
        "seconds",
        "peak_gb",
        "settings",
    )


def figures(rows: pl.DataFrame, literature: pl.DataFrame) -> Iterator[dict[str, object]]:
    """Set the hybrid beside the highest published number, and the best sequence model beside the best that sees ids only."""
    of_set = literature.filter(pl.col("set") == rows["set"][0])
    single = pl.any_horizontal(pl.col("model").str.starts_with(family) for family in SEQUENCE)
    chosen = rows.filter(single).sort("validation_ndcg@10", descending=True)  # the test chooses nothing
    beside = {"Hybrid": of_set, chosen["model"][0]: of_set.filter(pl.col("learns from") == "ids")}
    for model, published in beside.items():
        [ours] = rows.filter(pl.col("model") == model).to_dicts()
        for score in SCORES:
            [best] = published.sort(score, descending=True).head(1).to_dicts()
            line = {
                "benchmark": "sequences",
                "case": f"{ours['set']}, seed {ours['seed']}",
                "system": f"recolab {model}",
            }
            value, ratio = round(ours[score], 4), round(ours[score] / best[score], 3)
            peer = {"peer": best["model"], "peer_value": best[score], "ratio": ratio}
            yield line | {"value": value, "unit": score} | peer


def main(names: list[str], minutes: float, seeds: list[int]) -> None:
    """Measure, print one JSON line per figure, and write the table that notebook 18 shows."""
    literature = Lab.noted("literature")
    for name in names:
        tables = []
        for seed in seeds:
            tables.append(rows_of(name, minutes, seed))
            for line in figures(tables[-1], literature):
                print(json.dumps(line), flush=True)
        write_table("sequences", pl.concat(tables), replacing="set")


def asked_for(doc: str | None, minutes: float) -> tuple[list[str], float, list[int]]:
    """Read the command line of a benchmark of whole sets: which of them, minutes of each seed, seeds."""
    asked = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; all by default")
    asked.add_argument("--minutes", type=float, default=minutes, help="of each seed")
    asked.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    told = asked.parse_args()
    if strangers := set(told.sets) - set(SETS):
        asked.error(f"{', '.join(sorted(strangers))}: no such set; there are {', '.join(SETS)}")
    return told.sets or list(SETS), told.minutes, told.seeds


if __name__ == "__main__":
    main(*asked_for(__doc__, MINUTES))
