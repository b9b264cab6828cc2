"""How fast a log is packed: `python -m benchmarks.histories`."""

from __future__ import annotations

import json
import statistics
import time

import numpy as np
import polars as pl

from recolab.histories import build_catalog, pack
from recolab.schema import ITEM, KIND, TIME, USER, VIEW


def main(n: int = 10_000_000) -> None:
    """Print the seconds to pack n events of 500,000 users and 50,000 items, ids as integers and as texts."""
    rng = np.random.default_rng(0)
    time_of = pl.Series(rng.integers(0, 10**15, n)).cast(pl.Datetime("us"))
    plain = pl.DataFrame(
        {
            USER: rng.integers(0, 500_000, n),
            ITEM: rng.integers(0, 50_000, n),
            TIME: time_of,
            KIND: pl.repeat(VIEW, n, eager=True),
        }
    )
    for name, events in (("integer ids", plain), ("text ids", plain.with_columns(pl.col(USER, ITEM).cast(pl.String)))):
        catalog, seconds = build_catalog(events), []
        for _ in range(3):
            started = time.perf_counter()
            pack(events, catalog)
            seconds.append(time.perf_counter() - started)
        figure = {"benchmark": "histories", "case": f"pack {n:,} events, {name}", "system": "recolab"}
        print(
            json.dumps(
                figure | {"value": round(statistics.median(seconds), 2), "unit": "s", "peer": None, "ratio": None}
            )
        )


if __name__ == "__main__":
    main()
