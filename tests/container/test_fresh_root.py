"""The image's own steps in a root with nothing of this checkout: installed as the Dockerfile says, then
served by user 1000 from a root that is read-only, with one folder to write."""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests._ports import free_port
from tests.container._dockerfile import ROOT, environment, read_stages
from zoo.phantom.scans import make_scan

pytestmark = pytest.mark.slow
BUILD, *_, IMAGE = read_stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
OWN = ("zoo", "app", "cache", "shim", "tmp", "proc", "dev", "sys", "run")
"""Top folders that are the image's or the kernel's."""
SPACE = "me-zoo.hf.space"


def inside(folder: Path, *words: str, build: bool = False) -> list[str]:
    """A command in a root of this machine's system folders and the image's own from `folder`."""
    bound = []
    for top in sorted(Path("/").iterdir()):
        if top.name not in OWN and top.is_dir():
            kind = ["--symlink", os.readlink(top)] if top.is_symlink() else ["--ro-bind", str(top)]
            bound += [*kind, str(top)]
    for name in ("zoo", "app", "shim"):
        bound += ["--bind" if build and name != "shim" else "--ro-bind", str(folder / name), f"/{name}"]
    who = ["--tmpfs", "/tmp"] if build else ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    where = "/app" if build else "/cache"
    if not build:
        bound += ["--bind", str(folder / "cache"), "/cache", "--remount-ro", "/"]
    if Path("/run").is_dir():  # where names are looked up
        bound += ["--ro-bind", "/run", "/run"] if build else []
    base = ["bwrap", "--dev", "/dev", "--proc", "/proc", *bound, *who, "--die-with-parent"]
    return [*base, "--chdir", where, *words]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the image's /zoo, after the steps of the stage that makes it."""
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not here: apt-get install bubblewrap")
    folder = tmp_path_factory.mktemp("root")
    for name in ("zoo", "app", "cache", "shim"):
        (folder / name).mkdir()
    (folder / "shim" / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    arguments = dict(one.split("=", 1) for one in BUILD.all("ARG") if "=" in one)
    variables = {**os.environ, **arguments, "PATH": f"/zoo/bin:/shim:{os.environ['PATH']}"}
    if subprocess.run(inside(folder, "true", build=True), capture_output=True).returncode:
        pytest.skip("this machine gives no namespaces")
    for step in BUILD.instructions:
        if step.name == "COPY":
            *names, target = step.words.split()
            for name in names:
                source = ROOT / name
                if source.is_dir():
                    ignored = shutil.ignore_patterns("__pycache__", ".*")
                    shutil.copytree(source, folder / "app" / target, ignore=ignored)
                else:
                    shutil.copyfile(source, folder / "app" / name)
        elif step.name == "RUN":
            command = inside(folder, "sh", "-c", step.words, build=True)
            done = subprocess.run(command, env=variables, capture_output=True, text=True)
            assert done.returncode == 0, f"{step.words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    shutil.rmtree(folder / "app")
    (folder / "app").mkdir()  # the image has only what was installed
    return folder


@pytest.fixture(scope="module")
def server(built: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The port of the server that the image runs, shown in a Space, and the environment of its container."""
    port = free_port()
    variables = {
        **environment(IMAGE),
        "PATH": "/zoo/bin:/usr/bin:/bin",
        "HF_ENDPOINT": "http://127.0.0.1:9",  # no Hub: the base alone
        "MEDZOO_PUBLIC_DEMO": "true",
        "MEDZOO_PORT": str(port),
        "SPACE_HOST": SPACE,
    }
    command = inside(built, "medzoo", "serve", "--host", "0.0.0.0")
    with (built / "log").open("w") as log:
        child = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert child.stdout is not None
        said = next((line for line in child.stdout if line.startswith("ready at")), None)
        assert said == f"ready at http://0.0.0.0:{port}\n", (built / "log").read_text()
        yield port, variables
    finally:
        child.terminate()
        child.wait(60)


def test_the_serving_image_has_a_torch_for_cpus_and_nothing_of_training(built: Path) -> None:
    there = {path.name.lower() for path in (built / "zoo").glob("lib/python*/site-packages/*.dist-info")}
    assert [name for name in there if name.startswith("torch-")] == ["torch-2.13.0+cpu.dist-info"]
    training = ("bitsandbytes", "openai", "nltk", "sacrebleu", "tensorboard", "nvidia", "triton", "pytest")
    assert [name for name in there if name.startswith(training)] == []


def test_a_container_is_healthy_by_the_dockerfiles_own_command(
    built: Path, server: tuple[int, dict[str, str]]
) -> None:
    command = json.loads(IMAGE.all("HEALTHCHECK")[0].partition(" CMD ")[2])
    _, variables = server
    assert subprocess.run(inside(built, *command), env=variables).returncode == 0
    elsewhere = {**variables, "MEDZOO_PORT": "9"}
    done = subprocess.run(inside(built, *command), env=elsewhere, capture_output=True)
    assert done.returncode == 1


def test_its_user_is_a_number_and_the_root_is_read_only(built: Path) -> None:
    said = "id -u; touch /x; touch /zoo/x; touch /app/x; touch /cache/x && echo written"
    done = subprocess.run(inside(built, "sh", "-c", said), capture_output=True, text=True)
    assert done.stdout == "1000\nwritten\n"
    assert done.stderr.count("Read-only file system") == 3


def test_it_answers_a_visitor_through_the_hubs_proxy_and_keeps_no_picture(
    built: Path, server: tuple[int, dict[str, str]]
) -> None:
    out = io.BytesIO()
    Image.fromarray(make_scan(3).pixels).save(out, "PNG")
    picture = out.getvalue()
    body = {
        "images": [f"data:image/png;base64,{base64.b64encode(picture).decode()}"],
        "question": "Which organ is shown?",
        "adapters": ["base"],
    }
    headers = {"Host": SPACE, "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    with httpx.Client(base_url=f"http://127.0.0.1:{server[0]}", trust_env=False, timeout=60) as client:
        reply = client.post("/v1/compare", json=body, headers=headers)
        assert reply.status_code == 200, reply.text
        assert reply.json()["answers"][0]["text"]
        page = client.get("/", headers=headers)
        assert "frame-ancestors 'self' https://huggingface.co" in page.headers["content-security-policy"]
        assert "Send no picture and no word of a patient" in page.text
        assert client.get("/", headers={**headers, "Host": "evil.test"}).status_code == 403
        loading = client.post("/v1/load_lora_adapter", json={}, headers=headers)
        assert loading.status_code == 403
    kept = [path for path in (built / "cache").rglob("*") if path.is_file()]
    assert not any(picture[:200] in path.read_bytes() for path in kept)
