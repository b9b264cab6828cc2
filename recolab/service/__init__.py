"""The live recommender over HTTP: events in, lists out, and nothing is said to be taken that a crash could lose."""

from recolab.service.app import create_app

__all__ = ["create_app"]
