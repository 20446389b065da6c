"""Which face of a reference is the subject's."""

import pytest

from proto.facecrop import FaceBox
from proto.facereader import Doubt, Embedder, FacesRead, SeenFace
from services.matching.choosing import Problem, chosen_face


def face(x: int, size: int, *doubts: Doubt) -> SeenFace:
    return SeenFace(
        box=FaceBox(x=x, y=100, w=size, h=size),
        eye_distance=size / 2.5,
        certainty=0.9,
        sharpness=1.0,
        doubts=list(doubts),
        embedding=str(x).encode(),
    )


def read(*faces: SeenFace) -> FacesRead:
    embedder = Embedder(version="v1", dimensions=1, midpoint=0.0, slope=1.0)
    return FacesRead(width=4000, height=3000, faces=list(faces), embedder=embedder)


@pytest.mark.parametrize(
    "others",
    [
        (),
        # a bystander in the background
        (face(2000, 199),),
        (face(2000, 100), face(2500, 90)),
    ],
)
def test_the_largest_face_counts(others: tuple[SeenFace, ...]) -> None:
    largest = face(1000, 500)
    assert chosen_face(read(largest, *others), None) is largest


@pytest.mark.parametrize(
    ("faces", "code"),
    [
        ((), "NO_FACE"),
        ((face(1000, 500), face(2000, 200)), "SEVERAL_FACES"),
        ((face(1000, 500), face(2000, 500)), "SEVERAL_FACES"),
        ((face(1000, 500, "small_face"),), "POOR_QUALITY"),
        ((face(1000, 500, "cut", "blurred"),), "POOR_QUALITY"),
        ((face(1000, 500, "turned_away"),), "POOR_QUALITY"),
    ],
)
def test_other_photographs_are_no_references(faces: tuple[SeenFace, ...], code: str) -> None:
    problem = chosen_face(read(*faces), None)
    assert isinstance(problem, Problem)
    assert problem.code == code


def test_a_head_that_is_cut_is_a_face_all_the_same() -> None:
    cut = face(1000, 500, "cut")
    assert chosen_face(read(cut), None) is cut


def test_everything_that_is_wrong_is_told() -> None:
    problem = chosen_face(read(face(0, 500, "blurred", "overexposed")), None)
    assert isinstance(problem, Problem)
    assert problem.message.endswith("the face is blurred, the face is too bright.")


def test_where_somebody_saw_the_subject_the_face_there_counts() -> None:
    left, right = face(1000, 500), face(2000, 450)
    near = FaceBox(x=2010, y=95, w=440, h=460)
    assert chosen_face(read(left, right), near) is right
    assert isinstance(chosen_face(read(left, face(2000, 450, "blurred")), near), Problem)
    assert isinstance(chosen_face(read(), near), Problem)


@pytest.mark.parametrize(
    ("near", "found"),
    [
        (FaceBox(x=1080, y=100, w=500, h=500), True),
        (FaceBox(x=1000, y=100, w=300, h=450), True),
        # beside it, around it, within it
        (FaceBox(x=1400, y=100, w=500, h=500), False),
        (FaceBox(x=0, y=0, w=2000, h=2000), False),
        (FaceBox(x=1200, y=300, w=100, h=100), False),
        (FaceBox(x=3500, y=2500, w=0, h=0), False),
    ],
)
def test_where_the_subject_was_seen_there_must_be_a_face(near: FaceBox, found: bool) -> None:
    only = face(1000, 500)
    answer = chosen_face(read(only), near)
    if found:
        assert answer is only
    else:
        assert isinstance(answer, Problem)
        assert answer.code == "NO_FACE"
