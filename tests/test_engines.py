"""pandas, Polars, DuckDB and Spark give the same rows for every step of preparation; Polars in memory is the reference."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recolab import prepare
from recolab.schema import BASKET, CATEGORY, DWELL, ITEM, KIND, KINDS, PRICE, SESSION, TIME, USER, VALUE

NOW = datetime(2024, 3, 1)
RULES = prepare.CleanRules(latest=NOW, max_events_per_day=20, extra={"no gift": nw.col(VALUE) == 3.0})


def dirty_log(n: int = 600, seed: int = 7) -> pl.DataFrame:
    """A log with every fault in it, ids as text, baskets for purchases only, times down to the microsecond."""
    rng = np.random.default_rng(seed)
    start = datetime(2024, 1, 1)
    seconds = rng.integers(0, 50 * 86_400, n)
    seconds[:60] = 86_400 + np.arange(60)  # sixty events of one user in a minute
    users = np.where(np.arange(n) < 60, "u0", np.char.add("u", rng.integers(1, 30, n).astype(str)))
    table = pl.DataFrame(
        {
            USER: users,
            ITEM: np.char.add("i", rng.integers(0, 25, n).astype(str)),
            TIME: [start + timedelta(seconds=int(s), microseconds=int(s) % 1000) for s in seconds],
            KIND: rng.choice([*KINDS, "stare"], n, p=[0.3, 0.2, 0.3, 0.15, 0.05]),
            VALUE: rng.choice([1.0, 2.0, 3.0, -1.0, np.nan, np.inf], n, p=[0.6, 0.2, 0.1, 0.04, 0.03, 0.03]),
            DWELL: rng.choice([5.0, 60.0], n),
            PRICE: rng.integers(1, 40, n) / 4,
        }
    )
    holes = {USER: 0.02, ITEM: 0.02, TIME: 0.02, KIND: 0.02, DWELL: 0.6}
    table = table.with_columns(
        pl.when(pl.Series(rng.random(n) >= share)).then(pl.col(name)).alias(name) for name, share in holes.items()
    )
    late = pl.when(pl.Series(rng.random(n) < 0.02)).then(pl.datetime(2031, 1, 1)).otherwise(pl.col(TIME))
    basket = pl.when(pl.col(KIND) == "purchase").then(pl.lit("b") + pl.Series(rng.integers(0, 4, n).astype(str)))
    table = table.with_columns(late.cast(pl.Datetime("us")).alias(TIME), basket.alias(BASKET))
    return pl.concat([table, table.sample(40, seed=seed)])


def catalog() -> pl.DataFrame:
    price = [1.0, 2.0, 2.0, 4.0, None] * 4 + [7.0, 8.0]
    categories = ["tea", "tv"] * 10 + ["tv", None]
    return pl.DataFrame({ITEM: [f"i{n}" for n in range(22)], CATEGORY: categories, PRICE: price})


SPARK = pytest.mark.xdist_group("spark")  # on one worker: Java starts once


@pytest.fixture(params=["pandas", "polars lazy", "duckdb", pytest.param("spark", marks=SPARK)])
def read(request: pytest.FixtureRequest) -> Callable[[Path], Any]:
    """How an engine reads a parquet file."""
    if request.param == "spark":
        session = request.getfixturevalue("spark")
        return lambda path: session.read.parquet(str(path))
    if request.param == "duckdb":
        # A connection of its own, as an application has one: nothing may wander through the module's default.
        connection = duckdb.connect()
        return lambda path: connection.read_parquet(str(path))
    return {"pandas": pd.read_parquet, "polars lazy": pl.scan_parquet}[request.param]


def till(log: Any) -> Any:
    """A second log: some events of the first under another price-less table, moved by an hour where they were views."""
    frame = nw.from_native(log).drop(PRICE)
    moved = nw.when(nw.col(KIND) == "view").then(nw.col(TIME).dt.offset_by("1h")).otherwise(nw.col(TIME))
    return frame.filter(nw.col(VALUE) < 3).with_columns(moved.alias(TIME)).to_native()


Step = Callable[[Any, Any, Any], Any]  # dirty log, clean log, items
STEPS: dict[str, Step] = {
    "clean": lambda dirty, log, items: prepare.clean(dirty, rules=RULES)[0],
    "clean against items": lambda dirty, log, items: prepare.clean(dirty, items, rules=RULES)[0],
    "sessions": lambda dirty, log, items: prepare.sessionise(log, 600),
    "core": lambda dirty, log, items: prepare.k_core(log, 4, 10),
    "event features": lambda dirty, log, items: prepare.event_features(prepare.sessionise(log, 600)),
    "user features": lambda dirty, log, items: prepare.user_features(log, NOW),
    "item features": lambda dirty, log, items: prepare.item_features(log, NOW),
    "price bands": lambda dirty, log, items: prepare.price_bands(items),
    "integrate": lambda dirty, log, items: prepare.integrate({"web": dirty, "till": till(dirty)})[0],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("engines")
    paths = [folder / name for name in ("dirty.parquet", "log.parquet", "items.parquet")]
    for table, path in zip((dirty_log(), prepare.clean(dirty_log(), rules=RULES)[0], catalog()), paths, strict=True):
        table.write_parquet(path)
    return paths


def comparable(table: Any) -> pl.DataFrame:
    """Rows as Polars sees them, in one order; numbers as floats, since pandas has no integer null."""
    frame = nw.from_native(table)
    frame = frame.collect("polars") if isinstance(frame, nw.LazyFrame) else frame
    polars = frame.to_polars()
    polars = polars.with_columns(
        pl.selectors.numeric().cast(pl.Float64).fill_nan(None), pl.selectors.datetime().cast(pl.Datetime("us"))
    )
    names = sorted(polars.columns)
    return polars.select(names).sort(names)


@pytest.mark.parametrize("step", STEPS)
def test_every_engine_gives_the_rows_that_polars_gives_in_a_table_of_its_own(
    step: str, read: Callable[[Path], Any], files: list[Path]
) -> None:
    tables = [read(path) for path in files]
    result = STEPS[step](*tables)
    assert type(result) is type(tables[0])
    expected = comparable(STEPS[step](*[pl.read_parquet(path) for path in files]))
    assert len(expected) > 20
    assert_frame_equal(comparable(result), expected, check_exact=False, rel_tol=1e-9)


def test_every_engine_counts_the_same_faults_against_items_of_any_engine(
    read: Callable[[Path], Any], files: list[Path]
) -> None:
    expected = prepare.clean(pl.read_parquet(files[0]), pl.read_parquet(files[2]), rules=RULES)[1]
    assert (expected["rows"] > 0).all()
    assert_frame_equal(prepare.clean(read(files[0]), pl.read_parquet(files[2]), rules=RULES)[1], expected)
    assert_frame_equal(prepare.clean(pl.read_parquet(files[0]), read(files[2]), rules=RULES)[1], expected)


def test_every_engine_counts_the_same_repeats_between_logs(read: Callable[[Path], Any], files: list[Path]) -> None:
    reports = [
        prepare.integrate({"web": log, "till": till(log)})[1] for log in (read(files[0]), pl.read_parquet(files[0]))
    ]
    assert_frame_equal(*reports)


@SPARK
def test_spark_timestamps_with_a_zone_are_moments_in_utc(spark: Any) -> None:
    moments = "TIMESTAMP '2024-01-01 00:00:01' AS timestamp", "TIMESTAMP '2031-01-01 00:00:00' AS timestamp"
    rows = " UNION ALL ".join(
        f"SELECT 'u' AS user_id, 'a' AS item_id, {at}, 'view' AS kind, 1D AS value" for at in moments
    )
    kept, report = prepare.clean(spark.sql(rows), rules=RULES)
    assert dict(report.select("reason", "rows").iter_rows())["bad time"] == 1
    assert [row[SESSION] for row in prepare.sessionise(kept).collect()] == [1]
