"""The zoo of one server as HTML: its bases, its leaderboards, its variants with their adapters. Pure; every
word that comes from a manifest is escaped.
"""

import json
from collections.abc import Sequence
from html import escape
from itertools import groupby
from urllib.parse import quote

from model_cards import licences, words
from serving.service import Listing
from serving.ui.browse.boards import boards
from serving.ui.browse.leaderboard import SHORT, finding, leaderboards_html
from serving.ui.browse.markdown import line_html
from serving.ui.browse.objective import NOTATION, explained, terms_html
from zoo.bases import Base
from zoo.manifest import AdapterManifest

Shelf = tuple[Listing, AdapterManifest]
"""An adapter that is here, with what is known of it."""


def zoo_html(served: Base, others: Sequence[Base], listings: Sequence[Listing]) -> str:
    """The whole page; `served` is the base that answers here, `others` the rest that the zoo knows."""
    here = [(listing, listing.files.manifest) for listing in listings if listing.files]
    missing = [listing for listing in listings if not listing.files]
    known = [served, *(base for base in others if base.pinned != served.pinned)]
    tables = leaderboards_html(boards(listings)) or _nothing(
        "No adapter that can be asked here has been evaluated."
    )
    variants = "".join(_variants(here)) or _nothing("No adapter is served here. medzoo ls lists a Hub's.")
    variants = f'<p class="mz-soft">{NOTATION}</p>{variants}' if here else variants
    return (
        f"{_section('bases', 'Bases', _bases(known, served, here))}"
        f"{_section('leaderboard', 'Leaderboard', f'<p class=mz-soft>{_READING}</p>{tables}')}"
        f"{_section('variants', 'Variants and their adapters', variants)}"
        f"{_section('missing', 'Not to be had now', _missing(missing)) if missing else ''}"
    )


_READING = (
    "A table is of one benchmark, one metric and one judge, all of one base; nothing else is comparable. "
    "Scores and intervals are the adapters&#39; own, from their manifests. Overlapping intervals decide "
    "nothing: the differences are paired by question, and one whose interval holds zero is called no "
    "difference. Drawn in each row: the score, its interval, and the base&#39;s score as a broken line."
)


def _section(name: str, title: str, inner: str) -> str:
    heading = f'<h2 id="mz-{name}-h">{title}</h2>'
    return f'<section id="mz-{name}" tabindex="-1" aria-labelledby="mz-{name}-h">{heading}{inner}</section>'


def _nothing(said: str) -> str:
    return f'<p class="mz-nothing">{said}</p>'


def _bases(known: Sequence[Base], served: Base, here: Sequence[Shelf]) -> str:
    """The base that answers here, and the others folded away behind their number."""
    items = []
    for base in known:
        adapters = [listing for listing, manifest in here if _base_of(manifest) == base.pinned]
        mark = '<span class="mz-chip mz-here">served here</span>' if base is served else ""
        find = finding(base.name, *(part for one in adapters for part in (one.alias, one.variant)))
        count = f"{len(adapters)} adapter{'' if len(adapters) == 1 else 's'} here" if base is served else ""
        facts = {
            "Hub": "" if base.built_by else f"{base.repo}@{base.revision[:SHORT] or 'not pinned'}",
            "family": base.family,
            "images": f"up to {base.max_images} a question",
            "licence": base.license,
            "on this machine": base.obstacle.state if base is not served and base.obstacle else "",
            "adapters": count,
        }
        items.append(
            f'<article class="mz-kind" data-find="{escape(find)}"><h3>{escape(base.name)} {mark}</h3>'
            f"<p>{escape(base.about)}</p>{_facts(facts)}</article>"
        )
    others = len(items) - 1
    folded = (
        f'<details class="mz-others"><summary>{others} other base{"" if others == 1 else "s"} of the zoo'
        f'</summary><div class="mz-bases">{"".join(items[1:])}</div></details>'
    )
    return f'<div class="mz-bases">{items[0]}</div>{folded if others else ""}'


def _variants(here: Sequence[Shelf]) -> list[str]:
    def kind(one: Shelf) -> tuple[str, str, str]:
        _, manifest = one
        objective = json.dumps(manifest.variant.objective, sort_keys=True)
        return _base_of(manifest), manifest.variant.name, objective

    return [_variant(list(of)) for _, of in groupby(sorted(here, key=kind), key=kind)]


