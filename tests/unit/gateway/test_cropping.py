import pytest

from proto.ids import StorageKey
from proto.photos import RemotePhoto, StoredPhoto
from services.gateway.cropping import operation_of
from services.gateway.photos import Photo, first_of_each, remote


def stored(name: str, content: bytes) -> Photo:
    return Photo(name, StoredPhoto(key=StorageKey(f"uploads/{name}")), content)


def test_photos_with_the_same_content_point_to_the_first_of_them() -> None:
    contents = [b"a", b"b", b"a", b"c", b"b", b"a"]
    photos = [stored(f"{number}.jpg", content) for number, content in enumerate(contents)]
    assert first_of_each(photos) == [0, 1, 0, 3, 1, 0]


def test_the_same_name_is_not_the_same_photo() -> None:
    assert first_of_each([stored("a.jpg", b"a"), stored("a.jpg", b"b")]) == [0, 1]


def test_urls_are_the_same_only_letter_for_letter() -> None:
    urls = ["http://x/a.jpg", "http://x/a.jpg", "http://x/A.jpg", "http://x/a.jpg?v=2"]
    assert first_of_each([remote(url) for url in urls]) == [0, 0, 2, 3]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/shoot/anna%20b.jpg?size=1", "anna b.jpg"),
        ("https://example.com", "photo"),
        ("http://[", "photo"),
        ("https://example.com/雪.jpg", "雪.jpg"),
    ],
)
def test_a_photo_from_a_url_is_called_by_its_last_part(url: str, name: str) -> None:
    photo = remote(url)
    assert (photo.filename, photo.source) == (name, RemotePhoto(url=url))


def test_sharpening_has_a_price_of_its_own() -> None:
    assert (operation_of(enhance=False), operation_of(enhance=True)) == (
        "face_crop",
        "face_crop_enhanced",
    )
