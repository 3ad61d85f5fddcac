"""Images for tests: real ones of every kind that is at hand, and small ones made here."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data

from zoo.errors import BadImage
from zoo.images import Scan, open_scan

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
BROUGHT = Path(pydicom.data.__file__).parent / "test_files"


def readable() -> dict[str, tuple[bytes, Scan]]:
    """Every DICOM file that pydicom brings or that lies beside this checkout, and some pictures from there;
    those that cannot be read here are left out."""
    paths = [*BROUGHT.rglob("*.dcm"), *SHARED.glob("dicom/*.dcm"), *SHARED.glob("nih-cxr/*.png")]
    paths += sorted(SHARED.glob("official/slake/imgs/*/source.jpg"))[:3]
    found = {}
    for path in sorted(paths):
        data = path.read_bytes()
        try:
            found[f"{path.parent.name}/{path.name}"] = data, open_scan(data)
        except BadImage:
            continue
    return found


def dicom_bytes(pixels: np.ndarray, *, preamble: bytes = bytes(128), **elements: object) -> bytes:
    """A small uncompressed DICOM file of (frames, rows, columns) of 16-bit grey pixels."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = pydicom.uid.CTImageStorage
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels.astype("<u2").tobytes()
    dataset.preamble = preamble
    return written(dataset)


def written(dataset: pydicom.Dataset) -> bytes:
    """The bytes of a DICOM file."""
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()
