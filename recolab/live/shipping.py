"""A live recommender on disk: one folder, each file whole, opened in a second."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy import sparse

from recolab.compiled import KEEP, STEP, CompiledEncoder, CompiledSteps
from recolab.histories import Catalog, Histories, load_catalog, load_histories
from recolab.lab import write_atomically
from recolab.live.choir import Choir
from recolab.live.encoded import LONG, Encoded
from recolab.live.opinions import Floats
from recolab.live.recommender import LiveRecommender
from recolab.live.sessions import session_of
from recolab.live.tables import (
    LARGE,
    FloatTable,
    IndexedTable,
    Int8Table,
    ItemTable,
    SkimmedTable,
    load_index,
    make_index,
    save_index,
)
from recolab.live.voices import Favour, Habit, Linked, Voice

if TYPE_CHECKING:  # who opens what was shipped needs none of the models
    from recolab.models.neighbours import Transitions
    from recolab.models.popularity import PersonalFrequency
    from recolab.models.sequential import SequenceModel

VOICES = 4
CANDIDATES = 350  # items that each voice of a large shop names; beside those that a shopper has had (LEFT_OUT)
_SHIPPING = ".shipping"  # where a shop is written before it takes the place of the one before
ASKED = 200  # shoppers by whose states an index is judged
_CATALOG, _PAST, _ENCODER, _TABLES, _INDEX, _NOTE = (
    "catalog.parquet",
    "histories.safetensors",
    "encoder.onnx",
    "tables.safetensors",
    "index.faiss",
    "live.json",  # written last: a folder without it is not whole
)


def ship(
    folder: Path,
    catalog: Catalog,
    past: Histories,
    model: SequenceModel,
    transitions: Transitions,
    habit: PersonalFrequency,
    weights: Sequence[float] | None = None,
    weights_again: Sequence[float] | None = None,
) -> None:
    """Write what a live recommender needs, the models being fitted on `past`, and the voices' weights (`keep_weights`); without
    them all voices speak equally.

    A catalog above `LARGE` items gets an index, whose recall is written into live.json.
    Raises ValueError where the model cannot be exported.
    """
    rows = _weights(weights, weights_again)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{_SHIPPING}*"):  # of a ship that was interrupted
        shutil.rmtree(old)
    with TemporaryDirectory(prefix=_SHIPPING, dir=folder) as made:
        note = _write(Path(made), catalog, past, (model, transitions, habit))
        # Between two shops, for as long as their files take to change their names, there is no note.
        (folder / _NOTE).unlink(missing_ok=True)
        for name in (_CATALOG, _PAST, _ENCODER, KEEP, STEP, _TABLES, _INDEX):
            if (Path(made) / name).exists():
                os.replace(Path(made) / name, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    _write_note(folder, note | rows | {"shipped": datetime.now(UTC).isoformat()})


def _write(
    folder: Path, catalog: Catalog, past: Histories, models: tuple[SequenceModel, Transitions, PersonalFrequency]
) -> dict[str, Any]:
    """Write all files but the note, which is returned."""
    model, transitions, habit = models
    from recolab.export import export_encoder, export_steps  # noqa: PLC0415  (torch: who opens what was shipped needs none)

    catalog.save(folder / _CATALOG)
    past.save(folder / _PAST)
    export_encoder(model, folder / _ENCODER)
    steps = model.config.max_len > LONG and export_steps(model, folder)
    links = transitions.links.tocsr()
    tables = {
        "table": model.module.table.weight.detach().numpy(),
        "vectors": model.item_vectors(),
        "popularity": np.bincount(past.items, minlength=len(catalog)).astype(np.float32),
        "links": links.data.astype(np.float32),
        "columns": links.indices.astype(np.int32),
        "ends": links.indptr.astype(np.int64),
    }
    with write_atomically(folder / _TABLES) as temporary:
        save_file({name: np.ascontiguousarray(table) for name, table in tables.items()}, temporary)
    return {
        "max_len": model.config.max_len,
        "steps": steps,
        "transitions": {"half_life_days": transitions.half_life_days},
        "habit": {"half_life_days": habit.half_life_days, "half_life_visits": habit.half_life_visits},
        "index_recall": _ship_index(folder, tables["table"], past, model.config.max_len),
    }


def _ship_index(folder: Path, table: Floats, past: Histories, max_len: int) -> float | None:
    """Write an index where the catalog is large enough for one  ->  which share of the exact 10 best is among the `NAMED`; None without one."""
    if len(table) <= LARGE:
        return None
    encoded = Encoded(CompiledEncoder(folder / _ENCODER, max_len), FloatTable(table), max_len)
    asked = np.flatnonzero(past.lengths > 0)[:: max(len(past) // ASKED, 1)]
    states = np.stack([encoded.state(session_of(past, b)) for b in asked])
    index, recall = make_index(table, states)
    save_index(index, folder / _INDEX)
    return recall


def keep_weights(folder: Path, weights: Sequence[float], weights_again: Sequence[float] | None = None) -> None:
    """Write the voices' weights into a folder that was shipped, in the order in which `open_voices` gives the voices.

    weights_again: for lists that may repeat what was bought; None = the same
    """
    _write_note(folder, _read_note(folder) | _weights(weights, weights_again))


def _weights(weights: Sequence[float] | None, again: Sequence[float] | None) -> dict[str, list[float] | None]:
    rows = {"weights": weights, "weights_again": again}
    for name, row in rows.items():
        if row is not None and len(row) != VOICES:
            raise ValueError(f"{name}: {len(row)} for {VOICES} voices, as `open_voices` gives them")
    return {name: None if row is None else list(map(float, row)) for name, row in rows.items()}


def open_voices(folder: Path, *, int8: bool = False) -> list[Voice]:
    """Read the voices of a folder: the sequence model, transitions, habit and popularity.

    int8: keep the item table in a quarter of its bytes, if it has no index; what that costs is in benchmarks/README.md
    Raises FileNotFoundError where the folder is none, or was not written to its end.
    """
    note, tables = _read_note(folder), load_file(folder / _TABLES)
    table: ItemTable = Int8Table(tables["table"]) if int8 else SkimmedTable(tables["table"])
    if (folder / _INDEX).exists():
        table = IndexedTable(tables["table"], load_index(folder / _INDEX))
    n_items = len(tables["table"])
    links = sparse.csr_matrix((tables["links"], tables["columns"], tables["ends"]), (n_items, n_items))
    steps = CompiledSteps(folder) if note.get("steps") else None  # said with the encoder that they belong to
    return [
        Encoded(CompiledEncoder(folder / _ENCODER, note["max_len"]), table, note["max_len"], steps=steps),
        Linked(links, note["transitions"]["half_life_days"], "Transitions"),
        Habit(**note["habit"]),
        Favour(tables["popularity"]),
    ]


def open_live(folder: Path, max_sessions: int = 2000, *, int8: bool = False) -> LiveRecommender:
    """Open a live recommender as it was shipped; raises what `open_voices` raises."""
    note = _read_note(folder)
    live = _opened(folder, note, max_sessions, int8)
    # Shipped anew meanwhile, it may be half of one shop and half of another.
    return (
        live if _read_note(folder).get("shipped") == note.get("shipped") else open_live(folder, max_sessions, int8=int8)
    )


def _opened(folder: Path, note: dict[str, Any], max_sessions: int, int8: bool) -> LiveRecommender:
    voices = open_voices(folder, int8=int8)
    choir = Choir(voices, note["weights"] or [1.0] * len(voices), note.get("weights_again"))  # one row until lately
    candidates = CANDIDATES if (folder / _INDEX).exists() else None
    catalog, past = load_catalog(folder / _CATALOG), load_histories(folder / _PAST)
    vectors = load_file(folder / _TABLES)["vectors"]
    return LiveRecommender(catalog, past, choir, vectors, candidates=candidates, max_sessions=max_sessions)


def is_shipped(folder: Path) -> bool:
    """Tell whether a folder was written to its end."""
    return (folder / _NOTE).exists()


def _write_note(folder: Path, note: dict[str, Any]) -> None:
    with write_atomically(folder / _NOTE) as temporary:
        temporary.write_text(json.dumps(note, indent=1))


def _read_note(folder: Path) -> dict[str, Any]:
    if not is_shipped(folder):
        raise FileNotFoundError(
            f"{folder / _NOTE}: no such file, so nothing was shipped here, or not to its end: ship again"
        )
    note: dict[str, Any] = json.loads((folder / _NOTE).read_text())
    return note
