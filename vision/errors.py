"""Everything that can go wrong with a picture or a model.

VisionError
├── PictureError            the caller's file is at fault: tell them, charge nothing
│   ├── NotAPicture             text, a PDF, an archive, an empty file
│   ├── UnsupportedPicture      a picture, but in a format or colour mode that is not read here
│   ├── PictureTruncated        cut off or damaged
│   ├── PictureTooLarge         too many bytes or pixels, or a decompression bomb
│   └── PictureTooSmall         too few pixels to be a photograph
└── ModelError              our side is at fault: refund
    ├── ModelUnavailable        down, restarting or too slow: the same call may work in a moment
    ├── ModelRefused            the server does not take this request: a retry will not help
    ├── ModelBroken             the answer cannot be right: a deployment is wrong
    └── CardBroken              what stands beside a model cannot be used: a deployment is wrong

`code` never changes and is safe to match on; `str(error)` is a sentence for the person concerned,
free of paths, server names and traces. What a library said is in `__cause__`, for the log.
"""

from typing import ClassVar


class VisionError(Exception):
    """Anything this package raises on purpose."""

    code: ClassVar[str]
    sentence: ClassVar[str]

    def __init__(self, sentence: str | None = None) -> None:
        super().__init__(sentence or self.sentence)


class PictureError(VisionError):
    """The file cannot be worked with. Ask its owner for another one."""


class NotAPicture(PictureError):
    """The bytes are something else, whatever the file is called. Ask for a photograph."""

    code = "NOT_A_PICTURE"
    sentence = "This file is not a picture."


class UnsupportedPicture(PictureError):
    """A picture of a kind that is not read here. Ask for it as JPEG or PNG."""

    code = "UNSUPPORTED_PICTURE"
    sentence = "This kind of picture is not supported; save it as JPEG or PNG and send it again."


class PictureTruncated(PictureError):
    """Part of the picture is missing or makes no sense. Ask for the file to be sent again."""

    code = "PICTURE_TRUNCATED"
    sentence = "The picture is damaged or was cut off on its way; please send it again."


class PictureTooLarge(PictureError):
    """Above one of the `Limits`. Ask for a smaller version."""

    code = "PICTURE_TOO_LARGE"
    sentence = "The picture is too large."


class PictureTooSmall(PictureError):
    """Below `Limits.least_side`. Ask for the original instead of a thumbnail."""

    code = "PICTURE_TOO_SMALL"
    sentence = "The picture is too small to work with."


class ModelError(VisionError):
    """A model gave no usable answer. Nothing is wrong with the picture: charge nothing."""


class ModelUnavailable(ModelError):
    """The model server is down, restarting, overloaded or late. Try again, or answer 503."""

    code = "MODEL_UNAVAILABLE"
    sentence = "The image models are not available at the moment; please try again shortly."


class ModelRefused(ModelError):
    """The model server does not know the model or does not take its input. Do not retry."""

    code = "MODEL_REFUSED"
    sentence = "The image models did not accept the request."


class ModelBroken(ModelError):
    """The answer has the wrong shape or holds values that are not numbers. Do not retry."""

    code = "MODEL_BROKEN"
    sentence = "The image models gave an answer that cannot be right."


class CardBroken(ModelError):
    """The card beside a model is missing or makes no sense. For whoever deploys; do not retry."""

    code = "MODEL_CARD_BROKEN"
    sentence = "The card of a model cannot be used."
