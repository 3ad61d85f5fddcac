import io

import numpy as np
import pytest
from PIL import Image

from serving.api.pictures import file_bytes
from zoo.errors import BadImage
from zoo.images import decode


@pytest.fixture
def pixels(image):
    return np.asarray(image)


def test_however_python_holds_a_picture_its_pixels_are_the_same(image, png, pixels, tmp_path):
    path = tmp_path / "scan.png"
    path.write_bytes(png)
    several = file_bytes([path, str(path), png, bytearray(png), image, pixels, pixels[:, :, 0]])
    assert len(several) == 7
    for one in several:
        assert np.array_equal(np.asarray(decode(one)), pixels)


def test_a_file_is_handed_on_as_it_is(png):
    assert file_bytes(png) == (png,)


def test_a_picture_in_colours_that_png_has_not_is_asked_about_in_rgb(image):
    assert decode(file_bytes(image.convert("CMYK"))[0]).size == image.size


def test_one_frame_of_a_dicom_file_goes_as_a_picture_and_nothing_else_of_the_file(shared_data):
    dicom = shared_data / "dicom" / "RG1_J2KI.dcm"
    (sent,) = file_bytes(dicom, frame=0)
    assert sent.startswith(b"\x89PNG")
    assert np.array_equal(np.asarray(decode(sent)), np.asarray(decode(dicom.read_bytes(), frame=0)))
    with pytest.raises(BadImage, match="there is no frame 1"):
        file_bytes(dicom, frame=1)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("none.png", "none.png: No such file or directory"),
        (np.zeros((4, 4)), r"an array of float64 in the shape \(4, 4\) is no picture"),
        (np.zeros((4, 4, 4), np.uint8), r"an array of uint8 in the shape \(4, 4, 4\) is no picture"),
        (np.zeros(4, np.uint8), "is no picture"),
        (np.zeros((0, 4), np.uint8), "is no picture"),
        (7, "an object of the type int is no picture"),
    ],
)
def test_what_is_no_picture_is_refused_by_what_it_is(given, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadImage, match=reason):
        file_bytes(given)


def test_no_word_of_a_pil_image_but_its_pixels_is_sent(image):
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "DOE^JANE"
    image.save(out, "JPEG", exif=exif)
    held = Image.open(io.BytesIO(out.getvalue()))
    held.info["comment"] = "DOE^JANE"
    assert b"DOE" not in file_bytes(held)[0]
