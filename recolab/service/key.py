"""The key that writing wants, and asking about a shopper by name."""

from __future__ import annotations

import os
import secrets
from typing import Annotated

from fastapi import Depends, HTTPException
from fastapi.security import APIKeyHeader

KEY_HEADER = "X-API-Key"


class Key:
    """Asked of whoever writes or names a shopper, byte for byte as the environment holds it."""

    def __init__(self, key: str) -> None:
        """Raises ValueError for an empty key, and one with blanks around it, which no header keeps."""
        if not key:
            raise ValueError("an empty API key would let everybody write")
        if key != key.strip():
            raise ValueError(
                "the API key begins or ends with a blank or a line's end, which no header keeps: take it away"
            )
        self._wanted = os.fsencode(key)

    def opens(self, key: str | None) -> bool:
        """Tell whether it is this one, in a time that does not tell how much of it was right."""
        return key is not None and secrets.compare_digest(key.encode("latin-1"), self._wanted)

    async def __call__(
        self, key: Annotated[str | None, Depends(APIKeyHeader(name=KEY_HEADER, auto_error=False))]
    ) -> None:
        """Refuse a request without it: 401."""
        if not self.opens(key):
            fault = "is missing" if key is None else "is not the one that the service was started with"
            raise HTTPException(401, f"the API key in the header {KEY_HEADER} {fault}")
