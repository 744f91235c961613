"""Which sentences make which column of the class matrix, and the hash by which a change shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from edgeclip.contract.hashing import sha256_bytes

Columns = Mapping[str, Sequence[Sequence[str]]]
"""Class name -> for each of its columns the sentences that the column is the mean of."""


def columns_sha256(columns: Columns) -> str:
    """Return the hash of classes, columns and sentences, in order."""
    content = [[name, [list(column) for column in own]] for name, own in columns.items()]
    return sha256_bytes(json.dumps(content, ensure_ascii=False).encode())


def split_sentences(
    sentences: Sequence[str], sizes: Sequence[int], count: int
) -> list[list[str]] | None:
    """Return the sentences of each column of a class, or None where that cannot be told.

    Args:
        sentences: Of the class, in order.
        sizes: Sentences of each column; empty where a pack does not say.
        count: Columns that the class has.
    """
    if not sizes and count == 1:
        sizes = [len(sentences)]
    elif not sizes and count == len(sentences):
        sizes = [1] * count
    if len(sizes) != count or sum(sizes) != len(sentences):
        return None
    ends = [sum(sizes[: index + 1]) for index in range(count)]
    return [list(sentences[end - size : end]) for end, size in zip(ends, sizes, strict=True)]
