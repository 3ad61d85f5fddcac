import base64
import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from zoo.errors import BadImage, ImageTooLarge
from zoo.images import Limits, data_uri_bytes, decode, open_image

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def grey(width=6, height=4, value=100) -> Image.Image:
    return Image.new("L", (width, height), value)


def dicom_bytes(pixels: np.ndarray, **elements) -> bytes:
    """A small uncompressed DICOM file of 16-bit grey pixels, with a name in it that must never come out."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.PatientName = "SECRET^NAME"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = elements.pop("photometric", "MONOCHROME2")
    frames = pixels if pixels.ndim == 3 else pixels[None]
    dataset.Rows, dataset.Columns = frames.shape[1:]
    dataset.NumberOfFrames = len(frames)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = frames.astype("<u2").tobytes()
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "JPEG2000"])
def test_a_picture_of_each_kind_comes_out_in_rgb(kind):
    image = decode(encoded(grey(), kind))
    assert (image.mode, image.size) == ("RGB", (6, 4))
    assert np.abs(np.asarray(image).astype(int) - 100).max() <= 2


def test_twelve_bits_kept_in_sixteen_are_not_left_black():
    values = np.array([[0, 2048, 4095]], dtype=np.uint16)
    image = decode(encoded(Image.fromarray(values)))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 128, 255]


def test_sixteen_bits_are_scaled_to_eight():
    values = np.array([[0, 32768, 65535]], dtype=np.uint16)
    assert np.asarray(decode(encoded(Image.fromarray(values))))[0, :, 0].tolist() == [0, 128, 255]


def test_colours_under_transparent_pixels_do_not_appear():
    assert decode(encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))).getpixel((0, 0)) == (0, 0, 0)


def test_a_picture_is_turned_as_its_exif_orientation_says():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(grey(6, 4), "JPEG", exif=exif)).size == (4, 6)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is no image", "no kind known"),
        (b"GIF89a" + b"\0" * 40, "no kind known"),
        (encoded(grey(200, 200))[:120], "broken"),
        (b"\0" * 128 + b"DICM" + b"\xff" * 300, "DICOM"),
    ],
)
def test_what_is_no_whole_image_is_refused_with_a_reason(data, reason):
    with pytest.raises(BadImage, match=reason) as refused:
        decode(data)
    assert refused.value.hint


def test_too_many_bytes_are_refused_with_the_number_and_the_limit():
    with pytest.raises(ImageTooLarge, match=r"101 bytes, the limit is 100"):
        decode(b"x" * 101, limits=Limits(max_bytes=100))


def test_too_many_pixels_are_refused_from_the_header_alone():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0))
    with pytest.raises(ImageTooLarge, match=r"9000 x 9000 = 81000000 pixels, the limit is 25000000"):
        decode(bomb + chunk(b"IDAT", b"no pixels at all"))


def test_an_absurd_size_is_refused():
    data = bytearray(encoded(grey()))
    data[16:24] = struct.pack(">II", 2**30, 2**30)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    with pytest.raises(ImageTooLarge):
        decode(bytes(data))


def test_a_window_maps_its_range_to_black_and_white():
    pixels = np.array([[0, 100, 150, 200, 300]])
    image = decode(dicom_bytes(pixels, WindowCenter=150.5, WindowWidth=101))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_the_modality_lut_comes_before_the_window():
    pixels = np.array([[1000, 1050, 1100]])
    rescaled = {"RescaleSlope": 1, "RescaleIntercept": -1000, "WindowCenter": 50.5, "WindowWidth": 101}
    assert np.asarray(decode(dicom_bytes(pixels, **rescaled)))[0, :, 0].tolist() == [0, 128, 255]


def test_monochrome1_is_inverted():
    pixels = np.array([[0, 50, 100]])
    image = decode(dicom_bytes(pixels, photometric="MONOCHROME1"))
    assert np.asarray(image)[0, :, 0].tolist() == [255, 128, 0]


def test_padding_does_not_take_part_in_the_range():
    pixels = np.array([[60000, 10, 60, 110]])
    image = decode(dicom_bytes(pixels, PixelPaddingValue=60000))
    assert np.asarray(image)[0, 1:, 0].tolist() == [0, 128, 255]


def test_of_many_frames_the_middle_one_or_the_one_asked_for_is_shown():
    frames = np.stack([np.full((2, 2), value) for value in (0, 10, 20)])
    frames[:, 0, 0], frames[:, 0, 1] = 0, 20
    data = dicom_bytes(frames)
    assert decode(data).getpixel((1, 1)) == (128, 128, 128)
    assert decode(data, frame=2).getpixel((1, 1)) == (255, 255, 255)
    with pytest.raises(BadImage, match="no frame 3") as refused:
        decode(data, frame=3)
    assert refused.value.hint == "give a frame from 0 to 2"


def test_no_error_about_a_dicom_file_quotes_an_element():
    data = dicom_bytes(np.ones((4, 4)))
    refusals = []
    for cut in range(140, len(data), 7):
        try:
            decode(data[:cut])
        except BadImage as error:
            refusals.append(error)
    assert len(refusals) > 10
    assert not [error for error in refusals if "SECRET" in str(error) or error.__cause__]


def test_a_dicom_header_that_states_too_many_pixels_is_refused():
    with pytest.raises(ImageTooLarge, match="4 x 4 = 16 pixels, the limit is 15"):
        decode(dicom_bytes(np.ones((4, 4))), limits=Limits(max_pixels=15))


def test_a_dicom_header_that_states_too_many_frames_is_refused():
    data = dicom_bytes(np.ones((4, 4)), NumberOfFrames=2001)
    with pytest.raises(ImageTooLarge, match="has 2001 frames, the limit is 2000"):
        decode(data)
    with pytest.raises(ImageTooLarge, match="has 3 frames, the limit is 2"):
        decode(dicom_bytes(np.ones((3, 2, 2))), limits=Limits(max_frames=2))


BOMBS = {
    "a JPEG of 65535 x 65535": lambda: b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03" + b"\x01\x11\0" * 3,
    "a JPEG 2000 of 2^31 x 2^31": lambda: (
        b"\xff\x4f\xff\x51"
        + struct.pack(">HHIIIIIIIIH", 47, 0, *[2**31 - 1] * 2, 0, 0, *[2**31 - 1] * 2, 0, 0, 3)
        + b"\x07\x01\x01" * 3
    ),
    "a PNG with a text of 400 MB": lambda: (
        (png := encoded(grey()))[:33]
        + struct.pack(">I", len(text := b"k\0\0" + zlib.compress(bytes(400_000_000))))
        + (body := b"zTXt" + text)
        + struct.pack(">I", zlib.crc32(body))
        + png[33:]
    ),
    "a PNG whose pixels are far too few bytes": lambda: (
        (png := bytearray(encoded(grey())))[:16]
        + struct.pack(">II", 5000, 5000)
        + png[24:29]
        + struct.pack(
            ">I", zlib.crc32(bytes(png[12:16]) + struct.pack(">II", 5000, 5000) + bytes(png[24:29]))
        )
        + png[33:]
    ),
    "a DICOM file of 65535 samples a pixel": lambda: dicom_bytes(
        np.ones((4, 4)), Rows=4000, Columns=4000, SamplesPerPixel=65535, PlanarConfiguration=0
    ),
    "a DICOM file of 64 bits a sample": lambda: dicom_bytes(
        np.ones((4, 4)), Rows=5000, Columns=5000, BitsAllocated=64, BitsStored=64, HighBit=63
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_would_grow_without_bound_is_refused_before_it_does(bomb):
    data = BOMBS[bomb]()
    tracemalloc.start()
    try:
        with pytest.raises(BadImage):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_a_deflated_dicom_file_is_not_inflated_beyond_the_limit():
    path = Path(get_testdata_file("image_dfl.dcm", download=False))
    size = path.stat().st_size
    assert open_image(path).size == (512, 512)
    with pytest.raises(ImageTooLarge):
        open_image(path, limits=Limits(max_bytes=size + 1))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("CT_small.dcm", (128, 128)),
        ("MR_small_RLE.dcm", (64, 64)),
        ("MR_small_bigendian.dcm", (64, 64)),
        ("SC_rgb_small_odd.dcm", (3, 3)),
        ("examples_ybr_color.dcm", (320, 240)),
        ("examples_palette.dcm", (800, 350)),
        ("693_J2KI.dcm", (512, 512)),
        ("SC_rgb_jpeg_dcmtk.dcm", (100, 100)),
        ("rtdose.dcm", (10, 10)),
    ],
)
def test_dicom_files_of_many_kinds_are_read(name, size):
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom brought no {name}")
    image = open_image(Path(path))
    assert (image.mode, image.size) == ("RGB", size)
    assert np.asarray(image).std() > 5


def test_a_compression_that_cannot_be_read_is_named():
    with pytest.raises(BadImage, match="JPEG-LS"):
        open_image(Path(get_testdata_file("MR_small_jpeg_ls_lossless.dcm", download=False)))


def test_a_report_in_dicom_is_no_image():
    with pytest.raises(BadImage, match="holds no image"):
        open_image(Path(get_testdata_file("test-SR.dcm", download=False)))


@pytest.mark.skipif(not DATA.is_dir(), reason="no real images beside this checkout")
@pytest.mark.parametrize("path", sorted([*DATA.glob("dicom/*.dcm"), *DATA.glob("nih-cxr/*.png")]), ids=str)
def test_real_scans_are_read(path):
    image = open_image(path)
    assert image.mode == "RGB"
    assert np.asarray(image).std() > 15


@pytest.mark.skipif(not DATA.is_dir(), reason="no real images beside this checkout")
def test_lungs_of_an_inverted_radiograph_come_out_dark():
    image = np.asarray(open_image(DATA / "dicom" / "RG1_J2KI.dcm"))[..., 0]
    lung, spine = image[500:800, 350:500].mean(), image[500:800, 880:960].mean()
    assert lung < spine - 30


def test_a_data_uri_gives_its_bytes():
    assert data_uri_bytes("data:image/png;base64," + base64.b64encode(b"abc").decode()) == b"abc"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://example.org/x.png", "no data URI"),
        ("data:text/html;base64,YWJj", "text/html"),
        ("data:image/png,abc", "not in base64"),
        ("data:image/png;base64,a!b", "broken"),
    ],
)
def test_other_uris_are_refused(uri, reason):
    with pytest.raises(BadImage, match=reason):
        data_uri_bytes(uri)


def test_a_long_data_uri_is_refused_before_it_is_decoded():
    with pytest.raises(ImageTooLarge):
        data_uri_bytes("data:image/png;base64," + "!" * 4000, limits=Limits(max_bytes=1000))
