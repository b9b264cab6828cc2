"""Words stand in for stars: learned from the past alone, better than any guess that reads nothing, and safe from what people write."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recolab.feedback import sentiment as module
from recolab.feedback.sentiment import LEAST_REVIEWS, fill_values, judge_sentiment, learn_sentiment
from recolab.schema import ITEM, KIND, PURCHASE, RATING, REVIEW, TEXT, TIME, USER, VALUE, SchemaError
from recolab.sources.shop import ShopConfig, simulate_shop

START = datetime(2025, 1, 6)
# What was said, and the stars that came with it.
WORDS = {
    "Wonderful, I love it": 5,
    "Very good, works well": 5,
    "Not good at all, broke at once": 1,
    "Terrible, waste of money": 1,
    "It is okay, nothing special": 3,
    "非常好，我很喜欢": 5,
    "质量很好，推荐购买": 5,
    "不好用，马上就坏了": 1,
    "太差了，浪费钱": 1,
    "一般，没什么特别": 3,
}


def reviews(texts, ratings, kind=REVIEW):
    n = len(texts)
    return pl.DataFrame(
        {
            USER: range(n),
            ITEM: ["a"] * n,
            TIME: [START + timedelta(hours=hour) for hour in range(n)],
            KIND: [kind] * n,
            VALUE: [9.0] * n,
            RATING: pl.Series(ratings, dtype=pl.Float64),
            TEXT: pl.Series(texts, dtype=pl.String),
        }
    )


def many(times=10):
    """Every text as often, in two alphabets and with other words around it."""
    things = ["lamp", "tea", "phone", "shirt", "灯", "茶", "手机", "衬衫"]
    said = [(f"{text}. {thing}", stars) for text, stars in WORDS.items() for thing in things]
    order = np.random.default_rng(0).permutation(len(said) * times // 8)
    return reviews(*zip(*[said[at % len(said)] for at in order], strict=True))


@pytest.fixture(scope="module")
def sentiment():
    return learn_sentiment(many())


@pytest.fixture(scope="module")
def shop():
    """The shop's log, whose reviews say what their stars say, and some of them something else."""
    config = ShopConfig(n_users=400, n_items=200, n_events=30_000, days=90, dirt_share=0, n_bots=0)
    events = simulate_shop(config).events
    rng = np.random.default_rng(3)
    moved = (events[RATING].to_numpy() + rng.choice([-1, 0, 1], len(events), p=[0.2, 0.6, 0.2])).clip(1, 5)
    return events.with_columns(pl.Series(RATING, moved).fill_nan(None))


# Reading


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("I love this chair, works well", "broke at once, waste of money"),
        ("这个椅子非常好", "这个椅子不好用"),
        ("很喜欢，推荐", "太差，坏了"),
        ("good", "not good"),
        ("ＷＯＮＤＥＲＦＵＬ", "ＴＥＲＲＩＢＬＥ"),  # the wide letters of Chinese keyboards
    ],
)
def test_praise_reads_better_than_blame_in_english_and_chinese(sentiment, better, worse):
    high, low = sentiment.stars(pl.Series([better, worse]))
    assert high > low + 0.4


def test_what_was_learned_is_known_and_what_was_never_seen_says_the_mean(sentiment):
    past = many()
    assert np.abs(sentiment.stars(past[TEXT]) - past[RATING].to_numpy()).mean() < 0.3
    unknown, empty = sentiment.stars(pl.Series(["ЖЖЖ", "  "]))
    assert unknown == pytest.approx(past[RATING].mean(), abs=0.3)
    assert np.isnan(empty)


def test_whatever_people_write_gets_stars_from_1_to_5_or_none(sentiment):
    written = [
        "😀" * 9,
        "🤬",
        "a" * 3_000_000,
        "\x00\u202e\u200b",
        "ﷺ" * 9_000,
        "<script>",
        "'; --",
        "!" * 99,
        "good " * 9_999,
    ]
    stars = sentiment.stars(pl.Series(written))
    assert ((stars >= 1) & (stars <= 5)).all()
    nothing = sentiment.stars(pl.Series([None, "", " \n\t", "\u3000"], dtype=pl.String))
    assert np.isnan(nothing).all()
    assert sentiment.stars(pl.Series([], dtype=pl.String)).shape == (0,)


