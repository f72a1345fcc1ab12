"""Vectors that replace the embeddings of a model: texts that share words have similar vectors."""

import hashlib
import math
import re

MODEL = "text-embedding-3-small"
DIMENSIONS = 64
WORD = re.compile(r"\w+")


def embed(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Return a vector of length 1: each word adds 1 or -1 in a dimension that its hash selects."""
    vector = [0.0] * dimensions
    for word in WORD.findall(text.lower()) or [text]:
        digest = hashlib.sha256(word.encode()).digest()
        vector[int.from_bytes(digest[:8]) % dimensions] += 1 if digest[8] % 2 else -1
    length = math.hypot(*vector)
    if length == 0:  # the words cancel each other
        return [1.0, *vector[1:]]
    return [round(value / length, 8) for value in vector]
