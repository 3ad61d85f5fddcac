"""The card of a base merged with an adapter, a model of its own: README.md, and the NOTICE that a licence
asks for. Knows no weights."""

from huggingface_hub import ModelCard, ModelCardData

from model_cards import licences
from model_cards.page import page
from model_cards.repo import README_NAME
from model_cards.results import Rows
from zoo.bases import Base
from zoo.hub import TAG
from zoo.licences import obliging, redistributable
from zoo.manifest import NOTICE_NAME, AdapterManifest


def card_files(base: Base, manifest: AdapterManifest, *, identity: str, title: str) -> dict[str, str]:
    """The texts that go with `base` merged with the adapter of that manifest, which `identity` names, by the
    names of their files."""
    notice = licences.notice(manifest.license)
    text = _card(base, manifest, identity=identity, title=title)
    return {README_NAME: text, **({NOTICE_NAME: notice} if notice else {})}


def _card(base: Base, manifest: AdapterManifest, *, identity: str, title: str) -> str:
    licence = licences.metadata(manifest.license, link=f"https://huggingface.co/{base.repo}")
    data = ModelCardData(
        base_model=base.repo,
        base_model_relation="finetune",
        language="en",
        library_name="transformers",
        pipeline_tag="image-text-to-text",
        tags=[TAG, manifest.variant.name, base.name, "medical", "merged"],
        **licence,
    )
    return page(
        ModelCard,
        "merged.md.j2",
        data,
        m=manifest,
        base=base,
        identity=identity,
        title=title,
        overall=Rows.of(manifest.evaluation).overall,
        licence_sentence=licences.sentence(manifest.license),
        obliging=obliging(manifest.license),
        may_pass_on=redistributable(manifest.license),
    )
