"""A file that was opened is shown as `decode` shows it, in every frame and in any window."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.zoo._images import dicom_bytes, readable
from zoo.errors import BadImage, BadInput
from zoo.images import Limits, Window, decode, open_scan

RAMP = np.array([[[0, 100, 150, 200, 300]]])


def greys(picture: Image.Image) -> list[int]:
    return np.asarray(picture)[0, :, 0].tolist()


def item(**elements: object) -> pydicom.Dataset:
    made = pydicom.Dataset()
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def test_the_first_view_of_every_file_is_what_is_decoded():
    found = readable()
    assert len(found) > 40
    for name, (data, scan) in found.items():
        picture = scan.show()
        assert picture == decode(data), name
        assert (picture.width, picture.height) == (scan.width, scan.height), name
        for frame in range(scan.frames if name.endswith(".dcm") else 0):
            assert scan.show(frame=frame) == decode(data, frame=frame), name


def test_what_is_told_of_a_file():
    scan = open_scan(dicom_bytes(RAMP - 0, RescaleSlope=2, RescaleIntercept=-100, Modality="CT"))
    assert (scan.frames, scan.width, scan.height, scan.modality) == (1, 5, 1, "CT")
    assert (scan.window, scan.value_range) == (None, (-100.0, 500.0))
    scan = open_scan(dicom_bytes(RAMP, WindowCenter=[40, 50], WindowWidth=[400, 350], Modality="SECRET"))
    assert (scan.window, scan.value_range) == (Window(centre=40, width=400), (0.0, 300.0))
    assert scan.modality == "OT"


def test_padding_and_evenness_have_no_range():
    assert open_scan(dicom_bytes(RAMP, PixelPaddingValue=300)).value_range == (0.0, 200.0)
    even = open_scan(dicom_bytes(np.full((1, 2, 2), 7), WindowCenter=7, WindowWidth=4))
    assert (even.window, even.value_range) == (None, None)


def test_a_window_asked_for_takes_the_place_of_the_files():
    scan = open_scan(dicom_bytes(RAMP, WindowCenter=1000, WindowWidth=10))
    window = Window(centre=150.5, width=101)
    assert greys(scan.show()) == [0, 0, 0, 0, 0]
    assert greys(scan.show(window=window)) == [0, 0, 128, 255, 255]
    assert greys(scan.show(window=window, inverted=True)) == [255, 255, 127, 0, 0]
    assert greys(scan.show()) == [0, 0, 0, 0, 0]  # the values that are kept were not changed


def test_a_window_asked_for_takes_the_place_of_a_table_and_keeps_the_photometric_sense():
    table = item(LUTDescriptor=[301, 0, 8], LUTData=b"\xff\0" * 301)
    data = dicom_bytes(RAMP, VOILUTSequence=[table], WindowCenter=150, WindowWidth=300)
    scan = open_scan(data)
    assert (scan.window, greys(scan.show())) == (None, [255] * 5)
    assert greys(scan.show(window=Window(centre=150.5, width=101))) == [0, 0, 128, 255, 255]
    dark = open_scan(dicom_bytes(RAMP, PhotometricInterpretation="MONOCHROME1"))
    assert greys(dark.show(window=Window(centre=150.5, width=101))) == [255, 255, 128, 0, 0]


def test_a_narrow_window_is_one_of_real_numbers():
    scan = open_scan(dicom_bytes(RAMP, RescaleSlope=0.001, RescaleIntercept=0))
    assert greys(scan.show(window=Window(centre=0.15, width=0.2))) == [0, 64, 128, 191, 255]


def test_every_frame_has_its_own_window_and_rescale_and_leaves_the_others_theirs():
    shared = item(FrameVOILUTSequence=[item(WindowCenter=150.5, WindowWidth=101)])
    frames = [
        item(PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=0)]),
        item(),
        item(FrameVOILUTSequence=[item(WindowCenter=1000, WindowWidth=10)]),
    ]
    scan = open_scan(
        dicom_bytes(
            np.repeat(RAMP, 3, axis=0),
            SharedFunctionalGroupsSequence=[shared],
            PerFrameFunctionalGroupsSequence=frames,
        )
    )
    assert (scan.frames, scan.window) == (3, Window(centre=150.5, width=101))
    for frame in (0, 1, 2, 1, 0):
        expected = {0: [0, 255, 255, 255, 255], 1: [0, 0, 128, 255, 255], 2: [0, 0, 0, 0, 0]}[frame]
        assert greys(scan.show(frame=frame)) == expected


def test_bits_above_those_of_the_values_are_not_shown():
    overlaid = RAMP | np.array([[[0x8000, 0, 0x8000, 0, 0]]])
    for elements in ({}, {"WindowCenter": 150, "WindowWidth": 200}):
        stored = {"BitsStored": 12, "HighBit": 11, **elements}
        assert decode(dicom_bytes(overlaid, **stored)) == decode(dicom_bytes(RAMP, **stored))
    below_nought = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}
    values = np.array([[[0x0FFF, 0, 1]]])  # -1 in 12 bits
    assert open_scan(dicom_bytes(values, **below_nought)).value_range == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"BurnedInAnnotation": "YES", "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY"]}, "yes"),
        ({"BurnedInAnnotation": "NO", "Modality": "US"}, "no"),
        ({"Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, "no"),
        ({"Modality": "MR", "ImageType": ["ORIGINAL", "PRIMARY"]}, "no"),
        ({"Modality": "CT", "ImageType": ["DERIVED", "PRIMARY"]}, "unknown"),
        ({"Modality": "CT", "ImageType": ["ORIGINAL", "SECONDARY"]}, "unknown"),
        ({"Modality": "CT"}, "unknown"),
        ({"Modality": "CR", "ImageType": ["ORIGINAL", "PRIMARY"]}, "unknown"),
        ({"Modality": "US", "ImageType": ["ORIGINAL", "PRIMARY"]}, "unknown"),
        (
            {
                "Modality": "CT",
                "ImageType": ["ORIGINAL", "PRIMARY"],
                "SOPClassUID": pydicom.uid.SecondaryCaptureImageStorage,
            },
            "unknown",
        ),
    ],
)
def test_text_in_the_pixels_is_ruled_out_only_where_the_standard_lets_one(elements, expected):
    assert open_scan(dicom_bytes(RAMP, **elements)).burned_in == expected


def test_a_picture_has_one_frame_and_no_window(png_bytes):
    scan = open_scan(png_bytes)
    assert (scan.frames, scan.modality, scan.burned_in) == (1, "", "unknown")
    assert (scan.window, scan.value_range, scan.size_bytes) == (None, None, 3 * 6 * 4)
    assert scan.show(frame=0, inverted=True).getpixel((0, 0)) == (155, 155, 155)
    with pytest.raises(BadInput, match="has no window"):
        scan.show(window=Window(centre=1, width=1))
    with pytest.raises(BadImage, match="no frame 1"):
        scan.show(frame=1)
    scan.show().paste((0, 0, 0), (0, 0, 6, 4))
    assert scan.show().getpixel((0, 0)) == (100, 100, 100)


@pytest.mark.parametrize("numbers", [(1, 0), (1, -1), (float("nan"), 1), (1, float("inf"))])
def test_a_window_that_shows_nothing_is_refused(numbers):
    with pytest.raises(BadInput, match="shows nothing"):
        Window(centre=numbers[0], width=numbers[1])


def test_a_broken_frame_and_one_that_is_not_there_are_refused_without_a_word_of_the_file():
    with pytest.raises(BadImage, match="no frame 3"):
        open_scan(dicom_bytes(np.repeat(RAMP, 3, axis=0))).show(frame=3)
    with pytest.raises(BadImage, match="DICOM"):
        open_scan(dicom_bytes(RAMP)[:-6])
    with pytest.raises(BadImage, match="4 frames, the limit is 3"):
        open_scan(dicom_bytes(np.repeat(RAMP, 4, axis=0)), limits=Limits(max_frames=3))


@pytest.fixture
def png_bytes():
    out = io.BytesIO()
    Image.new("L", (6, 4), 100).save(out, "PNG")
    return out.getvalue()