def test_emoji_alone_can_be_learned():
    faces = reviews(["😀", "😀😀!", "😡", "😡 😡"] * 20, [5, 5, 1, 1] * 20)
    glad, angry = learn_sentiment(faces).stars(pl.Series(["😀😀", "😡😡"]))
    assert glad > 4
    assert angry < 2


@pytest.mark.parametrize("long", ["lamp " * 1000, "ﷺ " * 1000])  # the second has 18 letters where one was written
def test_words_behind_the_limit_are_not_read(sentiment, long):
    assert sentiment.stars(pl.Series([long]))[0] == sentiment.stars(pl.Series([long + "terrible " * 500]))[0]


def test_no_praise_is_worth_more_than_5_stars():
    said = reviews(["a great big old lamp", "a big old lamp"] * 30, [5, 1] * 30)
    praised = learn_sentiment(said)
    assert praised.model.predict(["great"])[0] > 5
    assert praised.stars(pl.Series(["great"]))[0] == 5


def test_words_are_read_in_their_order():
    """No word by itself, nor any run within one, tells these apart."""
    said = reviews(["not good", "not bad", "very good", "very bad"] * 20, [1, 5, 5, 1] * 20)
    assert learn_sentiment(said).stars(said[TEXT].head(4)) == pytest.approx([1, 5, 5, 1], abs=0.5)


# Learning


@pytest.mark.parametrize("spoil", [{TEXT: ""}, {TEXT: None}, {RATING: None}, {RATING: np.nan}, {KIND: PURCHASE}])
def test_too_few_reviews_are_refused_with_the_number_that_is_needed(spoil):
    good = many().head(LEAST_REVIEWS)
    assert learn_sentiment(good).reviews == LEAST_REVIEWS
    (name, value), *_ = spoil.items()
    first = pl.int_range(pl.len()) == 0
    one_less = good.with_columns(pl.when(first).then(pl.lit(value, good.schema[name])).otherwise(name).alias(name))
    with pytest.raises(
        ValueError, match=f"{LEAST_REVIEWS} or more reviews .* both text and rating; there are 49: wait"
    ):
        learn_sentiment(one_less)


def test_one_opinion_teaches_nothing():
    with pytest.raises(ValueError, match="all 60 reviews with text have 4 stars"):
        learn_sentiment(reviews(["good"] * 60, [4] * 60))


def test_stars_of_another_scale_are_refused_by_row(sentiment):
    odd = reviews(["good"] * 3, [5, 80, 0])
    said = r"rating: 2 reviews are not from 1 to 5 stars, first: row 1 \(80.0\); bring them to this scale"
    with pytest.raises(SchemaError, match=said):
        learn_sentiment(odd)
    with pytest.raises(SchemaError, match=said):
        fill_values(odd, sentiment)


def test_missing_columns_and_texts_that_are_none_are_named(sentiment):
    for name in (TEXT, RATING):
        with pytest.raises(SchemaError, match=f"{name}: no such column"):
            learn_sentiment(many().drop(name))
    with pytest.raises(SchemaError, match="text: is Int64, must be text"):
        fill_values(many().with_columns(pl.lit(1, pl.Int64).alias(TEXT)), sentiment)


def test_of_very_many_reviews_the_newest_are_learned(monkeypatch):
    monkeypatch.setattr(module, "_MOST_REVIEWS", 60)
    fashion = reviews(["sick", "fine"] * 30 + ["sick", "meh"] * 30, [1, 3] * 30 + [5, 2] * 30)
    learned = learn_sentiment(fashion.sample(fraction=1, shuffle=True, seed=1))
    assert learned.reviews == 60
    assert learned.stars(pl.Series(["sick"]))[0] > 4


# Filling


def test_only_reviews_with_words_and_without_stars_get_what_their_words_say(sentiment):
    texts = ["Terrible, waste of money", "Terrible, waste of money", None, "", "Wonderful, I love it"]
    events = reviews(texts, [None, 4, 2, None, np.nan])
    bought = reviews(["Terrible, waste of money"], [None], PURCHASE)
    unkind = bought.with_columns(pl.lit(None, pl.String).alias(KIND))
    filled = fill_values(pl.concat([events, bought, unkind]), sentiment)
    values = filled[VALUE].to_list()
    assert values[1:4] == [4, 2, 9]
    assert values[5:] == [9, 9]
    assert values[0] < 2
    assert values[4] > 4
    assert values[0] == sentiment.stars(pl.Series(texts[:1]))[0]
    assert_frame_equal(filled.drop(VALUE), pl.concat([events, bought, unkind]).drop(VALUE))


