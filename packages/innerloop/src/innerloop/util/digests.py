"""SHA-256 of texts and small files, without the time that loading OpenSSL takes.

`hashlib` loads it at its import, some 20 ms of every start. Python's own implementation gives the same
digests, and is fast enough for anything but large files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# Of so many bytes on, OpenSSL saves more time than it takes to load.
LARGE = 8_000_000

if TYPE_CHECKING:
    import hashlib
    from hashlib import sha256 as sha256
else:
    try:
        from _sha2 import sha256  # Python 3.12 and newer
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:  # a Python that was built without it
            from hashlib import sha256


def sha256_for(size: int) -> hashlib._Hash:
    """A digest to be, by the implementation that is fast for so many bytes."""
    if size < LARGE:
        return sha256()
    import hashlib

    return hashlib.sha256()


def digest_of(content: bytes) -> str:
    """The hexadecimal SHA-256 of some bytes, by the implementation that is fast for them."""
    total = sha256_for(len(content))
    total.update(content)
    return total.hexdigest()
