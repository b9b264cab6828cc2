"""Several voices, each as loud as its weight: what they say together of one session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recolab.live.opinions import NOTHING, Floats, Ints, Opinion
from recolab.live.sessions import Session
from recolab.live.voices import Voice


@dataclass(frozen=True)
class Heard:
    """What was said of one session: for each voice that was asked, its name, its weight and its opinion of N items."""

    said: Sequence[tuple[str, float, Opinion]]

    def of_all(self, n_items: int) -> Floats:
        """Sum what was said of every item: (N,)."""
        scores = np.zeros(n_items, np.float32)
        for _, weight, opinion in self.said:
            opinion.add_to(scores, weight)
        return scores

    def roughly(self, n_items: int) -> Floats:
        """Sum up as `of_all`, nearly: good enough to tell the best from all others, whose sums `of` gives: (N,)."""
        return Heard([(name, weight, opinion.rough()) for name, weight, opinion in self.said]).of_all(n_items)

    def of(self, rows: Ints) -> Floats:
        """Sum what was said of some rows: (n,) -> (n,)."""
        scores = np.zeros(len(rows), np.float32)
        for _, weight, opinion in self.said:
            scores += np.float32(weight) * opinion.of(rows)
        return scores

    def named(self, n: int) -> Ints:
        """Name the rows that any voice has among its n best, rising."""
        return np.unique(np.concatenate([opinion.best(n) for _, _, opinion in self.said]))

    def shares(self, rows: Ints) -> list[dict[str, float]]:
        """Say how much of the score of some rows each voice gave."""
        parts = [(np.float32(weight) * opinion.of(rows)).tolist() for _, weight, opinion in self.said]
        names = [name for name, _, _ in self.said]
        return [dict(zip(names, of_row, strict=True)) for of_row in zip(*parts, strict=True)]


class Choir:
    """Voices with their weights, of which there are two rows: for lists of what is new to a shopper, and for those that may repeat."""

    def __init__(
        self, voices: Sequence[Voice], weights: Sequence[float], weights_again: Sequence[float] | None = None
    ) -> None:
        """weights_again: where repeats may stand; None = the same  ->  raises ValueError unless each voice has one, by its own name."""
        self.voices, self.weights = list(voices), list(map(float, weights))
        self.weights_again = self.weights if weights_again is None else list(map(float, weights_again))
        for row in (self.weights, self.weights_again):
            if len(voices) != len(row) or len({voice.name for voice in voices}) < len(voices):
                raise ValueError(
                    f"{len(row)} weights for the voices {[v.name for v in voices]}: one each, by its own name"
                )

    def hear(self, session: Session, now: int, again: bool = False) -> Heard:
        """Ask the voices that have a weight; where none of them has anything to say, as of a stranger, ask all alike."""
        heard = self.hear_loud(session, now, again)
        if all(opinion is NOTHING for _, _, opinion in heard.said):
            return Heard([(voice.name, 1.0, voice.opinion(session, now)) for voice in self.voices])
        return heard

    def hear_loud(self, session: Session, now: int, again: bool = False) -> Heard:
        """Ask the voices that have a weight."""
        weights = self.weights_again if again else self.weights
        loud = [(voice, weight) for voice, weight in zip(self.voices, weights, strict=True) if weight]
        return Heard([(voice.name, weight, voice.opinion(session, now)) for voice, weight in loud])

    def follow(self, before: Session, after: Session, row: int, at: int, kind: int) -> None:
        """Let each voice carry over what it remembers of a session to the one with an event more."""
        for voice in self.voices:
            voice.follow(before, after, row, at, kind)
