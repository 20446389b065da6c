"""How large a picture may be, decided from its header before any pixel exists."""

from dataclasses import dataclass

from vision.errors import PictureTooLarge, PictureTooSmall


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds a file has to keep; the defaults suit photographs from any current camera."""

    most_bytes: int = 64 * 1024 * 1024
    most_pixels: int = 100_000_000
    """Decoded as RGB this is 300 MB; a progressive JPEG takes up to 600 MB more meanwhile."""
    most_side: int = 20_000
    """OpenCV warps and remaps address at most 32,767 pixels along a side."""
    least_side: int = 32
    bomb_pixels: int = 16_000_000
    """From this size on, `bomb_pixels_per_byte` is looked at."""
    bomb_pixels_per_byte: int = 200
    """A larger file with fewer bytes than this is no photograph.

    A smooth 24 megapixel photograph has 54 pixels to a byte as JPEG of quality 10 and 134 as WebP
    of quality 20; a blank page has 297 as PNG.
    """

    def check_bytes(self, encoded: int) -> None:
        """Raise PictureTooLarge if a file of `encoded` bytes is above the limit."""
        if encoded > self.most_bytes:
            raise PictureTooLarge(
                f"The file is larger than {self.most_bytes // (1024 * 1024)} megabytes."
            )

    def check_size(self, width: int, height: int, encoded: int) -> None:
        """Check what a header promises.

        Args:
            width: In pixels, as stored.
            height: In pixels, as stored.
            encoded: Size of the whole file in bytes.

        Raises:
            PictureTooLarge: Too many pixels, a side too long, or too few bytes for that many.
            PictureTooSmall: A side is shorter than `least_side`.
        """
        pixels = width * height
        if max(width, height) > self.most_side:
            raise PictureTooLarge(
                f"The picture is {width} x {height} pixels; "
                f"its longest side may be {self.most_side} pixels."
            )
        if pixels > self.most_pixels:
            raise PictureTooLarge(
                f"The picture has {pixels / 1e6:.0f} megapixels; "
                f"{self.most_pixels / 1e6:.0f} are allowed."
            )
        if min(width, height) < self.least_side:
            raise PictureTooSmall(
                f"The picture is {width} x {height} pixels; "
                f"each side needs at least {self.least_side}."
            )
        if pixels > self.bomb_pixels and encoded * self.bomb_pixels_per_byte < pixels:
            raise PictureTooLarge(
                "The file unpacks to far more than its size suggests and was not opened."
            )
