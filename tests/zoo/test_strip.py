"""A stripped file shows the same in every view and tells nothing else, whatever was put into it."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.zoo._images import dicom_bytes, readable, written
from zoo.errors import BadImage, ImageTooLarge
from zoo.images import Limits, Scan, Window, open_scan, strip
from zoo.images.codestream import pixels_only

SECRET = "MUSTERMANN"
UID = "1.2.276.987654321.19"
TEXTS = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"), SECRET),
    "AS": "077Y",
    "DA": "19490607",
    "DT": "19490607081500",
    "TM": "081559",
    "UI": UID,
}
PLANTED = sorted({text.encode() for text in TEXTS.values()})
NOISE = np.random.default_rng(3).integers(0, 4000, (1, 24, 20))
SAME = ("frames", "width", "height", "modality", "burned_in", "window", "value_range")


def check_same(before: Scan, after: Scan, name: str = "") -> None:
    """Both tell and show the same in every frame, as first seen, in a window and inverted."""
    assert [getattr(after, one) for one in SAME] == [getattr(before, one) for one in SAME], name
    low, high = before.value_range or (0, 0)
    windows = [None, Window(centre=(low + high) / 2, width=(high - low) / 3)] if high else [None]
    for frame in (None, *range(before.frames)):
        for window in windows:
            seen = before.show(frame=frame, window=window, inverted=window is not None)
            assert after.show(frame=frame, window=window, inverted=window is not None) == seen, name


def planted(dataset: pydicom.Dataset, *, depth: int = 2) -> pydicom.Dataset:
    """Every text that a data set can hold, in known, private, repeating and nested elements."""
    for number, (vr, text) in enumerate(TEXTS.items()):
        dataset.add_new((0x0010, 0x2100 + number), vr, text)
        dataset.add_new((0x0029, 0x1000 + number), vr, text)
    dataset.add_new((0x0029, 0x0010), "LO", SECRET)
    if depth:
        dataset.add_new((0x0008, 0x1140), "SQ", [planted(pydicom.Dataset(), depth=depth - 1)])
        dataset.add_new((0x0029, 0x1050), "SQ", [planted(pydicom.Dataset(), depth=depth - 1)])
    return dataset


def full(data: bytes) -> bytes:
    """A DICOM file with identifiers wherever there is room for one."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    planted(dataset)
    text = SECRET.encode()
    for group in (0x5000, 0x6000, 0x601E):
        dataset.add_new((group, 0x2500 if group == 0x5000 else 0x1500), "LO", SECRET)
        dataset.add_new((group, 0x3000), "OW", text * 4)
    lut = planted(pydicom.Dataset(), depth=1)
    lut.LUTDescriptor, lut.LUTData, lut.LUTExplanation = [4096, 0, 8], b"\x07\0" * 4096, SECRET
    dataset.VOILUTSequence = [lut]
    frame = planted(pydicom.Dataset(), depth=1)
    window = planted(pydicom.Dataset(), depth=1)
    window.WindowCenter, window.WindowWidth, window.WindowCenterWidthExplanation = 40, 400, SECRET
    frame.FrameVOILUTSequence = [window]
    dataset.PerFrameFunctionalGroupsSequence = [frame]
    dataset.SharedFunctionalGroupsSequence = [planted(pydicom.Dataset())]
    dataset.RescaleType = dataset.VOILUTFunction = dataset.Modality = dataset.BurnedInAnnotation = SECRET
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.ImageType = ["ORIGINAL", SECRET]
    dataset.PatientName = dataset.DataSetTrailingPadding = text
    dataset.StudyInstanceUID = dataset.SOPInstanceUID = dataset.SOPClassUID = UID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.file_meta.MediaStorageSOPClassUID = UID
    dataset.file_meta.SourceApplicationEntityTitle = SECRET
    dataset.file_meta.PrivateInformationCreatorUID = UID
    dataset.file_meta.PrivateInformation = text
    dataset.preamble = text.ljust(128, b"\0")
    return written(dataset) + text


