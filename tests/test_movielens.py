"""MovieLens comes in with its clock, its stars, its titles and its genres."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from recolab.schema import CATEGORY, ITEM, KIND, RATING, TIME, TITLE, USER, VALUE, SchemaError, check_events
from recolab.sources.movielens import load_movielens

RATINGS = "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,7,4.0,86400\n"
MOVIES = (
    'movieId,title,genres\n7,Sabrina (1995),Comedy|Romance\n11,"American President, The (1995)",(no genres listed)\n'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECOLAB_DATA", str(tmp_path))
    folder = tmp_path / "ml_latest_small"
    folder.mkdir()
    (folder / "ratings.csv").write_text(RATINGS)
    (folder / "movies.csv").write_text(MOVIES)
    return folder


def test_ratings_are_reviews_worth_their_stars_and_films_have_titles_and_genres(folder: Path) -> None:
    tables = load_movielens()
    assert tables.events.select(USER, ITEM, TIME, KIND, VALUE, RATING).rows() == [
        (1, 31, datetime(2009, 12, 14, 2, 52, 24), "review", 2.5, 2.5),
        (1, 7, datetime(1970, 1, 2), "review", 4.0, 4.0),
    ]
    assert tables.items.select(ITEM, TITLE, CATEGORY).rows() == [
        (7, "Sabrina (1995)", "Comedy|Romance"),
        (11, "American President, The (1995)", None),
    ]


def test_a_rating_that_is_no_number_is_named_with_its_row(folder: Path) -> None:
    (folder / "ratings.csv").write_text(RATINGS + "2,7,good,86400\n")
    with pytest.raises(SchemaError, match=r"rating: 1 values are no numbers, first: data row 3 \('good'\)"):
        load_movielens()


def test_the_real_set_has_the_counts_of_its_readme() -> None:
    try:
        tables = load_movielens()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    events = check_events(tables.events)
    assert (len(events), events[USER].n_unique(), events[ITEM].n_unique()) == (100_004, 671, 9_066)
    assert (len(tables.items), tables.items[CATEGORY].null_count()) == (9_125, 18)
    assert (events[TIME].min(), events[TIME].max()) == (
        datetime(1995, 1, 9, 11, 46, 49),
        datetime(2016, 10, 16, 17, 57, 24),
    )
