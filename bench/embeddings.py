"""Made-up embeddings that lie to each other as those of real people do, and a store full of them.

With the default embedder two photographs of two people have a cosine of 0.82 in the middle, and of
one person of 0.97. So each made-up person is a direction of their own beside one that all share,
and each further photograph a little off the person.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import asyncpg
import numpy as np
from numpy.typing import NDArray

from kit.sealing import Vault
from proto.agencies import AgencyId, SubjectId
from proto.ids import AccountId
from services.matching.sealed import of_reference
from vision.modelcard import embedder_card

REPOSITORY = Path("triton_models/repository")
DIMENSIONS = 128

BETWEEN_PEOPLE = 0.82
BETWEEN_PHOTOGRAPHS = 0.97
NEAR = 0.90
"""Of somebody who looks like the person that is photographed; a score of 0.42."""

_SHA256_BYTES = 32
_COLUMNS = (
    "id",
    "account_id",
    "agency_id",
    "subject_id",
    "key",
    "url",
    "sha256",
    "state",
    "embedder",
    "embedding",
    "embedded_at",
)
_CHANGED = """
UPDATE matching.agencies SET gallery = gallery + 1 WHERE account_id = $1 AND id = $2
"""
_NOW = "SELECT now()"
_IDS = """
SELECT nextval(pg_get_serial_sequence('matching.reference_photos', 'id')) AS id
FROM generate_series(1, $1)
"""

Vectors: TypeAlias = NDArray[np.float32]
"""[n, DIMENSIONS], each of unit length."""


def strangers(
    count: int, rng: np.random.Generator, to: Vectors | None = None, near: int = 0
) -> Vectors:
    """Return people.

    Args:
        count: How many.
        rng: Where chance comes from.
        to: Somebody [DIMENSIONS] to whom they are strangers like any other.
        near: How many of them, the first, look like that one.
    """
    known = _directions(1, rng)[0] if to is None else to
    shared = _off(known, np.sqrt(BETWEEN_PEOPLE), _directions(1, rng))
    people = _off(shared, np.sqrt(BETWEEN_PEOPLE), _directions(count, rng))
    people[:near] = _off(known, NEAR, _directions(near, rng))
    return people


def photographed(people: Vectors, rng: np.random.Generator) -> Vectors:
    """Return one photograph of each of the people."""
    return _off(people, np.sqrt(BETWEEN_PHOTOGRAPHS), _directions(len(people), rng))


async def store(
    database_url: str,
    vault: Vault,
    whose: tuple[AccountId, AgencyId],
    subjects: Sequence[SubjectId],
    embeddings: Vectors,
) -> None:
    """Write references down as matching does, without photographs; one for each embedding."""
    account, agency = whose
    version = embedder_card(REPOSITORY).version
    connection = await asyncpg.connect(database_url)
    try:
        now = await connection.fetchval(_NOW)
        ids = [row["id"] for row in await connection.fetch(_IDS, len(embeddings))]
        sealed = [
            vault.seal(each.astype("<f4").tobytes(), of_reference(account, reference, version))
            for reference, each in zip(ids, embeddings, strict=True)
        ]
        rows = [
            (
                reference,
                account,
                agency,
                subject,
                "",
                "https://example.com/reference.jpg",
                os.urandom(_SHA256_BYTES),
                "embedded",
                version,
                embedding,
                now,
            )
            for reference, subject, embedding in zip(ids, subjects, sealed, strict=True)
        ]
        await connection.copy_records_to_table(
            "reference_photos", schema_name="matching", records=rows, columns=list(_COLUMNS)
        )
        await connection.execute(_CHANGED, account, agency)
    finally:
        await connection.close()


def _directions(count: int, rng: np.random.Generator) -> Vectors:
    vectors = rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _off(of: Vectors, cosine: float, towards: Vectors) -> Vectors:
    """Return unit vectors that have this cosine to what they are off, in these directions."""
    across = towards - (towards * of).sum(axis=1, keepdims=True) * of
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return np.asarray(cosine * of + np.sqrt(1 - cosine**2) * across, np.float32)