def compressed(codestream: bytes, syntax: str) -> bytes:
    """A DICOM file of one compressed frame of 20 x 24 grey pixels of 8 bits."""
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(NOISE)))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = pydicom.encaps.encapsulate([codestream + b"\0" * (len(codestream) % 2)])
    dataset["PixelData"].VR = "OB"
    return written(dataset)


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    (image or Image.fromarray((NOISE[0] // 16).astype(np.uint8))).save(out, kind, **options)
    return out.getvalue()


def jpeg_that_tells(**options: object) -> bytes:
    """A JPEG with a comment, application data, a thumbnail and a tail."""
    plain, text = encoded("JPEG", **options), SECRET.encode()
    extra = segment(0xFE, text) + segment(0xE1, b"Exif\0\0" + text) + segment(0xED, text)
    thumbnail = segment(0xE0, plain[6:18] + b"\x01\x05" + (text + b"12345"))
    return plain[:2] + thumbnail + extra + plain[20:] + text


def jpeg2000_that_tells() -> bytes:
    """A JPEG 2000 codestream with comments in the main header and in its tile's, and a tail."""
    plain, text = encoded("JPEG2000", no_jp2=True), SECRET.encode()
    comment = segment(0x64, b"\0\x01" + text)
    tile = plain.index(b"\xff\x90")
    (length,) = struct.unpack_from(">I", plain, tile + 6)
    head = plain[tile : tile + 6] + struct.pack(">I", length + len(comment)) + plain[tile + 10 : tile + 12]
    return plain[:tile] + comment + head + comment + plain[tile + 12 :] + text


def leaks(data: bytes) -> list[bytes]:
    return [text for text in PLANTED if text in data]


def test_every_file_shows_the_same_when_stripped():
    found = readable()
    assert len(found) > 40
    for name, (data, scan) in found.items():
        check_same(scan, open_scan(strip(data)), name)


def test_no_text_of_a_real_file_is_left():
    looked = 0
    for name, (data, _) in readable().items():
        if not name.endswith(".dcm"):
            continue
        bare = strip(data)
        left = pydicom.dcmread(io.BytesIO(bare))
        kept = {left.SOPClassUID, left.file_meta.TransferSyntaxUID, "1.2.840.10008.1.2"}
        kept |= {left.PhotometricInterpretation, left.Modality}
        for element in pydicom.dcmread(io.BytesIO(data), force=True).iterall():
            text = str(element.value)
            if element.VR in TEXTS and len(text) >= 6 and text not in kept:
                assert text.encode() not in bare, (name, element.tag)
                looked += 1
    assert looked > 500


@pytest.mark.parametrize("syntax", ["native", "JPEG", "JPEG 2000"])
def test_no_identifier_is_left_wherever_it_was_put(syntax):
    data = {
        "native": lambda: dicom_bytes(NOISE),
        "JPEG": lambda: compressed(jpeg_that_tells(), pydicom.uid.JPEGBaseline8Bit),
        "JPEG 2000": lambda: compressed(jpeg2000_that_tells(), pydicom.uid.JPEG2000Lossless),
    }[syntax]()
    data = full(data)
    assert leaks(data) == PLANTED  # the test's own: all of them are there
    bare = strip(data)
    assert leaks(bare) == []
    assert bare[:128] == bytes(128)
    check_same(open_scan(data), open_scan(bare))


def test_only_the_elements_that_showing_needs_are_left():
    bare = pydicom.dcmread(io.BytesIO(strip(full(dicom_bytes(NOISE)))))
    kept = """SOPClassUID SOPInstanceUID Modality StudyInstanceUID SeriesInstanceUID SamplesPerPixel
        PhotometricInterpretation NumberOfFrames Rows Columns BitsAllocated BitsStored HighBit
        PixelRepresentation RescaleSlope RescaleIntercept VOILUTSequence LUTDescriptor LUTData
        SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence FrameVOILUTSequence WindowCenter
        WindowWidth PixelData"""
    assert {element.keyword for element in bare.iterall()} == set(kept.split())


def test_tables_in_the_other_order_of_bytes_are_turned():
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [4000, 0, 12], np.arange(4000, dtype=">u2")[::-1].tobytes()
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(NOISE, VOILUTSequence=[table])))
    dataset.PixelData = NOISE.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True, implicit_vr=False, little_endian=False)
    scan = open_scan(out.getvalue())
    expected = np.rint((3999 - NOISE[0]) / 4095 * 255)
    assert np.array_equal(np.asarray(scan.show())[..., 0], expected)
    check_same(scan, open_scan(strip(out.getvalue())))


