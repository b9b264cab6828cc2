"""The versions of the shop that `benchmarks.service_loop` serves: the first, and updates from what journal and log have heard since."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import torch

from recolab.feedback import read_events
from recolab.feedback.updating import UpdateConfig, update
from recolab.histories import Catalog, Histories, build_catalog, load_catalog, load_histories, pack
from recolab.live import EVENTS, keep_weights, replay, ship, version_folder
from recolab.live.parts import NEW
from recolab.live.versions import FIRST
from recolab.models.neighbours import Transitions
from recolab.models.popularity import PersonalFrequency
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.schema import ITEM, KIND, TIME, USER
from recolab.training import TrainConfig

PAST, MODEL = "past.parquet", "model.safetensors"
STALE = 27  # days that the first version has not seen: there is something to learn
WEIGHTS = (1.0, 1.0, 0.5, 0.5)  # of Transformer, transitions, habit, popularity
HALF_LIFE_DAYS = 10.0


def first_version(folder: str, shelf: pl.DataFrame, seed: int) -> None:
    """Train on the past but for its newest days, and ship into the shop's own folder."""
    torch.set_num_threads(1)
    root = Path(folder)
    past = pl.read_parquet(root / PAST)
    known = past.filter(pl.col(TIME) < past[TIME].max() - pl.duration(days=STALE))
    catalog = build_catalog(known, shelf).grow(shelf)
    histories = pack(known, catalog)
    config = TransformerConfig(dim=32, max_len=32, negatives=0)
    model = Transformer(config, TrainConfig(8, seed=seed, progress=False)).fit(histories, catalog)
    _ship(root, catalog, histories, model)


def next_version(folder: str, champion: str, number: str) -> None:
    """Update the champion with the past's newest days, newcomers, and all that shoppers did, and ship it beside the others."""
    torch.set_num_threads(1)  # the service and its shoppers have the rest of the machine
    root = Path(folder)
    home = root if champion == FIRST else version_folder(root, champion)
    newcomers = [row for record in replay(root / EVENTS) if NEW in record for row in record[NEW]]
    catalog = load_catalog(home / "catalog.parquet")
    catalog = catalog.grow(pl.DataFrame(newcomers)) if newcomers else catalog
    columns = [USER, ITEM, TIME, KIND]
    heard = read_events(root / EVENTS).select(columns)
    past = pl.read_parquet(root / PAST).select(columns).cast(heard.schema)
    histories = pack(pl.concat([past, heard]), catalog, datetime.now(UTC).replace(tzinfo=None))
    since = load_histories(home / "histories.safetensors").as_of
    how = UpdateConfig(replace(UpdateConfig().training, progress=False))
    model = update(Transformer.load(home / MODEL), histories, catalog, since, how)
    _ship(version_folder(root, number), catalog, histories, model)


def _ship(folder: Path, catalog: Catalog, histories: Histories, model: Transformer) -> None:
    transitions = Transitions(HALF_LIFE_DAYS, reach=2, damping=0.2).fit(histories, catalog)
    habit = PersonalFrequency(HALF_LIFE_DAYS, None).fit(histories, catalog)
    ship(folder, catalog, histories, model, transitions, habit)
    model.save(folder / MODEL)
    keep_weights(folder, np.array(WEIGHTS).tolist())
