"""What an item is: words of its title, category, brand and text, compared by cosine."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize

from recolab.histories import PAD, Catalog, Histories
from recolab.schema import BRAND, CATEGORY, TEXT, TITLE


class Content:
    """Items like those of the history, by their words: the article's CountVectorizer, or TF-IDF."""

    def __init__(
        self, half_life_days: float = 30, words: Literal["count", "tfidf"] = "tfidf", name: str = "Content"
    ) -> None:
        self.half_life_days, self.words, self.name = half_life_days, words, name

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Read the catalog's words; popularity orders items that say nothing."""
        texts = item_texts(catalog)
        vectorizer = (CountVectorizer if self.words == "count" else TfidfVectorizer)(token_pattern=r"(?u)\b\w+\b")
        words = vectorizer.fit_transform(texts) if any(texts) else None
        self.vectors = None if words is None else normalize(words.astype(np.float32)).tocsr()  # (N, words)
        ever = np.bincount(histories.items, minlength=len(catalog)).astype(np.float32)
        self.popularity = ever / (ever.max(initial=1) * 1e6)
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Compare every item with the decayed mean of the history: (B, N)."""
        scores = np.tile(self.popularity, (len(histories), 1))
        if self.vectors is not None and len(histories):
            profile = histories.matrix(len(self.popularity), histories.weights(self.half_life_days)) @ self.vectors
            scores += (normalize(profile) @ self.vectors.T).toarray()
        scores[:, PAD] = -np.inf
        return scores


def item_texts(catalog: Catalog) -> list[str]:
    """Join what the catalog says about each item: N strings, empty for PAD."""
    known = [catalog.column(name).cast(str).fill_null("").to_list() for name in (TITLE, CATEGORY, BRAND, TEXT)]
    return [" ".join(parts).strip() for parts in zip(*known, strict=True)]
