"""The same pictures as in a file, in a file that tells nothing else.

A DICOM file is written anew from a list of what may stay, so what nobody thought of goes too: every text,
date and identifier, overlays, curves, private elements, the preamble, and what compressed pixels carry beside
themselves. What is drawn into the pixels stays; `Scan.burned_in` tells of it.
"""

import io
from typing import Any

import numpy as np
from PIL import Image

from zoo.errors import BadImage, ImageTooLarge
from zoo.images.codestream import pixels_only
from zoo.images.dicom import DicomFile, told_plainly
from zoo.images.limits import Limits, check_bytes
from zoo.images.picture import decode_picture, open_header
from zoo.images.scan import burned_in, modality_of

_LUT: dict[str, Any] = {"LUTDescriptor": {}, "LUTData": {}}
_WINDOW: dict[str, Any] = {
    "WindowCenter": {},
    "WindowWidth": {},
    "RescaleSlope": {},
    "RescaleIntercept": {},
    "VOILUTSequence": _LUT,
    "ModalityLUTSequence": _LUT,
}
_GROUPS = {"PixelValueTransformationSequence": _WINDOW, "FrameVOILUTSequence": _WINDOW}
_KEPT: dict[str, Any] = {
    **_WINDOW,
    "SamplesPerPixel": {},
    "PlanarConfiguration": {},
    "NumberOfFrames": {},
    "Rows": {},
    "Columns": {},
    "BitsAllocated": {},
    "BitsStored": {},
    "HighBit": {},
    "PixelRepresentation": {},
    "PixelPaddingValue": {},
    **{
        f"{segmented}{colour}PaletteColorLookupTable{part}": {}
        for colour in ("Red", "Green", "Blue")
        for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    },
    "SharedFunctionalGroupsSequence": _GROUPS,
    "PerFrameFunctionalGroupsSequence": _GROUPS,
}
"""The numbers that showing needs, and in which sequences they are looked for."""
_NUMBERS = {
    "US",
    "SS",
    "UL",
    "SL",
    "DS",
    "IS",
    "FL",
    "FD",
    "OB",
    "OW",
    "US or SS",
    "US or OW",
    "US or SS or OW",
}
_PHOTOMETRIC = {
    *("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420"),
    *("YBR_ICT", "YBR_RCT"),
}
_FUNCTIONS = {"LINEAR", "LINEAR_EXACT", "SIGMOID"}


def strip_dicom(data: bytes, limits: Limits) -> bytes:
    """See `zoo.images.strip`."""
    with told_plainly():
        file = DicomFile(data, limits)
        file.stored(file.index(None))  # what cannot be shown is refused here
        return _written(file, limits)


def strip_picture(data: bytes, limits: Limits) -> bytes:
    """See `zoo.images.strip`. A JPEG stays one, since its pixels in a PNG would be many times as long."""
    picture = decode_picture(data, limits)
    bare = pixels_only(data)
    out = io.BytesIO()
    if bare is None or data[:2] != b"\xff\xd8":
        picture.save(out, "PNG")
    else:
        turned = Image.Exif()
        turned[0x0112] = open_header(data, limits).getexif().get(0x0112, 1)
        exif = turned.tobytes()
        out.write(bare[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + bare[2:])
    check_bytes(len(out.getvalue()), limits)
    return out.getvalue()


def _written(file: DicomFile, limits: Limits) -> bytes:
    import pydicom

    bare = _only(file.dataset, _KEPT, big_endian=file.dataset.original_encoding[1] is False)
    bare.file_meta = pydicom.dataset.FileMetaDataset()
    bare.SOPClassUID = bare.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    bare.SOPInstanceUID = bare.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    bare.StudyInstanceUID, bare.SeriesInstanceUID = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
    bare.Modality = modality_of(file.dataset)
    if (burned := burned_in(file.dataset)) != "unknown":
        bare.BurnedInAnnotation = burned.upper()
    codestreams = _codestreams(file)
    if codestreams is None:
        _put_values(bare, file, limits)
    else:
        if file.photometric not in _PHOTOMETRIC:
            raise BadImage("the DICOM file says its colours in a way that is not known here")
        bare.PhotometricInterpretation = file.photometric
        bare.file_meta.TransferSyntaxUID = file.dataset.file_meta.TransferSyntaxUID
        bare.PixelData = pydicom.encaps.encapsulate(codestreams)
        bare["PixelData"].VR = "OB"
    out = io.BytesIO()
    pydicom.dcmwrite(out, bare, enforce_file_format=True)
    check_bytes(len(out.getvalue()), limits)
    return out.getvalue()


def _only(dataset: Any, kept: dict[str, Any], *, big_endian: bool) -> Any:
    """The numbers of a data set that are kept, and of its sequences their items so treated."""
    import pydicom

    bare = pydicom.Dataset()
    for name, inside in kept.items():
        if name not in dataset:
            continue
        element = dataset[name]
        if inside and element.VR == "SQ":
            setattr(bare, name, [_only(item, inside, big_endian=big_endian) for item in element.value])
        elif not inside and element.VR in _NUMBERS:
            if big_endian and element.VR == "OW":  # tables; of other numbers pydicom knows the order
                bare.add_new(element.tag, "OW", np.frombuffer(element.value, ">u2").astype("<u2").tobytes())
            else:
                bare[element.tag] = element
    function = str(dataset.get("VOILUTFunction") or "").upper()
    if "WindowCenter" in kept and function in _FUNCTIONS:
        bare.VOILUTFunction = function
    return bare


def _codestreams(file: DicomFile) -> list[bytes] | None:
    """Every frame's compressed pixels; None if they are not compressed, or in a way that may hold more."""
    if not file.dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return None
    bare = [pixels_only(file.codestream(index)) for index in range(file.frames)]
    found = [one for one in bare if one is not None]
    return found if len(found) == file.frames else None


def _put_values(bare: Any, file: DicomFile, limits: Limits) -> None:
    """The stored values as they are, uncompressed; colours come in RGB."""
    import pydicom

    first = file.stored(file.index(None))
    if (size := first.nbytes * file.frames) > limits.max_bytes:
        raise ImageTooLarge(
            f"{file.frames} frames are {size} bytes uncompressed, the limit is {limits.max_bytes}",
            hint="send fewer frames, or export them as JPEG or JPEG 2000",
        )
    values = np.stack([file.stored(index) for index in range(file.frames)])
    bare.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    bare.BitsAllocated = 8 * values.itemsize
    if first.ndim == 3:
        bare.PhotometricInterpretation, bare.PlanarConfiguration = "RGB", 0
    elif file.photometric in ("MONOCHROME1", "PALETTE COLOR"):
        bare.PhotometricInterpretation = file.photometric
    else:
        bare.PhotometricInterpretation = "MONOCHROME2"
    pixels = values.astype(values.dtype.newbyteorder("<")).tobytes()
    pixels += b"\0" * (len(pixels) % 2)
    if values.dtype.kind == "f":
        setattr(bare, "FloatPixelData" if values.itemsize == 4 else "DoubleFloatPixelData", pixels)
    else:
        bare.PixelData = pixels
        bare["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
