import msgspec

from proto.facecrop import FaceBox, Portrait, Receipt
from proto.ids import StorageKey
from services.facecrop import items

BOX = FaceBox(x=1, y=2, w=3, h=4)
RECEIPT = Receipt(
    eye_line=0.4,
    head=0.5,
    eye_distance=0.1,
    roll=-1.0,
    rotated=0.0,
    scale=1.0,
    print_dpi=300,
    sharpness=1.0,
    brightness=0.5,
)
PORTRAIT = Portrait(
    face_box=BOX,
    faces=[BOX],
    face_index=0,
    original=StorageKey("outputs/x/a_orig.jpg"),
    medium=StorageKey("outputs/x/a_md.jpg"),
    flags=["padded"],
    receipt=RECEIPT,
)


def test_a_portrait_counts_with_its_measures_and_flags() -> None:
    assert items._measures(PORTRAIT) == {
        "eye_line": 0.4,
        "head": 0.5,
        "eye_distance": 0.1,
        "roll": -1.0,
        "oversized": 0.0,
        "padded": 1.0,
        "upscaled": 0.0,
        "warned": 0.0,
    }


def test_what_was_planned_is_no_measure_and_wants_a_look() -> None:
    planned = msgspec.structs.replace(RECEIPT, measured=False)
    assert items._measures(msgspec.structs.replace(PORTRAIT, receipt=planned)) == {
        "oversized": 0.0,
        "padded": 1.0,
        "upscaled": 0.0,
        "warned": 1.0,
    }
