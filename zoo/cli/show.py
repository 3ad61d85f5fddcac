"""`medzoo show`: what is known of one adapter, read from its manifest, and where it stands on its Hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.records import RULES

if TYPE_CHECKING:
    from zoo.manifest import AdapterManifest, Benchmark, Evaluation

_SHOWN = {"noise": "with noise for the image", "other": "with another patient's image"}


@click.command()
@click.argument("adapter", metavar="REPO[@REVISION]|FOLDER")
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest itself, zoo.json.")
def show(adapter: str, hub: str | None, as_json: bool) -> None:
    """Print what is known of an adapter: what it is, how it was made, what it scores, its digests.

    ADAPTER is a repo on a Hub, at a branch, tag or commit (main if none is given), or a folder on this
    machine that holds a zoo.json.
    """
    from zoo.manifest import MANIFEST_NAME, read_manifest

    if (Path(adapter) / MANIFEST_NAME).is_file():
        manifest, where, stands = read_manifest(Path(adapter)), adapter, []
    else:
        from zoo.catalog import look_up
        from zoo.hub import parse_ref

        ref = parse_ref(adapter)
        entry = look_up(ref.repo, ref.revision, endpoint=hub)
        assert entry.manifest is not None
        manifest, where = entry.manifest, f"{entry.repo}@{entry.sha}"
        stands = [] if as_json else _on_hub(manifest, entry.repo, entry.sha, hub)
    if as_json:
        click.echo(manifest.to_json(), nl=False)
        return
    click.secho(where, bold=True)
    sections = {
        "HUB": stands,
        "WHAT": _what(manifest),
        "MADE": _made(manifest),
        "SCORES": _scores(manifest.evaluation),
        "IMAGE": _ablation(manifest.evaluation),
        "BENCHMARKS": [line for one in manifest.benchmarks for line in _benchmark(one)],
        "DIGESTS": _digests(manifest),
    }
    for title, lines in sections.items():
        if lines:
            click.secho(f"\n{title}", bold=True)
            click.echo("\n".join(f"  {line}" for line in lines))


def _on_hub(manifest: "AdapterManifest", repo: str, sha: str, hub: str | None) -> list[str]:
    """Versions and collection; why not, where the Hub cannot be asked."""
    from zoo.errors import HubError
    from zoo.hub import tags_of
    from zoo.hub_collections import membership

    try:
        tags = tags_of(repo, endpoint=hub)
        collection = membership(manifest.base.name, repo, endpoint=hub)
    except HubError as error:
        return [f"versions    not known: {error.message}"]
    versions = [f"{tag} {at[:8]}{' (this one)' if at == sha else ''}" for tag, at in tags.items()]
    lines = [f"versions    {', '.join(versions) or 'none'}"]
    return [*lines, f"collection  {collection.title}"] if collection.holds else lines


def _what(m: "AdapterManifest") -> list[str]:
    from zoo.cli._text import term

    return [
        f"variant     {m.variant.name}: {m.variant.title} ({m.variant.paper or 'no paper'})",
        f"base        {m.base.name}, {m.base.repo}@{m.base.revision}",
        f"objective   {' + '.join(map(term, m.variant.objective))}",
        *(f"departure   {text}" for text in m.variant.departures),
        *(f"set         {key} {value}" for key, value in m.variant.settings.items()),
        f"licence     {m.license}",
    ]


def _made(m: "AdapterManifest") -> list[str]:
    data, lora, training, cost = m.data, m.lora, m.training, m.cost
    return [
        f"data        {data.dataset}/{data.split}, {data.pairs} pairs, seed {data.seed}"
        f"{f', {data.license}' if data.license else ''}",
        *(
            f"stage       {stage.variant}: {stage.pairs} pairs, {stage.steps} steps, "
            f"learning rate {stage.learning_rate:g}, weights {stage.weights_sha256[:12]}"
            for stage in m.earlier
        ),
        f"LoRA        r {lora.r}, alpha {lora.alpha}, dropout {lora.dropout:g}"
        f"{', rank-stabilised' if lora.use_rslora else ''}, on {', '.join(lora.targets)}",
        f"training    {training.steps} steps of {training.batch_size}, learning rate "
        f"{training.learning_rate:g} ({training.schedule}), {training.epochs} epochs, seed {training.seed}, "
        f"{training.dtype}{f' {training.quantization}' if training.quantization else ''}, "
        f"from {training.start_from}, against {training.reference}",
        f"cost        {cost.seconds:.0f} s, {cost.peak_memory_bytes / 2**30:.2f} GiB at most, "
        f"{cost.response_tokens} response tokens, on {m.hardware}",
        f"made        {m.created}, code {m.commit or 'unknown'}",
    ]


def _scores(evaluation: "Sequence[Evaluation]") -> list[str]:
    """Every score on a whole benchmark, and the first metric's by subset; how many more there are."""
    from zoo.cli._text import aligned, between, legend

    own = [e for e in evaluation if e.shown == "own"]
    if not own:
        return ["none: it was not evaluated"]
    whole = [e for e in own if e.subset == "all"]
    parts = [e for e in own if e.subset != "all" and e.metric == own[0].metric]
    rows = [
        (
            f"{e.dataset}/{e.split}",
            e.subset,
            e.metric + ("" if e.judge == RULES else f" by {e.judge}"),
            f"{e.value:.3f} ({e.low:.3f}-{e.high:.3f})",
            f"{e.n}{f' ({e.failed} unreadable)' if e.failed else ''}",
            _number(e.base_value),
            between(e.value, e.base_value, e.over_base),
            _number(e.sft_value),
            between(e.value, e.sft_value, e.over_sft),
        )
        for e in [*whole, *parts]
    ]
    head = (
        "benchmark",
        "subset",
        "metric",
        "value (95 % interval)",
        "n",
        "base",
        "over base",
        "SFT",
        "over SFT",
    )
    lines = aligned([head, *rows], spare=("SFT", "base"))
    lines += legend(rows)
    if more := len(own) - len(rows):
        lines.append(f"and {more} more by subset: --json")
    return lines


def _ablation(evaluation: "Sequence[Evaluation]") -> list[str]:
    """How much the image matters."""
    from zoo.cli._text import aligned, between, legend

    rows = [
        (
            f"{e.dataset}/{e.split}",
            e.metric,
            _SHOWN[e.shown],
            _number(e.own_value),
            f"{e.value:.3f}",
            between(e.own_value, e.value, e.lost),
            str(e.n),
        )
        for e in evaluation
        if e.shown != "own" and e.subset == "all"
    ]
    head = ("benchmark", "metric", "asked", "own image", "value", "lost", "n")
    return [*aligned([head, *rows]), *legend(rows)] if rows else []


def _benchmark(b: "Benchmark") -> list[str]:
    return [
        f"{b.dataset}/{b.split}: {b.questions} questions about {b.images} images, {b.license}, at most "
        f"{b.max_tokens} tokens, asked {b.created}, sha256 {b.fingerprint}",
        *(f"  note      {note}" for note in b.notes),
    ]


def _digests(m: "AdapterManifest") -> list[str]:
    from zoo.manifest import predictions_name, verdicts_name

    lines = [f"weights     sha256 {m.weights_sha256}", f"pairs       sha256 {m.data.fingerprint}"]
    for b in m.benchmarks:
        for of, digest in ((predictions_name, b.predictions_sha256), (verdicts_name, b.verdicts_sha256)):
            if digest:
                withheld = "" if b.publishable else ", withheld"
                lines.append(f"{of(b.dataset, b.split)}  sha256 {digest}{withheld}")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
