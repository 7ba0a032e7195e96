"""Digests and the processor's name are those of the standard library's slower modules."""

from __future__ import annotations

import hashlib
import platform

from hypothesis import given
from hypothesis import strategies as st

from innerloop.util import digests, processor


@given(st.binary(max_size=300))
def test_digest_is_that_of_hashlib_by_every_implementation(content: bytes) -> None:
    expected = hashlib.sha256(content).hexdigest()
    assert digests.sha256(content).hexdigest() == expected
    assert digests.digest_of(content) == expected
    for size in (0, digests.LARGE):
        total = digests.sha256_for(size)
        total.update(content[:7])
        total.update(content[7:])
        assert total.hexdigest() == expected


def test_large_content_is_for_openssl() -> None:
    assert isinstance(digests.sha256_for(digests.LARGE), type(hashlib.sha256()))


def test_machine_is_the_one_of_platform() -> None:
    assert processor.machine() == platform.machine().lower()
