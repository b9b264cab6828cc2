"""Make one log out of several, and count what they tell twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrameT

from recolab.prepare.engines import Frame, collected, entered, given_back
from recolab.schema import EVENT_COLUMNS, SchemaError

SOURCE = "source"  # which log an event came from
_LOG, _FIRST = "__log", "__first"


def integrate(logs: Mapping[str, IntoFrameT]) -> tuple[IntoFrameT, pl.DataFrame]:
    """Put several logs under one another; an event that two logs tell stays only in the one named first.

    logs: name -> event table, all of one engine; columns that a log lacks become null there
    ->  one table with a column `source`, and the report (source, rows, duplicates, kept)
    Two events are the same if user, item, timestamp, kind and value agree; repeats within one log are `clean`'s task.
    Raises SchemaError for no logs, for two engines, and for a column whose types do not go together.
    """
    frames = {name: entered(log, EVENT_COLUMNS) for name, log in logs.items()}
    if not frames:
        raise SchemaError("integrate needs at least one log")
    if len(engines := {str(frame.implementation) + type(frame).__name__ for frame in frames.values()}) > 1:
        raise SchemaError(f"all logs must be of one engine, not {sorted(engines)}")
    types = _common_types(frames)
    parts = [
        _aligned(frame, types).with_columns(nw.lit(name).alias(SOURCE), nw.lit(number, nw.Int64).alias(_LOG))
        for number, (name, frame) in enumerate(frames.items())
    ]
    whole = cast(Frame, nw.concat(cast(Any, parts), how="vertical"))
    whole = whole.with_columns(nw.col(_LOG).min().over(*EVENT_COLUMNS).alias(_FIRST))
    is_repeat = nw.col(_LOG) > nw.col(_FIRST)
    report = _report(whole.with_columns(is_repeat.cast(nw.Int64).alias("__repeat")), list(frames))
    return given_back(whole.filter(~is_repeat).drop(_LOG, _FIRST), next(iter(logs.values()))), report


def _common_types(frames: Mapping[str, Frame]) -> dict[str, nw.dtypes.DType]:
    """Find for each column the one type that holds what every log has in it."""
    found: dict[str, dict[str, nw.dtypes.DType]] = {name: {} for name in EVENT_COLUMNS}
    for log, frame in frames.items():
        for column, dtype in frame.collect_schema().items():
            found.setdefault(column, {})[log] = dtype
    return {column: _common_type(column, by_log) for column, by_log in found.items() if column != SOURCE}


def _common_type(column: str, by_log: Mapping[str, nw.dtypes.DType]) -> nw.dtypes.DType:
    """Widen numbers, clocks and texts; anything else must agree already."""
    types = list(by_log.values())
    if all(dtype == types[0] for dtype in types):
        return types[0]
    if all(dtype.is_numeric() for dtype in types):
        return nw.Int64() if all(dtype.is_integer() for dtype in types) else nw.Float64()
    if all(isinstance(dtype, nw.Datetime) and dtype.time_zone is None for dtype in types):
        return nw.Datetime("us")
    if all(isinstance(dtype, nw.String | nw.Categorical | nw.Enum) for dtype in types):
        return nw.String()
    raise SchemaError(f"{column} has types that do not go together: {dict(by_log)}; cast it in one of the logs")


def _aligned(frame: Frame, types: Mapping[str, nw.dtypes.DType]) -> Frame:
    """Give a log all columns, in one order and of one type each."""
    own = frame.collect_schema()
    return frame.select(
        *(
            nw.lit(None, dtype).alias(name)
            if name not in own
            else nw.col(name)
            if own[name] == dtype
            else nw.col(name).cast(dtype)
            for name, dtype in types.items()
        )
    )


def _report(whole: Frame, names: list[str]) -> pl.DataFrame:
    """Count rows and repeats per log, in the order the logs were named."""
    counted = collected(whole.group_by(_LOG).agg(nw.len().alias("rows"), nw.col("__repeat").sum()))
    by_log = {log: (rows, repeats) for log, rows, repeats in counted.select(_LOG, "rows", "__repeat").iter_rows()}
    rows = [(name, *by_log.get(number, (0, 0))) for number, name in enumerate(names)]
    schema = {"source": pl.String, "rows": pl.Int64, "duplicates": pl.Int64}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.with_columns((pl.col("rows") - pl.col("duplicates")).alias("kept"))
