"""What becomes of a file's bytes: the pixels stay, everything else goes; what is no photo is named."""

import struct
from typing import Any

import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngImageFile

from tests.files.factories import decoded, encoded, picture, png_header
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.files import images
from volunteer_api.files.images import read_photo

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(autouse=True)
def language(sqlite_app: Any) -> Any:
    with sqlite_app.test_request_context():
        yield


def is_red(pixel: Any) -> bool:
    red, green, blue = pixel
    return bool(red > 150 and green < 90 and blue < 90)


def is_blue(pixel: Any) -> bool:
    red, green, blue = pixel
    return bool(blue > 150 and green < 90 and red < 90)


def code_of(content: bytes) -> str:
    with pytest.raises(InvalidPayload) as refusal:
        read_photo(content)
    (error,) = refusal.value.members["errors"]
    assert error["pointer"] == "/file"
    return str(error["code"])


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("YCbCr", "JPEG"),
        ("RGB", "PNG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("RGB", "WEBP"),
        ("RGBA", "WEBP"),
        ("RGB", "MPO"),
    ],
)
def test_every_kind_of_color_comes_out_as_it_was(mode: str, kind: str) -> None:
    photo = read_photo(picture(64, 48, mode, kind))
    out = decoded(photo.whole.content)
    assert (out.format, out.mode, out.size) == ("JPEG", "RGB", (64, 48))
    assert is_red(out.getpixel((10, 24)))
    assert is_blue(out.getpixel((54, 24)))


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_gray_comes_out_gray(mode: str) -> None:
    out = decoded(read_photo(encoded(Image.new("L", (20, 20), 255).convert(mode), "PNG")).whole.content)
    assert min(out.getpixel((10, 10))) > 250


def test_sixteen_bits_are_scaled_and_not_cut() -> None:
    gray = Image.new("I;16", (20, 20), 32768)
    red, green, blue = decoded(read_photo(encoded(gray, "PNG")).whole.content).getpixel((10, 10))
    assert {red, green, blue} <= set(range(124, 133))


def test_what_is_transparent_becomes_white() -> None:
    clear = encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), "PNG")
    assert min(decoded(read_photo(clear).whole.content).getpixel((10, 10))) > 250
    palette = Image.new("P", (20, 20), 3)
    palette.putpalette([0, 0, 0] * 256)
    out = read_photo(encoded(palette, "PNG", transparency=3))
    assert min(decoded(out.whole.content).getpixel((10, 10))) > 250


