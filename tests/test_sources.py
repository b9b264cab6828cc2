import polars as pl
import pytest

from recolab import sources
from recolab.schema import ITEM, USER
from recolab.sources.conversion import Ids, to_ids
from recolab.sources.tabular import read_events


def test_a_source_is_loaded_by_its_name():
    tables = sources.load("article_case")
    assert (len(tables.events), len(tables.items)) == (5, 5)
    assert tables.note


def test_a_log_of_ones_own_goes_with_tabular_and_with_nothing_else(tmp_path):
    path = tmp_path / "my log.csv"
    path.write_text("user_id,item_id,timestamp\n1,007,2024-01-01\n2,008,2024-01-02\n")
    tables = sources.load("tabular", str(path))
    assert tables.events[USER].to_list() == [1, 2]
    assert tables.events[ITEM].to_list() == ["007", "008"]
    assert tables.events.equals(read_events(path).events)
    with pytest.raises(ValueError, match="use DATA = 'tabular'"):
        sources.load("article_case", str(path))
    with pytest.raises(ValueError, match="tabular needs the path of your log"):
        sources.load("tabular")


def test_an_unknown_source_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="no source is called 'grocer'; there are complete_journey"):
        sources.load("grocer")


def test_only_the_grocer_has_rules_of_its_own():
    assert set(sources.impossible("complete_journey")) == {"no quantity", "nothing paid", "no goods"}
    assert sources.impossible("tabular") == {}


def test_ids_are_whole_numbers_only_if_every_one_reads_back():
    ([whole], _), ([text], _) = (to_ids(ITEM, Ids(pl.Series(v), is_untyped=True)) for v in (["1", "22"], ["1", "022"]))
    assert (whole.dtype, text.dtype) == (pl.Int64, pl.String)
