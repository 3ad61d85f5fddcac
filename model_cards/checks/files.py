"""Whether the files of an adapter are whole, and those that its manifest states."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError, safe_open

from model_cards.checks import Check, Fault
from model_cards.repo import Repo
from zoo.errors import BadAdapter
from zoo.manifest import CONFIG_NAME, MANIFEST_NAME, WEIGHTS_NAME, predictions_name, verdicts_name
from zoo.vlm.adapter_config import check_config, read_config

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def manifest(repo: Repo) -> Check:
    """`zoo.json` is there and valid, and so is every file that was to be read."""
    faults = [
        Fault(what="a file cannot be read", value=why, next="mend or replace it") for why in repo.unread
    ]
    if repo.broken:
        said = "medzoo train and medzoo evaluate write it; never edit it by hand"
        faults.append(Fault(what=f"broken {MANIFEST_NAME}", value=repo.broken, next=said))
    absent = repo.manifest is None and not repo.broken
    return Check(
        name="manifest",
        faults=tuple(faults),
        told=repo.manifest.identity if repo.manifest else "",
        unknown=f"no {MANIFEST_NAME}: data, training and cost are not known" if absent else "",
    )


def weights(repo: Repo) -> Check:
    """The weights are safetensors alone, and those that the manifest states."""
    faults = [
        Fault(
            what="weights that can run code when they are loaded",
            value=name,
            next=f"delete it and keep {WEIGHTS_NAME}",
        )
        for name in repo.files
        if name.endswith(_PICKLES)
    ]
    path = repo.folder / WEIGHTS_NAME
    if not path.is_file():
        faults.append(
            Fault(what=f"no {WEIGHTS_NAME}", value=repo.name, next="publish the weights as safetensors")
        )
        return Check(name="weights", faults=tuple(faults))
    digest = _sha256(path)
    if repo.manifest is None:
        why = f"no manifest states their digest; it is {digest}"
        return Check(name="weights", faults=tuple(faults), told="safetensors", unknown=why)
    if digest != repo.manifest.weights_sha256:
        faults.append(
            Fault(
                what=f"{WEIGHTS_NAME} is not the file that was scored",
                value=f"sha256 {digest}, {MANIFEST_NAME} states {repo.manifest.weights_sha256}",
                next="fetch or train it again",
            )
        )
    return Check(name="weights", faults=tuple(faults), told=f"sha256 {digest[:12]}")


def config(repo: Repo) -> Check:
    """`adapter_config.json`, from which PEFT and vLLM build the adapter, says what the manifest says."""
    if repo.manifest is None:
        return Check(name="config", unknown=f"no {MANIFEST_NAME} states rank, scale and layers")
    try:
        with safe_open(repo.folder / WEIGHTS_NAME, framework="numpy") as weights:
            names = weights.keys()
        layers = {name.removeprefix("base_model.model.").rpartition(".lora_")[0] for name in names}
        check_config(read_config(repo.folder), sorted(layers), repo.folder, repo.manifest)
    except (OSError, SafetensorError):
        return Check(name="config", unknown=f"{WEIGHTS_NAME} cannot be read, so its layers are not known")
    except BadAdapter as error:
        fault = Fault(what=f"{CONFIG_NAME} does not fit", value=error.message, next="fetch or train it again")
        return Check(name="config", faults=(fault,))
    lora = repo.manifest.lora
    return Check(name="config", told=f"LoRA of rank {lora.r}, alpha {lora.alpha}")


def answers(repo: Repo) -> Check:
    """The stored answers and verdicts are those that the manifest states."""
    if repo.manifest is None:
        return Check(name="answers", unknown=f"no {MANIFEST_NAME} states any")
    faults, withheld, right = [], [], 0
    for b in repo.manifest.benchmarks:
        where = (b.dataset, b.split)
        for name, digest in (
            (predictions_name(*where), b.predictions_sha256),
            (verdicts_name(*where), b.verdicts_sha256),
        ):
            path = repo.folder / name
            if digest is None:
                continue
            if path.is_file() and (found := _sha256(path)) != digest:
                faults.append(
                    Fault(
                        what=f"{name} is not the file that was scored",
                        value=f"sha256 {found}, {MANIFEST_NAME} states {digest}",
                        next="fetch it again, or medzoo evaluate --record",
                    )
                )
            elif path.is_file():
                right += 1
            elif b.publishable:
                faults.append(
                    Fault(
                        what="claim without evidence",
                        value=f"no {name}, on which the scores rest",
                        next="fetch it again, or medzoo evaluate --record",
                    )
                )
            else:
                withheld.append(name)
    return Check(
        name="answers",
        faults=tuple(faults),
        told=f"{right} stored files",
        withheld=", ".join(withheld),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
