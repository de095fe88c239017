"""A photo's bytes, judged and made anew: what is kept is drawn from the pixels alone.

Out goes JPEG: every phone, mini-program, browser and PDF shows it, and it encodes many times faster than WebP, which
counts on a small server. What was transparent becomes white.
"""

import re
import warnings
from dataclasses import dataclass
from io import BytesIO

from PIL import ExifTags, Image

from volunteer_api.core.schema import Fault
from volunteer_api.files.problems import refused_photo

MEDIA_TYPE = "image/jpeg"
FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 40_000_000
LONGEST_SIDE = 2048
THUMBNAIL_SIDES = (160, 640)
QUALITY = 85
WHITE = (255, 255, 255)
# Pillow keeps a pointer for each row: one column costs ten times its pixels. No format but PNG goes further.
MAX_SIDE = 65_535
# Each pass goes over all pixels again, and costs a hostile file some 60 bytes. Cameras write 1, encoders up to 12.
MAX_SCANS = 32
# Each segment before the pixels costs Pillow some microseconds and hundreds of bytes; a long profile has 255.
MAX_SEGMENTS = 2000
MAX_FILL_BYTES = 1000

# https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1.1.3: what is no stuffed byte, no restart and no fill byte.
MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
END_OF_IMAGE, START_OF_SCAN, WITHOUT_LENGTH = b"\xd9", b"\xda", b"\x01"
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

# https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf, 4.6.4 A, Orientation
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# A second fence behind our own look at the header, for what Pillow decodes inside of a format.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


@dataclass(frozen=True)
class Rendition:
    """One JPEG; `side` is the bound of its longest side in pixels."""

    content: bytes
    width: int
    height: int
    side: int


@dataclass(frozen=True)
class Photo:
    """What is kept of a file that somebody sent; the thumbnails are smallest first."""

    whole: Rendition
    thumbnails: tuple[Rendition, ...]


def read_photo(content: bytes) -> Photo:
    """The photo in a JPEG, PNG or WebP file, known by its bytes alone; of an animation its first picture.

    Turned as its EXIF says, and bounded; EXIF with the place, profiles and whatever else lies in the file are left
    behind. Raises InvalidPayload (422) with the code heic_not_supported, not_an_image, too_many_pixels or
    damaged_image.
    """
    with warnings.catch_warnings():
        # A broken EXIF is worth no line in the log, and too many pixels are an error at once.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        pixels = _decode(content)
    whole = _render(pixels, LONGEST_SIDE)
    return Photo(whole, tuple(_render(pixels, side) for side in THUMBNAIL_SIDES))


def _decode(content: bytes) -> Image.Image:
    if content[4:8] == b"ftyp" and content[8:12] in HEIF_BRANDS:
        raise refused_photo(Fault("heic_not_supported", "HEIC photos can't be read here; send this one as JPEG."))
    if content.startswith(b"\xff\xd8") and _is_laborious(content):
        raise refused_photo(_damaged())
    try:
        # Only these decoders are ever asked; the others are many, and each is one more to attack.
        image = Image.open(BytesIO(content), formats=FORMATS)
        width, height = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise refused_photo(_too_many_pixels()) from error
    except Exception as error:  # a decoder fails in any way that hostile bytes can make it
        raise refused_photo(Fault("not_an_image", "This is not a photo in JPEG, PNG or WebP.")) from error
    if width * height > MAX_PIXELS:
        raise refused_photo(_too_many_pixels())
    if max(width, height) > MAX_SIDE:
        raise refused_photo(_damaged())
    try:
        # JPEG decodes at a half or a quarter of its size: most of the memory and time is never spent.
        image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        image.load()
        small = _shrink(_opaque(image), LONGEST_SIDE)
        turn = TURNS.get(_orientation(image))
        return small if turn is None else small.transpose(turn)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise refused_photo(_too_many_pixels()) from error
    except Exception as error:  # a decoder fails in any way that hostile bytes can make it
        raise refused_photo(_damaged()) from error


def _is_laborious(content: bytes) -> bool:
    """Whether a JPEG makes its decoder work for minutes: thousands of passes over its pixels, or of segments."""
    scans = segments = 0
    at = 2
    while (found := MARKER.search(content, at)) is not None and found[1] != END_OF_IMAGE:
        segments += 1
        fill = found.start() - at
        scans += found[1] == START_OF_SCAN
        if segments > MAX_SEGMENTS or scans > MAX_SCANS or (fill > MAX_FILL_BYTES and scans == 0):
            return True
        at = found.end()
        if found[1] != WITHOUT_LENGTH:
            at += max(2, int.from_bytes(content[at : at + 2]))
    return False


def _damaged() -> Fault:
    return Fault("damaged_image", "This photo is incomplete or damaged.")


def _too_many_pixels() -> Fault:
    return Fault(
        "too_many_pixels", "This photo has more than %(millions)s million pixels.", millions=MAX_PIXELS // 10**6
    )


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a photo whose EXIF is broken is still a photo
        return 1
    return found if isinstance(found, int) else 1


def _opaque(image: Image.Image) -> Image.Image:
    """The picture as RGB on white."""
    if image.mode.startswith("I"):
        # 16 bits of gray: convert() would cut at 255 instead of scaling.
        return image.convert("I").point(lambda value: value * (1 / 256), "I").convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    # Small first: the blending then costs little.
    layer = _shrink(image if image.mode == "RGBA" else image.convert("RGBA"), LONGEST_SIDE)
    background = Image.new("RGB", layer.size, WHITE)
    background.paste(layer, mask=layer)
    return background


def _shrink(image: Image.Image, side: int) -> Image.Image:
    """The picture with its longest side at most `side`; never enlarged, never thinner than a pixel."""
    longest = max(image.size)
    if longest <= side:
        return image
    size = (max(1, round(image.width * side / longest)), max(1, round(image.height * side / longest)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _render(pixels: Image.Image, side: int) -> Rendition:
    small = _shrink(pixels, side)
    # A picture made of nothing but the pixels: what Pillow remembers of the file can't slip into the new one.
    bare = Image.new("RGB", small.size)
    bare.paste(small)
    out = BytesIO()
    bare.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return Rendition(content=out.getvalue(), width=bare.width, height=bare.height, side=side)