@pytest.mark.parametrize(
    ("size", "whole", "thumbnails"),
    [
        ((1, 1), (1, 1), [(1, 1), (1, 1)]),
        ((1, 10000), (1, 2048), [(1, 160), (1, 640)]),
        ((10000, 1), (2048, 1), [(160, 1), (640, 1)]),
        ((300, 200), (300, 200), [(160, 107), (300, 200)]),
        ((4000, 3000), (2048, 1536), [(160, 120), (640, 480)]),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_sizes_are_bounded_and_never_enlarged(
    size: tuple[int, int], whole: tuple[int, int], thumbnails: list[tuple[int, int]], kind: str
) -> None:
    photo = read_photo(picture(*size, kind=kind))
    assert (photo.whole.width, photo.whole.height) == whole == decoded(photo.whole.content).size
    assert [(one.width, one.height) for one in photo.thumbnails] == thumbnails
    assert [decoded(one.content).size for one in photo.thumbnails] == thumbnails


def test_the_place_and_everything_else_of_exif_stays_behind() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "SECRET-CAMERA"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (33.0, 44.0, 0.0), 29: "2026:11:24"})
    content = picture(exif=exif, comment=b"SECRET-COMMENT", icc_profile=b"SECRET-PROFILE" * 20)
    assert b"SECRET-CAMERA" in content
    photo = read_photo(content)
    for one in (photo.whole, *photo.thumbnails):
        out = decoded(one.content)
        assert b"SECRET" not in one.content
        assert not out.getexif()
        assert not {"exif", "comment", "icc_profile", "xmp"} & out.info.keys()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("turn", "size", "red_at"),
    [
        (1, (64, 48), (5, 24)),
        (2, (64, 48), (60, 24)),
        (3, (64, 48), (60, 24)),
        (4, (64, 48), (5, 24)),
        (5, (48, 64), (24, 5)),
        (6, (48, 64), (24, 5)),
        (7, (48, 64), (24, 60)),
        (8, (48, 64), (24, 60)),
    ],
)
def test_a_photo_is_turned_as_its_exif_says(
    kind: str, turn: int, size: tuple[int, int], red_at: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    out = decoded(read_photo(picture(kind=kind, exif=exif)).whole.content)
    assert out.size == size
    assert is_red(out.getpixel(red_at))


@pytest.mark.parametrize("exif", [b"Exif\x00\x00garbage", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00"])
def test_a_broken_exif_spoils_no_photo(exif: bytes) -> None:
    assert read_photo(picture(exif=exif)).whole.width == 64


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_picture_stays(kind: str) -> None:
    red, blue = (Image.new("RGB", (30, 30), color) for color in ((200, 30, 30), (30, 30, 200)))
    content = encoded(red, kind, save_all=True, append_images=[blue, red, blue], duration=100)
    out = decoded(read_photo(content).whole.content)
    assert getattr(out, "n_frames", 1) == 1
    assert is_red(out.getpixel((15, 15)))


def test_what_hangs_behind_a_photo_is_cut_off() -> None:
    content = picture() + b"PK\x03\x04 SECRET <script>alert(1)</script>"
    photo = read_photo(content)
    assert all(
        b"SECRET" not in one.content and b"<script" not in one.content for one in (photo.whole, *photo.thumbnails)
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"hello",
        SVG,
        b"GIF89a<script>alert(1)</script>",
        b"%PDF-1.7 " + picture(),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        picture(kind="GIF"),
        picture(kind="BMP"),
        picture(kind="TIFF"),
        picture(kind="ICO"),
        picture(kind="JPEG2000"),
        # One header asks for 65535 × 65535 pixels: never asked, so never decoded.
        b"GIF89a\xff\xff\xff\xff\x80\x00\x00" + b"\x00" * 6 + b",\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x00;",
        png_header(0, 0),
        png_header(0, 9),
    ],
)
def test_what_is_no_photo_is_refused(content: bytes) -> None:
    assert code_of(content) in ("not_an_image", "damaged_image")


def test_a_heic_photo_is_refused_by_name() -> None:
    assert code_of(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 100) == "heic_not_supported"


@pytest.mark.parametrize(
    ("width", "height"), [(40_000_001, 1), (8000, 5001), (10_000, 9_000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)]
)
def test_a_pixel_bomb_is_refused_by_its_header(width: int, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "draft", lambda *_: pytest.fail("it went on to decode"))
    assert code_of(png_header(width, height)) == "too_many_pixels"
    # Our own look at the header stands on its own.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert code_of(png_header(width, height)) == "too_many_pixels"


def test_the_largest_photo_is_taken() -> None:
    photo = read_photo(picture(8000, 5000, kind="JPEG"))
    assert (photo.whole.width, photo.whole.height) == (2048, 1280)


def test_a_jpeg_that_claims_a_huge_size_is_refused() -> None:
    content = bytearray(picture())
    start = content.index(b"\xff\xc0")
    content[start + 5 : start + 9] = struct.pack(">HH", 65535, 65535)
    assert code_of(bytes(content)) == "too_many_pixels"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_truncated_photo_is_refused(kind: str, part: float) -> None:
    image = Image.effect_noise((200, 200), 90).convert("RGB")
    content = encoded(image, kind)
    assert code_of(content[: int(len(content) * part)]) in ("damaged_image", "not_an_image")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_damage_makes_more_than_a_named_refusal(kind: str) -> None:
    content = encoded(Image.effect_noise((60, 60), 90).convert("RGB"), kind)
    for place in range(0, len(content), max(1, len(content) // 150)):
        spoiled = bytearray(content)
        spoiled[place] ^= 0xFF
        try:
            read_photo(bytes(spoiled))
        except InvalidPayload:
            continue


def test_the_bounds_are_the_documented_ones() -> None:
    assert (images.MAX_PIXELS, images.LONGEST_SIDE, images.THUMBNAIL_SIDES) == (40_000_000, 2048, (160, 640))
    assert Image.MAX_IMAGE_PIXELS == images.MAX_PIXELS


def test_a_jpeg_of_very_many_passes_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    content = picture(64, 48, progressive=True)
    # 65 bytes a pass, and each goes over all 40 million pixels: 200 KB kept the only decoder busy for half a minute.
    scan = content[content.rindex(b"\xff\xda") : -2]
    assert read_photo(content[:-2] + scan * 10 + content[-2:]).whole.width == 64
    monkeypatch.setattr(images.Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    assert code_of(content[:-2] + scan * 100 + content[-2:]) == "damaged_image"


@pytest.mark.parametrize("padding", [b"\xff\xfe\x00\x02" * 5000, b"\xff" * 5000, b"\x00" * 5000])
def test_a_jpeg_of_very_many_segments_is_refused_before_it_is_opened(
    padding: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = picture()
    monkeypatch.setattr(images.Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    assert code_of(content[:2] + padding + content[2:]) == "damaged_image"


def test_markers_in_metadata_and_after_the_picture_are_no_passes() -> None:
    content = picture()
    comment = b"\xff\xfe\x07\xd2" + b"\xff\xda" * 1000
    assert read_photo(content[:2] + comment + content[2:] + b"\xff\xda\x00\x02" * 1000).whole.width == 64


def test_a_picture_of_one_column_is_refused_before_its_rows_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PngImageFile, "load", lambda _: pytest.fail("it was decoded"))
    assert code_of(png_header(1, images.MAX_SIDE + 1)) == "damaged_image"
