"""Which of the shipped recommenders is the one that answers: one small file says so, and a promotion is its replacement."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from recolab.lab import write_atomically
from recolab.live.recommender import LiveRecommender
from recolab.live.shipping import is_shipped, open_live
from recolab.live.shop import LiveShop

VERSIONS, _CURRENT = "versions", "current.json"
FIRST = "1"  # what was shipped into the shop's own folder


def open_shop(root: Path) -> LiveShop:
    """Open a shop with the version that was promoted last, or with what was shipped into its own folder; a trial goes on.

    Raises as `open_live`.
    """
    version = (promoted(root) or [FIRST])[-1]
    shop = LiveShop(open_live(_folder(root, version)), root, version)
    if shop.interrupted:
        _try_on(shop, shop.interrupted)
    return shop


def exchange(shop: LiveShop, version: str) -> None:
    """Promote a version, for now and for every start to come; raises as `promote`."""
    with shop.changing:
        live, before = open_live(_folder(shop.folder, version)), promoted(shop.folder)
        promote(shop.folder, version)
        _take_over(shop, live, version, before)


def go_back(shop: LiveShop) -> None:
    """Let the version before answer again, for now and for every start to come; raises as `roll_back`."""
    with shop.changing:
        before = promoted(shop.folder)
        live = open_live(_folder(shop.folder, before[-2])) if len(before) > 1 else shop.live  # refused by the next line
        version = roll_back(shop.folder)
        _take_over(shop, live, version, before)


def challenge(shop: LiveShop, version: str) -> None:
    """Put a shipped version on trial; raises as `open_live` and `LiveShop.try_out`."""
    shop.try_out(open_live(_folder(shop.folder, version)), version)


def _try_on(shop: LiveShop, version: str) -> None:
    """Go on with a trial that a stop has interrupted; where its version cannot be opened any more, the champion goes on alone."""
    try:
        challenger = open_live(_folder(shop.folder, version))
    except Exception as error:
        warnings.warn(f"the trial of version {version} is over, as it cannot be opened: {error}", stacklevel=3)
        shop.end_trial()
    else:
        shop.try_out(challenger, version)


def _take_over(shop: LiveShop, live: LiveRecommender, version: str, before: list[str]) -> None:
    """Swap; where that fails, the next start is to open what still answers."""
    try:
        shop.swap(live, version)
    except BaseException:
        _write(shop.folder, before or [FIRST])
        raise


def _folder(root: Path, version: str) -> Path:
    """Find a version: the first is in the shop's own folder, unless it was shipped beside the others."""
    beside = version_folder(root, version)
    return root if version == FIRST and not beside.exists() else beside


def version_folder(root: Path, version: str) -> Path:
    """Say where a version is shipped to; raises ValueError for a name that is no plain folder's."""
    if version in ("", ".", "..") or Path(version).name != version:
        raise ValueError(f"version = {version!r} must be a plain folder name, such as '2'")
    return root / VERSIONS / version


def promote(root: Path, version: str) -> None:
    """Let a shipped version answer from the next start on: whole or not at all, whenever it is interrupted; once is enough.

    Raises FileNotFoundError where that version was not shipped to its end.
    """
    if not is_shipped(folder := _folder(root, version)):
        raise FileNotFoundError(f"{folder}: no such version, or not shipped to its end: ship it there first")
    history = promoted(root) or [FIRST]
    if history[-1] != version:
        _write(root, [*history, version])


def roll_back(root: Path) -> str:
    """Let the version before answer again  ->  its name; raises ValueError where there is none."""
    history = promoted(root)
    if len(history) < 2:
        raise ValueError(f"{root / _CURRENT}: {len(history)} promotions, so there is none to go back to")
    _write(root, history[:-1])
    return history[-2]


def promoted(root: Path) -> list[str]:
    """Name the versions that were promoted and not rolled back, the one that answers last."""
    path = root / _CURRENT
    if not path.exists():
        return []
    try:
        history = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(
            f"{path}: no JSON ({error}); write a list of version names, the one that answers last"
        ) from error
    if not (isinstance(history, list) and all(isinstance(name, str) for name in history)):
        raise ValueError(f"{path}: {history!r} must be a list of version names, the one that answers last")
    return history


def _write(root: Path, history: list[str]) -> None:
    with write_atomically(root / _CURRENT) as temporary:
        temporary.write_text(json.dumps(history))
