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


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes over and over again."""
    data = encoded(Image.effect_noise((64, 64), 50), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (count - data.count(b"\xff\xda")) + b"\xff\xd9"


def encapsulated(*frames: bytes, syntax: str, **elements) -> bytes:
    """A DICOM file of 8 x 8 grey pixels, as its header says, in frames that are compressed already."""
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(np.ones((8, 8)))))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = pydicom.encaps.encapsulate([*frames], has_bot=False)
    dataset["PixelData"].VR = "OB"
    for name, value in elements.items():
        setattr(dataset, name, value)
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def test_a_jpeg_of_a_hundred_scans_is_read_and_of_more_is_refused_in_dicom_too():
    assert decode(jpeg_of_scans(100)).size == (64, 64)
    for data in (jpeg_of_scans(101), encapsulated(jpeg_of_scans(101), syntax=pydicom.uid.JPEGBaseline8Bit)):
        with pytest.raises(BadImage, match="more than 100 scans"):
            decode(data)


def test_a_table_of_offsets_leads_round_no_limit():
    small, large = (encoded(grey(side, side), "JPEG2000", no_jp2=True) for side in (8, 64))
    small += b"\0" * (len(small) % 2)
    tables = {
        "ExtendedOffsetTable": struct.pack("<QQ", *[8 + len(small)] * 2),
        "ExtendedOffsetTableLengths": struct.pack("<QQ", *[len(large)] * 2),
    }
    data = encapsulated(small, large, syntax=pydicom.uid.JPEG2000Lossless, **tables)
    assert decode(data, frame=0, limits=Limits(max_pixels=64)).size == (8, 8)
    with pytest.raises(ImageTooLarge, match="64 x 64"):
        decode(data, frame=1, limits=Limits(max_pixels=64))


def deflated(size: int, *, length: int | None) -> bytes:
    """A deflated DICOM file of so many bytes of pixels, whose group length is `length`; None: left out."""

    def element(number: int, kind: bytes, value: bytes) -> bytes:
        return struct.pack("<HH", 2, number) + kind + struct.pack("<H", len(value)) + value

    group = b"" if length is None else element(0, b"UL", struct.pack("<I", length))
    meta = group + element(0x10, b"UI", b"1.2.840.10008.1.2.1.99")
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, size)
    parts = [squeeze.compress(head), *(squeeze.compress(bytes(1 << 20)) for _ in range(size >> 20))]
    return bytes(128) + b"DICM" + meta + b"".join(parts) + squeeze.flush()


@pytest.mark.parametrize("length", [0, None, 30, 2**32 - 1])
def test_a_deflated_dicom_file_is_bounded_whatever_it_says_of_its_parts(length):
    data = deflated(200 << 20, length=length)
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLarge):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_a_large_scan_of_sixteen_bits_takes_little_memory():
    values = np.arange(1000 * 1000, dtype=np.uint16).reshape(1000, 1000)
    window = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 50, "WindowWidth": 400}
    for data in (encoded(Image.fromarray(values)), dicom_bytes(values), dicom_bytes(values, **window)):
        decode(data)  # what is imported once
        tracemalloc.start()
        try:
            decode(data)
            assert tracemalloc.get_traced_memory()[1] < 16 * values.size
        finally:
            tracemalloc.stop()


def test_pixels_stored_as_floats_are_read():
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(np.ones((1, 3)))))
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.BitsAllocated = 32
    dataset.FloatPixelData = np.array([-1.5, 0.0, 1.5], dtype="<f4").tobytes()
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    assert np.asarray(decode(out.getvalue()))[0, :, 0].tolist() == [0, 128, 255]


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
