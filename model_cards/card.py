"""An adapter's card from its manifest: README.md with metadata for the Hub, the `.eval_results` files, and
the NOTICE that a licence asks for.

The same folder gives the same card, byte for byte, so a stale one can be told. It reads nothing but the
manifest, the stored answers, what the zoo declares of base and data sets, and whether the picture of the
training run is there.
"""

from importlib.metadata import version
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from model_cards import licences
from model_cards.citation import bibtex
from model_cards.evals import EVAL_FOLDER, dataset_id, eval_files, model_index
from model_cards.failures import Failures, failures
from model_cards.page import page
from model_cards.results import Rows, benchmark_lines
from zoo.bases import declared_bases
from zoo.datasets import datasets
from zoo.evaluation.report.usual import explained
from zoo.hub import TAG
from zoo.licences import obliging
from zoo.manifest import (
    LOG_NAME,
    NOTICE_NAME,
    PICTURE_NAME,
    WEIGHTS_NAME,
    AdapterManifest,
    predictions_name,
    read_manifest,
    verdicts_name,
)

README_NAME = "README.md"
VERSION = version("medvlm-zoo")
"""That writes cards: another one may put the same things in other words."""


def card_data(manifest: AdapterManifest) -> ModelCardData:
    """The YAML metadata at the card's head."""
    scored = model_index(manifest)
    licence = licences.metadata(manifest.license, link=f"https://huggingface.co/{manifest.base.repo}")
    return ModelCardData(
        base_model=manifest.base.repo,
        base_model_relation="adapter",
        datasets=[dataset_id(manifest.data.dataset)],
        language="en",
        library_name="peft",
        pipeline_tag="image-text-to-text",
        tags=[TAG, manifest.variant.name, manifest.base.name, "lora", "medical"],
        metrics=sorted({e.metric for e in manifest.evaluation}) or None,
        eval_results=scored or None,
        model_name=title(manifest) if scored else None,
        **licence,
    )


def title(manifest: AdapterManifest) -> str:
    """The adapter's name: its repo, or base and variant before it is published."""
    return manifest.repo or f"{manifest.base.name}-{manifest.variant.name}"


def render(manifest: AdapterManifest, *, failed: Failures | None = None, pictured: bool = False) -> str:
    """The whole README.md; `failed` as the stored answers show, `pictured` if the picture of the training
    run lies beside it."""
    rows = Rows.of(manifest.evaluation)
    return page(
        ModelCard,
        "adapter.md.j2",
        card_data(manifest),
        m=manifest,
        base=declared_bases().get(manifest.base.name),  # not what this machine keeps: cards are alike
        title=title(manifest),
        licence_sentence=licences.sentence(manifest.license),
        obliging=obliging(manifest.license),
        headline=rows.headline,
        overall=rows.overall,
        by_type=rows.by_type,
        error_types=explained(e.subset for e in rows.by_type),
        ablation=rows.ablation,
        shortened=rows.shortened,
        benchmarks=benchmark_lines(manifest),
        failures=failed or Failures(),
        risks=_risks(manifest),
        bibtex=bibtex(manifest),
        digests=_digests(manifest),
        version=VERSION,
        picture=PICTURE_NAME if pictured else "",
        log=LOG_NAME,
    )


def card_files(folder: Path) -> dict[str, str]:
    """Every file of the card of the adapter in `folder`: path in it to text.

    Raises:
        BadManifest: the folder has no valid `zoo.json`.
        BadRecord: a file of its answers is broken.
    """
    manifest = read_manifest(folder)
    pictured = (folder / PICTURE_NAME).is_file()
    text = render(manifest, failed=failures(folder, manifest), pictured=pictured)
    notice = licences.notice(manifest.license)
    return {README_NAME: text, **({NOTICE_NAME: notice} if notice else {}), **eval_files(manifest)}


def write_card(folder: Path) -> list[str]:
    """Write the card of the adapter in `folder` from its manifest; return the paths that changed.

    Files of `.eval_results` that the manifest has no scores for are removed.

    Raises:
        BadManifest: the folder has no valid `zoo.json`.
    """
    changed = stale(folder)
    wanted = card_files(folder)
    for name in changed:
        path = folder / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # it may be a link to a file that is to stay as it is
            path.write_text(wanted[name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def stale(folder: Path) -> list[str]:
    """The paths of the card that are missing, differ from what the manifest gives, or are left over. How
    lines end does not count: git may change that.

    Raises:
        BadManifest: the folder has no valid `zoo.json`.
    """
    wanted = {name: text.encode() for name, text in card_files(folder).items()}
    left_over = {
        f"{EVAL_FOLDER}/{path.name}" for path in (folder / EVAL_FOLDER).glob("*.yaml")
    } - wanted.keys()
    differing = {
        name
        for name, content in wanted.items()
        if not (folder / name).is_file() or (folder / name).read_bytes().replace(b"\r\n", b"\n") != content
    }
    return sorted(differing | left_over)


def _risks(manifest: AdapterManifest) -> list[tuple[str, tuple[str, ...]]]:
    """What to know of the data that it was trained and scored on, as far as they are declared here."""
    named = dict.fromkeys([manifest.data.dataset, *(e.dataset for e in manifest.evaluation)])
    return [(name, datasets()[name].risks) for name in named if name in datasets()]


def _digests(manifest: AdapterManifest) -> list[tuple[str, str]]:
    """Files with their sha256; empty for one that is withheld."""
    found = [(WEIGHTS_NAME, manifest.weights_sha256)]
    for b in manifest.benchmarks:
        for name, digest in (
            (predictions_name(b.dataset, b.split), b.predictions_sha256),
            (verdicts_name(b.dataset, b.split), b.verdicts_sha256),
        ):
            if digest is not None:
                found.append((name, digest if b.publishable else ""))
    return found