def test_what_old_files_draw_into_spare_bits_is_gone():
    values = NOISE | 0x8000
    bare = pydicom.dcmread(io.BytesIO(strip(dicom_bytes(values, BitsStored=12, HighBit=11))))
    assert np.array_equal(bare.pixel_array, NOISE[0])


def test_two_copies_of_a_file_cannot_be_told_to_be_one():
    first, second = (pydicom.dcmread(io.BytesIO(strip(dicom_bytes(NOISE)))) for _ in range(2))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.StudyInstanceUID != second.StudyInstanceUID


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100}, {"restart_marker_rows": 1}])
def test_a_jpeg_keeps_its_pixels_alone(options):
    data = jpeg_that_tells(**options)
    bare = strip(data)
    assert leaks(data) == [SECRET.encode()]
    assert leaks(bare) == []
    check_same(open_scan(data), open_scan(bare))
    assert bare[:2] == b"\xff\xd8"


def test_a_jpeg_stays_upright():
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, SECRET
    data = encoded("JPEG", exif=exif)
    assert leaks(strip(data)) == []
    check_same(open_scan(data), open_scan(strip(data)))
    assert open_scan(strip(data)).width == 24


def test_a_jpeg_in_four_colours_keeps_them():
    colours = Image.merge(
        "CMYK", [Image.fromarray((NOISE[0] // part).astype(np.uint8)) for part in (16, 17, 18, 19)]
    )
    data = encoded("JPEG", colours, comment=SECRET)
    assert leaks(strip(data)) == []
    check_same(open_scan(data), open_scan(strip(data)))


def test_a_png_keeps_its_pixels_alone():
    text = SECRET.encode()
    plain = encoded("PNG")
    body = b"tEXtName\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    data = plain[:33] + chunk + plain[33:] + text
    assert leaks(strip(data)) == []
    check_same(open_scan(data), open_scan(strip(data)))
    deep = encoded("PNG", Image.fromarray(NOISE[0].astype(np.uint16)))
    check_same(open_scan(deep), open_scan(strip(deep)))


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_no_cut_codestream_is_taken_for_a_whole_one(cut):
    for whole in (encoded("JPEG"), encoded("JPEG2000", no_jp2=True)):
        end = cut * len(whole) // 200
        assert pixels_only(whole[:end]) is None


def test_what_cannot_be_shown_is_not_stripped():
    with pytest.raises(BadImage, match="empty"):
        strip(b"")
    with pytest.raises(BadImage, match="broken"):
        strip(encoded("JPEG")[:200])
    with pytest.raises(BadImage) as refused:
        strip(full(dicom_bytes(NOISE))[:1500])
    assert SECRET not in str(refused.value)


def test_a_file_that_would_grow_beyond_the_limit_is_refused_before_it_does():
    frames = np.zeros((200, 512, 512), dtype=np.uint16)
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(frames)))
    dataset.compress(pydicom.uid.RLELossless)
    data = written(dataset)
    assert len(data) < 2_000_000
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLarge, match="200 frames are 104857600 bytes uncompressed"):
            strip(data, limits=Limits())
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
