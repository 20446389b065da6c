"""Finding the subjects whose references are nearest to a face: exactly, whoever else asks at once.

Every reference is compared with, always: an index that is only nearly right would give other
answers to the same question. The large product is of float32, whose last digits depend on how many
faces are compared together; so it only chooses who is looked at closely. What is told is computed
again for these few, in double precision and in one order, and rounded.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from proto.agencies import SubjectId
from services.matching.deciding import COSINE_DIGITS, MOST_CANDIDATES, Likeness

Vectors: TypeAlias = NDArray[np.float32]
"""[n, d], each of unit length."""

_PRODUCT_ENTRIES = 1 << 22
"""Of one product, 16 MB: a few times more fall out of the processor's caches."""
_OUT = np.float32(-4.0)
"""Below every cosine."""
_CLOSELY = MOST_CANDIDATES + 1
"""Subjects that are looked at closely: one more than told, to see whether that one is as near."""
_TIE = 2e-5
"""More than rounding and float32 together can be wrong by."""


@dataclass(frozen=True, slots=True)
class References:
    """What faces are compared with: rows of one matrix, those of a subject one after the other."""

    matrix: Vectors
    subjects: NDArray[np.int64]
    """[s], ascending."""
    starts: NDArray[np.int64]
    """[s + 1]: the rows of subject i are those from starts[i] to starts[i + 1]."""

    @classmethod
    def of(cls, matrix: Vectors, subject_of_row: NDArray[np.int64]) -> "References":
        """Return references whose rows are in the order of their subjects."""
        subjects, first = np.unique(subject_of_row, return_index=True)
        starts = np.append(first, len(matrix)).astype(np.int64)
        return cls(np.ascontiguousarray(matrix, np.float32), subjects.astype(np.int64), starts)

    def cosine(self, face: Vectors, subject: SubjectId) -> float | None:
        """Return the best cosine of a face [d] and a subject's references, None without any."""
        at = int(np.searchsorted(self.subjects, subject))
        if at == len(self.subjects) or self.subjects[at] != subject:
            return None
        return self._cosine(face, at)

    def nearest(
        self, faces: Vectors, only: Collection[SubjectId] | None = None
    ) -> list[tuple[Likeness, ...]]:
        """Return the nearest subjects of each face [b, d], at most MOST_CANDIDATES, best first.

        Subjects that are equally near come by id. With `only`, others are not looked at.
        """
        if not len(self.subjects) or not len(faces):
            return [()] * len(faces)
        out = None if only is None else self._left_out(only)
        places, cosines = self._promising(np.ascontiguousarray(faces, np.float32), out)
        found: list[tuple[Likeness, ...]] = []
        for face, of_face, best in zip(faces, places, cosines, strict=True):
            seen = self._looked_at(face, of_face[best > _OUT / 2])
            if len(seen) == _CLOSELY and seen[-2].cosine - seen[-1].cosine < _TIE:
                # as many may be as near, such as those who all have the same picture
                seen = self._looked_at(face, self._from(face, seen[-2].cosine - _TIE, out))
            found.append(tuple(seen[:MOST_CANDIDATES]))
        return found

    def _promising(
        self, faces: Vectors, out: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], Vectors]:
        """Return for each face the places of the nearest subjects, and their float32 cosines."""
        places: list[NDArray[np.int64]] = []
        cosines: list[Vectors] = []
        for first, last in self._blocks(len(faces)):
            start, end = self.starts[first], self.starts[last]
            product = faces @ self.matrix[start:end].T
            if out is not None:
                product[:, out[start:end]] = _OUT
            for _ in range(min(_CLOSELY, last - first)):
                best, of_best = self._best(product, first, last)
                places.append(best)
                cosines.append(of_best)
        all_places, all_cosines = np.stack(places, axis=1), np.stack(cosines, axis=1)
        order = np.argsort(-all_cosines, axis=1, kind="stable")[:, :_CLOSELY]
        return (
            np.take_along_axis(all_places, order, axis=1),
            np.take_along_axis(all_cosines, order, axis=1),
        )

    def _best(self, product: Vectors, first: int, last: int) -> tuple[NDArray[np.int64], Vectors]:
        """Return the place of the subject of each face's best row, and take that subject out."""
        rows = product.argmax(axis=1)
        cosines = product[np.arange(len(product)), rows]
        starts = self.starts[first : last + 1] - self.starts[first]
        found = np.searchsorted(starts, rows, side="right") - 1
        for of_face, place in zip(product, found, strict=True):
            of_face[starts[place] : starts[place + 1]] = _OUT
        return found + first, cosines

    def _blocks(self, faces: int) -> list[tuple[int, int]]:
        """Cut the subjects into runs whose products are of a size that caches hold."""
        rows = max(1, _PRODUCT_ENTRIES // faces)
        blocks: list[tuple[int, int]] = []
        first, most = 0, len(self.subjects)
        while first < most:
            fits = int(np.searchsorted(self.starts, self.starts[first] + rows, side="right")) - 1
            last = min(most, max(first + 1, fits))
            blocks.append((first, last))
            first = last
        return blocks

    def _left_out(self, only: Collection[SubjectId]) -> NDArray[np.bool_]:
        wanted = np.isin(self.subjects, np.fromiter(only, np.int64, len(only)))
        return np.repeat(~wanted, np.diff(self.starts))

    def _from(
        self, face: Vectors, cosine: float, out: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Return the places of all subjects that are that near."""
        product = self.matrix @ face
        if out is not None:
            product[out] = _OUT
        return np.flatnonzero(np.maximum.reduceat(product, self.starts[:-1]) >= cosine)

    def _looked_at(self, face: Vectors, places: NDArray[np.int64]) -> list[Likeness]:
        """Order subjects by what a closer look says."""
        seen = [
            Likeness(SubjectId(int(self.subjects[place])), self._cosine(face, int(place)))
            for place in places
        ]
        seen.sort(key=lambda each: (-each.cosine, each.subject))
        return seen

    def _cosine(self, face: Vectors, place: int) -> float:
        rows = self.matrix[self.starts[place] : self.starts[place + 1]].astype(np.float64)
        # not a product of matrices, whose order of adding depends on their shapes
        return round(float((rows * face.astype(np.float64)).sum(axis=1).max()), COSINE_DIGITS)


def nobody(dimensions: int) -> References:
    """Return references of nobody."""
    return References.of(np.empty((0, dimensions), np.float32), np.empty(0, np.int64))


def as_vector(embedding: bytes) -> Vectors:
    """Return an embedding as it travels, float32 and little-endian, as numbers [d]."""
    return np.frombuffer(embedding, "<f4").astype(np.float32)


def as_rows(embeddings: Sequence[bytes], dimensions: int) -> Vectors:
    """Return embeddings as rows [n, d]."""
    return np.frombuffer(b"".join(embeddings), "<f4").reshape(-1, dimensions)
