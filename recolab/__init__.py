"""recolab: real-time, personalised e-commerce recommendation with large sequence models."""

from importlib import import_module

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Bring `recolab.benchmark` when it is first asked for: the package alone shall be light to import."""
    if name != "benchmark":
        raise AttributeError(f"module 'recolab' has no attribute {name!r}")
    return import_module("recolab.benchmark")