def _variant(of: list[Shelf]) -> str:
    manifests = [manifest for _, manifest in of]
    first = manifests[0]
    paper = f"<p>From {line_html(words.linked(first.variant.paper))}.</p>" if first.variant.paper else ""
    name = escape(first.variant.name)
    adapters = "".join(_adapter(*one) for one in of)
    return (
        f'<article class="mz-variant" data-variant="{name}" tabindex="-1">'
        f"<h3>{escape(first.variant.title or first.variant.name)} "
        f'<a class="mz-code" href="#{quote(first.variant.name)}">#{name}</a> '
        f"<small>on {escape(first.base.name)}</small></h3>"
        f'<p class="mz-explained">{explained(manifests)}</p>{terms_html(first.variant.objective)}{paper}'
        f"{adapters}</article>"
    )


def _adapter(listing: Listing, manifest: AdapterManifest) -> str:
    assert listing.adapter is not None
    at = listing.adapter
    failed = listing.status.state == "failed"
    fault = f'<p class="mz-problem">Cannot be asked: {escape(listing.status.reason)}</p>' if failed else ""
    find = finding(
        listing.alias,
        manifest.variant.name,
        manifest.variant.title,
        manifest.base.name,
        manifest.data.dataset,
        at.repo,
    )
    departures = "".join(f"<li>{escape(one)}</li>" for one in manifest.variant.departures)
    departures = f"<h5>Departures from the paper</h5><ul>{departures}</ul>" if departures else ""
    return (
        f'<section class="mz-adapter" data-find="{escape(find)}" aria-label="{escape(listing.alias)}">'
        f'<h4>{escape(listing.alias)} <small title="{escape(str(at))}">{escape(at.repo)}@{at.sha[:SHORT]}'
        f"</small></h4>"
        f"{fault}{_in_short(manifest)}"
        f"<details><summary>How it was made</summary>{_facts(_made(manifest))}{departures}</details>"
        f'<details data-card="{escape(listing.alias)}"><summary>Card</summary>'
        f'<div class="mz-card-text" aria-live="polite"></div></details></section>'
    )


def _in_short(manifest: AdapterManifest) -> str:
    """What its scores come to on each benchmark it was compared on, and its licence."""
    said = [words.in_short(e) for e in manifest.evaluation if (e.metric, e.subset, e.shown) == _HEADLINE]
    told = " ".join(one for one in said if one) or ("" if manifest.evaluation else "Not evaluated.")
    licence = f"{manifest.license}: {licences.sentence(manifest.license)}"
    return f'<p>{escape(told)} <span class="mz-soft">{escape(licence)}</span></p>'


_HEADLINE = ("accuracy", "all", "own")


def _made(m: AdapterManifest) -> dict[str, str]:
    """The hyper-parameters and what else decided the run; empty ones are left out."""
    training, settings, lora = m.training, m.variant.settings, m.lora
    return {
        "base": f"{m.base.repo}@{m.base.revision[:SHORT]}",
        "data": f"{m.data.dataset}/{m.data.split}, {m.data.pairs} pairs, seed {m.data.seed}",
        "pairs made by": ", ".join(m.data.made_by),
        "pairs, sha256": m.data.fingerprint[:SHORT],
        "LoRA": f"r {lora.r}, alpha {lora.alpha}, dropout {lora.dropout:g}, on {', '.join(lora.targets)}",
        "earlier stages": ", ".join(stage.variant for stage in m.earlier),
        "set otherwise than declared": ", ".join(f"{key} {settings[key]}" for key in sorted(settings)),
        "starts from": training.start_from,
        "reference": training.reference,
        "learning rate": f"{training.learning_rate:g}, {training.schedule}, "
        f"warm-up {training.warmup_ratio:g}",
        "length": f"{training.epochs} epochs, batches of {training.batch_size}, {training.steps} steps",
        "weight decay, gradient norm": f"{training.weight_decay:g}, at most {training.max_grad_norm:g}",
        "precision, seed": f"{' '.join([training.dtype, training.quantization]).strip()}, {training.seed}",
        "cost": f"{m.cost.seconds:.0f} s, {m.cost.peak_memory_bytes / 2**30:.2f} GiB at most, "
        f"{m.cost.response_tokens} response tokens",
        "hardware": m.hardware,
        "made": m.created,
        "weights, sha256": m.weights_sha256,
        "licence": m.license,
    }


def _facts(facts: dict[str, str]) -> str:
    lines = "".join(
        f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in facts.items() if value
    )
    return f"<dl>{lines}</dl>"


def _missing(listings: Sequence[Listing]) -> str:
    items = "".join(
        f'<li data-find="{escape(finding(one.alias, one.written))}"><b>{escape(one.alias)}</b> '
        f"<small>{escape(one.written)}</small><br>{escape(one.status.reason)}</li>"
        for one in listings
    )
    return f'<ul class="mz-absent">{items}</ul>'


def _base_of(manifest: AdapterManifest) -> str:
    return f"{manifest.base.name}@{manifest.base.revision}"
