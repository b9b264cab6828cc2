"""What stars would a written review have given? Learned from the shop's own reviews that have both words and stars."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline, make_union

from recolab.metrics import bootstrap_intervals
from recolab.schema import EVENT_COLUMNS, KIND, RATING, REVIEW, TEXT, TIME, VALUE, SchemaError, check_columns

Floats = NDArray[np.float64]
LEAST_REVIEWS = 50  # with stars, to learn from: fewer say hardly more than their mean
LOWEST, HIGHEST = 1.0, 5.0  # stars
_LETTERS = 5_000  # of one review that are read; what comes later seldom changes the verdict, and cannot fill the memory
_FEATURES = 100_000  # of words, and of runs of letters
_MOST_REVIEWS = 100_000  # the newest: more would say the same, and take long
_ROUNDS = 500  # of the bootstrap


@dataclass(frozen=True)
class Sentiment:
    """A fitted reader of reviews; reviews: how many it has learned from."""

    model: Pipeline
    reviews: int

    def stars(self, texts: pl.Series) -> Floats:
        """Guess the stars of texts: (n,) -> (n,) from 1 to 5, NaN where there is no text; words never seen say the mean."""
        cleaned = _readable(texts)
        known = np.flatnonzero([bool(text) for text in cleaned])
        stars = np.full(len(cleaned), np.nan)
        if len(known):
            stars[known] = self.model.predict([cleaned[at] for at in known]).clip(LOWEST, HIGHEST)
        return stars


def learn_sentiment(past: pl.DataFrame) -> Sentiment:
    """Learn stars from words: ridge regression on TF-IDF of words and of runs of 1 to 4 letters (Hoerl & Kennard 1970).

    The runs read languages that put no spaces between words, such as Chinese, and words that are misspelt.
    past: events with rating and text, of the train part only: what a later review says must not be known before it
    Raises SchemaError for missing columns or stars that are not from 1 to 5; ValueError for fewer than LEAST_REVIEWS reviews
    with both, or all of one rating.
    """
    rated = _rated(past)
    if len(rated) < LEAST_REVIEWS:
        raise ValueError(
            f"sentiment is learned from {LEAST_REVIEWS} or more reviews that have both {TEXT} and {RATING}; there are "
            f"{len(rated):,}: wait for more, or leave {VALUE} as it is"
        )
    if rated[RATING].n_unique() < 2:
        raise ValueError(
            f"all {len(rated):,} reviews with {TEXT} have {rated[RATING][0]:g} stars: nothing can be learned"
        )
    # A word, or a single mark: an emoji or "!" says as much, and a corpus of nothing else still has features.
    words = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), max_features=_FEATURES)
    runs = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), max_features=_FEATURES)
    model = make_pipeline(make_union(words, runs), Ridge(alpha=1.0))
    return Sentiment(model.fit(_readable(rated[TEXT]), rated[RATING].to_numpy()), len(rated))


def fill_values(events: pl.DataFrame, sentiment: Sentiment) -> pl.DataFrame:
    """Let what reviews say enter as `value`: their rating, else the stars of their words; all else keeps the value it has.

    ->  the events with `value` as Float64, nothing else changed
    Raises SchemaError for missing columns, and stars that are not from 1 to 5.
    """
    _require(events)
    is_review = pl.col(KIND).cast(pl.String) == REVIEW
    silent = (
        events.select(is_review & pl.col(RATING).cast(pl.Float64).fill_nan(None).is_null()).to_series().fill_null(False)
    )
    guesses = np.full(len(events), np.nan)
    guesses[silent.to_numpy()] = sentiment.stars(events.filter(silent)[TEXT])
    rated = pl.when(is_review).then(pl.col(RATING).cast(pl.Float64).fill_nan(None))
    return events.with_columns(
        pl.coalesce(rated, pl.Series(guesses).fill_nan(None), pl.col(VALUE).cast(pl.Float64)).alias(VALUE)
    )


def judge_sentiment(events: pl.DataFrame, cut: datetime, seed: int = 7) -> pl.DataFrame:
    """Hold the stars guessed from words against those given, on reviews from `cut` on by a reader that knows none of them.

    ->  a row each for sentiment and for two guesses that read nothing, the mean and the median of the past: mean absolute
    error in stars (mae) and Spearman's rank correlation, with 95 % bootstrap intervals over reviews; a guess that is always
    the same has no rank. `gain` is the error of that guess less the one of sentiment, on the same reviews.
    Raises as `learn_sentiment`, and ValueError for fewer than 2 rated reviews from `cut` on.
    """
    past, later = events.filter(pl.col(TIME) < cut), _rated(events.filter(pl.col(TIME) >= cut))
    sentiment, before, given = learn_sentiment(past), _rated(past)[RATING], later[RATING].to_numpy()
    if len(given) < 2:
        raise ValueError(f"{len(given)} review(s) from {cut} on have both {TEXT} and {RATING}: choose an earlier cut")
    guessed, rng = sentiment.stars(later[TEXT]), np.random.default_rng(seed)
    errors = np.stack([np.abs(given - guess) for guess in (guessed, before.mean(), before.median())], 1)  # (n, 3)
    both = np.concatenate([errors, errors - errors[:, :1]], 1)
    ends = np.column_stack([both.mean(0), bootstrap_intervals(both, rng, rounds=_ROUNDS)]).tolist()  # (6, 3)
    nothing: list[float | None] = [None] * 3
    rows = zip(
        ("sentiment", "mean", "median"),
        ends[:3],
        [nothing, *ends[4:]],
        [_rank_correlation(given, guessed, rng), nothing, nothing],
        strict=True,
    )
    columns = [name + end for name in ("mae", "gain", "rank_correlation") for end in ("", "_low", "_high")]
    table = [[name, len(given), *mae, *gain, *ranks] for name, mae, gain, ranks in rows]
    types = dict.fromkeys(columns, pl.Float64)
    return pl.DataFrame(table, {"guess": pl.String, "reviews": pl.Int64, **types}, orient="row")


def _rank_correlation(given: Floats, guessed: Floats, rng: np.random.Generator) -> list[float | None]:
    """Compare two orders by Spearman's rho, with the ends of its interval; None where all of one side is the same."""
    draws = rng.integers(len(given), size=(_ROUNDS, len(given)))
    ranks = [_rho(given, guessed), *(_rho(given[drawn], guessed[drawn]) for drawn in draws)]
    if np.isnan(ranks[0]):
        return [None] * 3
    return [ranks[0], *map(float, np.nanquantile(ranks[1:], [0.025, 0.975]))]


