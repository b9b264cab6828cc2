"""What is freed stays at hand, so that big arrays do not come from the system page by page."""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of glibc's mallopt
LARGE = (
    64 * 2**20
)  # bytes: an array above it still goes back to the system at once; glibc before 2.35 takes half at most
KEPT = 512 * 2**20  # bytes that may lie free at the end of the heap


def keep_freed_memory() -> bool:
    """Have the C library use freed arrays again -> whether it can; others than glibc are left as they are.

    A step of training and a batch of evaluation free and ask for the same megabytes again and again. Handed back in
    between, each comes anew as pages of zeros, one fault every 4 KB: up to seven times as long as filling them.
    It holds for the whole process: KEPT bytes stay at the end of its heap, and so does what lies free below something that lives.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):  # another C library, or Windows
        return False
    kept = mallopt(MMAP_THRESHOLD, LARGE) or mallopt(MMAP_THRESHOLD, LARGE // 2)
    return bool(kept and mallopt(TRIM_THRESHOLD, KEPT))
