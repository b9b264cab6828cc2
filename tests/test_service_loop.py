"""The whole loop in the service, for seconds instead of minutes: nothing is missing, and an update goes on trial."""

from __future__ import annotations

import time
from dataclasses import replace

import polars as pl

from benchmarks import service_loop
from recolab.feedback import read_impressions
from recolab.lab import project_root
from recolab.live import IMPRESSIONS, open_live, version_folder

MISSING = ("requests that failed", "lists that the log lacks", "events that the journal lacks")


def test_nothing_is_missing_and_an_update_is_shipped_tried_and_judged(tmp_path, monkeypatch):
    small = replace(service_loop.SIZE, n_users=40, n_items=150, pages_per_day=30)
    for name, value in {"SIZE": small, "SAMPLE_SECONDS": 0.2, "LOOK_SECONDS": 1.0, "TRIAL_SECONDS": 3.0}.items():
        monkeypatch.setattr(service_loop, name, value)
    spend_day = service_loop.spend_day
    monkeypatch.setattr(
        service_loop, "spend_day", lambda *day: time.sleep(1) or spend_day(*day)
    )  # who trains is not held up
    table, samples = service_loop.run(0.01, tmp_path)
    found = dict(table.select("case", "value").iter_rows())
    assert [found[name] for name in MISSING] == [0, 0, 0]
    assert found["requests"] > 100
    assert 0 < found["clicks per list"] <= found["answers per list, by the log"]
    assert found["newcomers shown"] > 0
    assert found["versions tried"] >= 1
    assert open_live(version_folder(tmp_path, "2")).n_items == 150
    assert "2" in samples["trial"].drop_nulls().to_list()
    assert {"1", "2"} <= set(read_impressions(tmp_path / IMPRESSIONS)["model"])


def test_the_ten_minutes_that_notebook_11_shows_lost_nothing_and_memory_was_steady():
    table = pl.read_csv(project_root() / "benchmarks" / "service_loop.csv")
    found = dict(table.select("case", "value").iter_rows())
    assert table["minutes"].min() >= 10
    assert [found[name] for name in MISSING] == [0, 0, 0]
    first, second = (found[f"memory, settled, {half} half"] for half in ("first", "second"))
    assert second < 1.03 * first
    assert found["versions promoted"] >= 1
