"""Ids as they travel: a path has no numbers, JSON has no UUIDs."""

from __future__ import annotations

import re
from collections.abc import Hashable
from contextlib import suppress
from typing import Any
from uuid import UUID

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_LONG = range(-(2**63), 2**63)  # as whole numbers of logs are


def of_type(value: Hashable, kind: type) -> Hashable:
    """Read an id as the catalog or the log holds it, so that a shopper has one name."""
    if kind is str:
        return str(value)
    if kind is int and isinstance(value, str) and _NUMBER.fullmatch(value) and int(value) in _LONG:
        return int(value)
    if kind is UUID and not isinstance(value, UUID):
        with suppress(ValueError):
            return UUID(str(value))
        return str(value)
    return value


def plain(name: Any) -> Any:
    """Write an id as JSON can."""
    return str(name) if isinstance(name, UUID) else name
