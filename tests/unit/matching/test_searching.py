"""Searching, held against the plainest way of doing the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from proto.agencies import SubjectId
from services.matching import searching
from services.matching.deciding import COSINE_DIGITS, MOST_CANDIDATES, Likeness
from services.matching.searching import References, Vectors, as_rows, as_vector

DIMENSIONS = 16


def vectors(seed: int, count: int) -> Vectors:
    found: Vectors = np.random.default_rng(seed).standard_normal((count, DIMENSIONS), np.float32)
    found += np.float32(0.5)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def of(rows: Vectors, subjects: list[int]) -> References:
    return References.of(rows, np.array(subjects, np.int64))


def plainly(
    rows: Vectors, subjects: list[int], face: Vectors, only: set[int] | None = None
) -> tuple[Likeness, ...]:
    best: dict[int, float] = {}
    for row, subject in zip(rows.astype(np.float64), subjects, strict=True):
        if only is None or subject in only:
            cosine = float((row * face.astype(np.float64)).sum())
            best[subject] = max(best.get(subject, -2.0), cosine)
    rounded = {subject: round(cosine, COSINE_DIGITS) for subject, cosine in best.items()}
    order = sorted(rounded, key=lambda subject: (-rounded[subject], subject))
    return tuple(Likeness(SubjectId(each), rounded[each]) for each in order[:MOST_CANDIDATES])


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
    st.integers(1, 5),
    st.none() | st.sets(st.integers(1, 12)),
)
def test_it_finds_what_the_plain_way_finds(
    seed: int, subjects: list[int], count: int, only: set[int] | None
) -> None:
    subjects.sort()
    rows, faces = vectors(seed, len(subjects)), vectors(seed + 1, count)
    wanted = None if only is None else {SubjectId(each) for each in only}
    found = of(rows, subjects).nearest(faces, wanted)
    assert found == [plainly(rows, subjects, face, only) for face in faces]


@pytest.mark.parametrize("entries", [1, 7, 64, 1 << 22])
def test_the_size_of_products_changes_nothing(
    entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = sorted(int(each) for each in np.random.default_rng(5).integers(1, 60, 500))
    rows, faces = vectors(1, 500), vectors(2, 40)
    plain = [plainly(rows, subjects, face) for face in faces]
    monkeypatch.setattr(searching, "_PRODUCT_ENTRIES", entries)
    assert of(rows, subjects).nearest(faces) == plain


def test_who_else_asks_changes_nothing() -> None:
    subjects = sorted(int(each) for each in np.random.default_rng(6).integers(1, 300, 3000))
    references, faces = of(vectors(3, 3000), subjects), vectors(4, 200)
    together = references.nearest(faces)
    assert together == [references.nearest(face[None])[0] for face in faces]
    assert together[::-1] == references.nearest(faces[::-1])


@pytest.mark.parametrize("count", [2, 6, 200])
def test_equal_subjects_come_by_id(count: int) -> None:
    # a float32 product of equal rows need not be equal: its order of adding changes with the place
    rows, face = np.repeat(vectors(1, 1), count, axis=0), vectors(2, 1)
    subjects = list(range(1, count + 1))
    assert of(rows, subjects).nearest(face) == [plainly(rows, subjects, face[0])]
    wanted = {SubjectId(each) for each in subjects[1:]}
    found = of(rows, subjects).nearest(face, wanted)
    assert found == [plainly(rows, subjects, face[0], set(subjects[1:]))]


def test_a_subject_is_as_near_as_its_nearest_reference() -> None:
    rows, face = vectors(1, 3), vectors(2, 1)[0]
    references = of(rows, [4, 4, 7])
    cosines = [float((row.astype(float) * face.astype(float)).sum()) for row in rows]
    assert references.cosine(face, SubjectId(4)) == round(max(cosines[:2]), COSINE_DIGITS)
    assert references.cosine(face, SubjectId(7)) == round(cosines[2], COSINE_DIGITS)
    for nobody in (3, 5, 8):
        assert references.cosine(face, SubjectId(nobody)) is None


def test_nobody_and_nothing() -> None:
    none: NDArray[np.float32] = np.empty((0, DIMENSIONS), np.float32)
    assert of(none, []).nearest(vectors(1, 2)) == [(), ()]
    assert of(none, []).cosine(vectors(1, 1)[0], SubjectId(1)) is None
    references = of(vectors(1, 2), [1, 2])
    assert references.nearest(none) == []
    assert references.nearest(vectors(2, 1), set()) == [()]
    assert references.nearest(vectors(2, 1), {SubjectId(99)}) == [()]


def test_embeddings_are_little_endian_floats() -> None:
    rows = vectors(1, 3)
    packed = [row.astype("<f4").tobytes() for row in rows]
    assert (as_rows(packed, DIMENSIONS) == rows).all()
    assert (as_vector(packed[1]) == rows[1]).all()
    assert as_rows([], DIMENSIONS).shape == (0, DIMENSIONS)
