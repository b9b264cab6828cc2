"""What README.md promises: its Python runs, its commands exist, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from recolab.live import replay
from tests.test_service import ship_world

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
SHOP = "data/processed/complete_journey/live"

pytestmark = pytest.mark.skipif(not README.exists(), reason="there is no README.md yet")


def fenced(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def run(script, home):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=os.environ | {"RECOLAB_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_its_python_runs_from_top_to_bottom(tmp_path):
    run("\n".join(script for script in fenced("python") if SHOP not in script), tmp_path)


def test_its_live_shop_opens_and_lists(tmp_path):
    [script] = [script for script in fenced("python") if SHOP in script]
    folder = ship_world(tmp_path / "live")
    told = run(
        script.replace(SHOP, str(folder)).replace("819063", "7").replace("max_price=5", "max_price=50"), tmp_path
    )
    assert len(told.splitlines()) == 3
    assert "Transitions" in told
    assert [event["item"] for event in replay(folder / "events.log")] == [7]


def test_its_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README.read_text(), re.MULTILINE))
    assert named
    assert named <= targets


def test_its_links_lead_to_files_that_are_there():
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", README.read_text())
    assert not [link for link in links if not (ROOT / link).exists()]


# Its table of results says what the tables of the benchmarks say.


def table(name):
    return pl.read_csv(ROOT / "benchmarks" / f"{name}.csv")


def said(text, row):
    """A line of README's table that begins with these words holds this, bold or not."""
    [line] = [line for line in README.read_text().replace("*", "").splitlines() if line.startswith(f"| {row}")]
    assert text in line, f"{row}: {text} is measured, README has {line}"


def score(value):
    return f"{value:.4f}".lstrip("0")


@pytest.mark.parametrize(("name", "row"), [("Beauty", "Amazon Beauty"), ("Sports", "Amazon Sports")])
def test_its_table_has_the_hybrids_means_and_the_highest_published(name, row):
    hybrid = table("sequences").filter(set=name, model="Hybrid")
    low, high = hybrid["ndcg@10_low"].min(), hybrid["ndcg@10_high"].max()
    said(f"ndcg@10 {score(hybrid['ndcg@10'].mean())} ({score(low)} to {score(high)})", row)
    said(score(table("literature").filter(set=name)["ndcg@10"].max()), row)
    said(f"{hybrid['seconds'].max() / 60:.0f} minutes", row)


def test_its_table_has_the_quick_model_and_the_tuned_one_beside_it():
    quick, tuned = table("quick"), pl.col("model").str.contains("SASRec, full cross-entropy, tuned")
    low, high = quick["ndcg@10_low"].min(), quick["ndcg@10_high"].max()
    said(f"ndcg@10 {score(quick['ndcg@10'].mean())} ({score(low)} to {score(high)})", "Beauty, one Transformer")
    said(f"{quick['seconds'].max():.0f} seconds", "Beauty, one Transformer")
    said(score(table("literature").filter(tuned, set="Beauty")["ndcg@10"][0]), "Beauty, one Transformer")


@pytest.mark.parametrize(("name", "row"), [("Beauty", "Beauty, one model of ids"), ("Sports", "Sports, likewise")])
def test_its_table_has_the_taught_models(name, row):
    alone, single = (
        table("single").filter(set=name, model=f"Taught Transformer{more}") for more in ("", " with followers")
    )
    said(f"the Transformer alone {score(alone['ndcg@10'].mean())} ", row)
    low, high = single["ndcg@10_low"].min(), single["ndcg@10_high"].max()
    said(f"ndcg@10 {score(single['ndcg@10'].mean())} ({score(low)} to {score(high)})", row)
    said(f"{single['seconds'].max() / 60:.0f} minutes", row)
    of_ids = table("literature").filter(pl.col("learns from") == "ids", set=name)
    said(score(of_ids["ndcg@10"].max()), row)


def test_its_table_has_the_epochs_of_all_three():
    taken = {
        system: f"{seconds:.1f}" if system == "recolab" else f"{system.split()[0]} {seconds:.0f}"
        for system, case, seconds in table("training").select("system", "case", "seconds").iter_rows()
        if case in ("full cross-entropy", "softmax", "cross-entropy")
    }
    assert len(taken) == 3
    for seconds in taken.values():
        said(f"{seconds} s", "an epoch of Beauty")
    drawn = dict(
        table("training").filter(pl.col("case").str.contains("negatives")).select("case", "seconds").iter_rows()
    )
    said(f"{drawn['1,024 shared negatives']:.1f} s", "the same with 1,024 shared negatives")
    said(f"RecTools {drawn['256 sampled negatives']:.0f} s", "the same with 1,024 shared negatives")


def test_its_table_has_the_milliseconds_of_a_list():
    ours, theirs = table("live").filter(part="peer")["value"]
    said(f"p50 {ours:.1f} ms", "an event and the next list")
    said(f"RecTools {theirs:.0f} ms", "an event and the next list")


def test_its_table_has_what_an_update_gives():
    rows = table("weekly_lifts").filter(model="fine-tuned with replay")
    seeds, best = rows.drop_nulls("seed"), rows.filter(pl.col("seed").is_null())  # the pooled one has no seed
    said(
        f"{best['lift'][0]:+.1f} % ndcg@10 ({seeds['low'].min():+.1f} to {seeds['high'].max():+.1f})", "a week's update"
    )
    said(f"{1 / best['time_share'][0]:.0f} times as long", "a week's update")


def test_its_table_has_what_the_hybrid_adds():
    ends = {"lift": pl.col("lift").mean(), "low": pl.col("lift_low").min(), "high": pl.col("lift_high").max()}
    ends |= {"users": pl.col("users").max(), "behind": (pl.col("lift") < 0).sum()}
    lifts = table("tasks").drop_nulls("lift").group_by("task").agg(**ends)
    ahead, sure = (lifts["lift"] >= 8).sum(), (lifts["low"] > 0).sum()
    said(f"ahead on all, 8 % or more on {ahead}; beyond doubt on {sure} of the six", "six tasks")
    assert (lifts["lift"] > 0).all()
    worse = table("tasks").drop_nulls("transformer_lift").group_by("task").agg(pl.col("transformer_lift_high").max())
    number_of = {1: "one", 2: "two", 3: "three"}
    number = number_of[int((worse["transformer_lift_high"] < 0).sum())]
    assert f"on none of the six tasks and worse on {number}" in README.read_text()
    [worst] = lifts.sort("lift").head(1).to_dicts()
    said(
        f"at worst {worst['lift']:+.1f} % ({worst['low']:.0f} to {worst['high']:.0f}), {worst['task'].split(',')[0]}'",
        "six tasks",
    )
    said(f"{worst['users']} users, behind with {number_of[worst['behind']]} of three seeds", "six tasks")