def test_a_log_without_silent_reviews_keeps_its_values(sentiment, shop):
    untouched = shop.with_columns(pl.col(RATING).fill_null(pl.col(VALUE)))
    bought = untouched.filter(pl.col(KIND) == PURCHASE).with_columns(pl.lit(None, pl.Float64).alias(RATING))
    assert fill_values(bought, sentiment)[VALUE].equals(bought[VALUE])
    assert fill_values(bought.clear(), sentiment).is_empty()
    scored = bought.with_columns(pl.lit(80.0).alias(RATING))  # a number of somebody else's, about no review
    assert fill_values(scored, sentiment)[VALUE].equals(bought[VALUE])


# Judging


def test_words_of_the_shop_are_worth_more_than_its_mean(shop):
    cut = START + timedelta(days=60)
    table = judge_sentiment(shop, cut)
    words, mean, median = table.rows(named=True)
    assert [row["guess"] for row in (words, mean, median)] == ["sentiment", "mean", "median"]
    for guess in (mean, median):
        assert words["mae_high"] < guess["mae_low"]
        assert guess["gain"] == pytest.approx(guess["mae"] - words["mae"])
        assert 0 < guess["gain_low"] < guess["gain"] < guess["gain_high"]
        assert guess["rank_correlation"] is None
    assert 0.5 < words["rank_correlation_low"] < words["rank_correlation"] < words["rank_correlation_high"] < 1
    assert (words["gain"], words["reviews"]) == (
        None,
        len(shop.filter((pl.col(TIME) >= cut) & (pl.col(KIND) == REVIEW))),
    )
    assert judge_sentiment(shop, cut).equals(table)


def test_the_mean_guess_is_worked_by_hand():
    past = reviews(["good", "bad"] * 30, [4, 1] * 30)
    later = reviews(["good", "bad", "good", "bad"], [5, 1, 5, 1]).with_columns(pl.col(TIME) + timedelta(days=9))
    words, mean, median = judge_sentiment(pl.concat([past, later]), START + timedelta(days=9)).rows(named=True)
    assert (mean["mae"], median["mae"]) == (2.0, 2.0)  # |5 - 2.5| and |1 - 2.5|
    assert words["mae"] < 1
    assert words["rank_correlation"] == pytest.approx(1)


def test_where_all_later_stars_are_the_same_there_is_no_order_to_find():
    past, later = reviews(["good", "bad"] * 30, [4, 1] * 30), reviews(["good", "bad", "good"], [4, 4, 4])
    log = pl.concat([past, later.with_columns(pl.col(TIME) + timedelta(days=9))])
    assert judge_sentiment(log, START + timedelta(days=9))["rank_correlation"].to_list() == [None] * 3


def test_what_comes_after_the_cut_is_not_learned_from(shop):
    cut = START + timedelta(days=60)
    turned = shop.with_columns(pl.when(pl.col(TIME) >= cut).then(6 - pl.col(RATING)).otherwise(RATING).alias(RATING))
    ranks = [judge_sentiment(log, cut)["rank_correlation"][0] for log in (shop, turned)]
    assert ranks[1] == pytest.approx(-ranks[0])


def test_words_that_say_nothing_are_worth_nothing(shop):
    """Shuffled among the reviews, words lose what they said: the interval says so."""
    is_review = shop[KIND] == REVIEW
    told = shop.filter(is_review).with_columns(pl.col(TEXT).shuffle(seed=1))
    words, mean, _ = judge_sentiment(told, START + timedelta(days=60)).rows(named=True)
    assert words["rank_correlation_low"] < 0.1
    assert mean["gain_low"] < 0.02


def test_nothing_to_judge_on_is_refused(shop):
    with pytest.raises(ValueError, match=r"0 review\(s\) from 2026-01-01 00:00:00 on .* choose an earlier cut"):
        judge_sentiment(shop, datetime(2026, 1, 1))