def _rho(one: Floats, other: Floats) -> float:
    return np.nan if np.ptp(one) == 0 or np.ptp(other) == 0 else float(spearmanr(one, other).statistic)


def _rated(events: pl.DataFrame) -> pl.DataFrame:
    """Pick the newest reviews with both words and stars, in the order of time."""
    _require(events)
    has_words = pl.Series([bool(text) for text in _readable(events[TEXT])], dtype=pl.Boolean)
    is_rated = (pl.col(KIND).cast(pl.String) == REVIEW) & pl.col(RATING).cast(pl.Float64).fill_nan(None).is_not_null()
    return events.filter(is_rated & has_words).sort(TIME, maintain_order=True).tail(_MOST_REVIEWS)


def _readable(texts: pl.Series) -> list[str]:
    """Bring what anybody may have written into one form: compatible letters, no more than are read, "" for nothing."""
    cut = texts.str.slice(0, _LETTERS).fill_null("")
    return [unicodedata.normalize("NFKC", text)[:_LETTERS].strip() for text in cut]


def _require(events: pl.DataFrame) -> None:
    """Refuse a log without words and stars, or with stars of another scale, by the first row that has them."""
    check_columns(events, (*EVENT_COLUMNS, RATING, TEXT))
    if events.schema[TEXT] != pl.String:
        raise SchemaError(f"{TEXT}: is {events.schema[TEXT]}, must be text; cast it to String")
    rating = pl.col(RATING).cast(pl.Float64).fill_nan(None)
    odd = events.select((~rating.is_between(LOWEST, HIGHEST)) & (pl.col(KIND).cast(pl.String) == REVIEW)).to_series()
    if odd.any():
        row = int(odd.arg_max() or 0)
        raise SchemaError(
            f"{RATING}: {odd.sum():,} reviews are not from {LOWEST:g} to {HIGHEST:g} stars, first: row {row} "
            f"({events[RATING][row]}); bring them to this scale, or make them null"
        )
