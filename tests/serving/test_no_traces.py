"""What was asked leaves no trace: not in the log, not on the terminal, not in a file."""

import base64
import io
import json
import struct
import zlib
from pathlib import Path

import httpx
import numpy as np
import pydicom
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.serving.soak.processes import served
from tests.serving.soak.server import SECRET
from zoo.localhub.server import serving

MARK = "Planted"
QUESTION = f"Has {MARK} Jane a nodule?"


def png() -> bytes:
    note = PngInfo()
    note.add_text("Comment", MARK)
    out = io.BytesIO()
    Image.new("L", (64, 64), 100).save(out, "PNG", pnginfo=note)
    return out.getvalue()


def dicom(*numbers: str) -> bytes:
    """A scan with the mark in names, identifiers, a UID and, where they are named, in numbers."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.PatientName, dataset.PatientID, dataset.InstitutionName = f"{MARK}^Jane", MARK, MARK
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = 64, 64
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.PixelData = np.arange(64 * 64, dtype="<u2").tobytes()
    with pydicom.config.disable_value_validation():
        dataset.StudyInstanceUID = MARK
        for name in numbers:
            setattr(dataset, name, 7_654_321)
        out = io.BytesIO()
        pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue().replace(b"7654321", MARK.encode())


def bomb() -> bytes:
    data = bytearray(png())
    data[16:24] = struct.pack(">II", 2**30, 2**30)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def ask(client: httpx.Client) -> list[int]:
    """Put the mark into everything that a client can send; the statuses that came back."""
    uri = f"data:image/png;name={MARK};base64,AAAA"
    seen = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    remote = f"http://{MARK}.test/{MARK}.png"
    fields = {"question": QUESTION, "adapters": "base"}
    names = (MARK, f"{MARK}/x", f"me/{MARK}@{MARK}")
    files = [png(), dicom(), dicom("WindowCenter", "WindowWidth"), dicom("NumberOfFrames")]
    files += [dicom()[:200], dicom()[:-100] + MARK.encode(), MARK.encode(), bomb(), *[png()] * 6]

    def form(data=fields, image=files[0], path="/v1/compare"):
        return client.post(path, data=data, files={"image": (f"{MARK}.png", image)})

    def chat(image, **more):
        parts = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": QUESTION}]
        body = {"model": "base", "messages": [{"role": "user", "content": parts}], **more}
        return client.post("/v1/chat/completions", json=body)

    replies = [
        *(form(image=image) for image in files),
        *(form({**fields, "adapters": name}) for name in names),
        form({**fields, MARK: MARK}),
        form({"question": MARK * 1000, "adapters": "base"}),
        form(path=f"/v1/compare?name={MARK}"),
        chat(seen, stream=True),
        chat(seen, **{MARK: MARK}),
        chat(remote),
        client.post("/v1/compare", json={"images": [uri], "question": QUESTION, "adapters": ["base"]}),
        client.post("/v1/compare", content=f"{{{MARK}", headers={"Content-Type": "application/json"}),
        client.post("/v1/compare", content=MARK, headers={"Content-Type": f"text/{MARK}"}),
        client.post("/v1/load_lora_adapter", json={"lora_name": MARK, "lora_path": f"{MARK}/{MARK}"}),
        client.post("/v1/unload_lora_adapter", json={"lora_name": MARK}),
        client.get(f"/v1/models/{MARK}", params={"patient": MARK}),
        client.get(f"/{MARK}/{MARK}", params={"patient": MARK}),
        client.request(MARK.upper(), "/v1/models"),
        client.get("/v1/models", headers={"X-Request-ID": MARK, "Authorization": f"Bearer {MARK}"}),
        client.get("/v1/models", headers={"Origin": f"http://{MARK}.test", "Referer": f"http://{MARK}.test"}),
        client.get("/v1/models", headers={"Host": f"{MARK}.test"}),
        client.post("/gradio_api/queue/join", json={"data": [MARK], "fn_index": 0, "session_hash": MARK}),
        client.post("/gradio_api/component_server", json={"data": MARK, "fn_name": MARK, "component_id": 1}),
        client.post("/gradio_api/upload", files={"files": (f"{MARK}.png", png())}),
        client.post("/gradio_api/process_recording", files={"video": (MARK, MARK.encode() * 300_000)}),
        client.post("/gradio_api/component_server", files={"file": (MARK, MARK.encode() * 300_000)}),
        client.get("/gradio_api/file=" + MARK),
        *ask_page(client),
    ]
    return [reply.status_code for reply in replies]


def ask_page(client: httpx.Client) -> list[httpx.Response]:
    """Put it into all that the page's functions take, in values of the wrong kind too."""
    replies = []
    for number, one in enumerate(client.get("/config").json()["dependencies"]):
        count = len(one["inputs"])
        for value in (MARK, [MARK], {MARK: MARK}):
            body = {"fn_index": one["id"], "session_hash": f"{number}", "data": [value] * count}
            replies.append(client.post("/gradio_api/queue/join", json=body))
            with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": f"{number}"}) as told:
                assert [line for line in told.iter_lines() if "process_completed" in line]
    return replies


def test_nothing_of_a_question_an_image_or_a_name_is_kept_also_where_answers_fail(tmp_path):
    home, scratch, log = tmp_path / "home", tmp_path / "tmp", tmp_path / "log"
    home.mkdir()
    scratch.mkdir()
    places = {"HOME": str(home), "HF_HOME": str(home / "hf"), "XDG_CACHE_HOME": str(home / "cache")}
    places |= {"TMPDIR": str(scratch), "GRADIO_TEMP_DIR": str(scratch / "gradio")}
    places |= {"MPLCONFIGDIR": str(Path.home() / ".cache" / "matplotlib")}  # its list of fonts takes seconds
    places |= {"MEDZOO_ALLOW": "*", "HF_TOKEN": "local", "SOAK_RAISE_EVERY": "2"}
    with serving(tmp_path / "hub") as hub:
        with served(["--port", "0", "--device", "cpu", "--hub", hub], log, environment=places) as server:
            with httpx.Client(base_url=server.url, trust_env=False, timeout=300) as client:
                statuses = ask(client)
            server.child.terminate()
            said, _ = server.child.communicate(timeout=300)
        assert server.child.returncode == 0
    assert {200, 400, 403, 404, 413, 422, 500} <= set(statuses)
    lines = [json.loads(line[line.index("{") :]) for line in log.read_text().splitlines() if "{" in line]
    assert {(line["method"], line["route"], line["client"]) for line in lines} >= {
        ("POST", "/v1/compare", "local"),
        ("GET", "/v1/models/{id:path}", "local"),
        ("other", "/v1/models", "local"),
        ("GET", "", ""),
    }
    for text in (said, log.read_text()):
        assert MARK.lower() not in text.lower()
        assert SECRET not in text
    for path in [*home.rglob("*"), *scratch.rglob("*")]:
        assert MARK.lower() not in str(path.relative_to(tmp_path)).lower()
        if path.is_file():
            assert MARK.lower().encode() not in path.read_bytes().lower(), path
