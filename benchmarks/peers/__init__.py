"""Peers as their makers ship them, each run in an environment of its own, where nothing of recolab is installed."""
