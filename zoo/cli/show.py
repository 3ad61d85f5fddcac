"""`medzoo show`: what is known of one adapter, read from its manifest."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zoo.manifest import AdapterManifest


@click.command()
@click.argument("adapter", metavar="REPO[@REVISION]|FOLDER")
@click.option("--hub", help="Address of the Hub.  [default: HF_ENDPOINT or https://huggingface.co]")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest itself, zoo.json.")
def show(adapter: str, hub: str | None, as_json: bool) -> None:
    """Print what is known of an adapter: base, variant, data, training, scores, digest.

    ADAPTER is a repo on a Hub, at a branch, tag or commit (main if none is given), or a folder on this
    machine that holds a zoo.json.
    """
    from zoo.manifest import MANIFEST_NAME, read_manifest

    if (Path(adapter) / MANIFEST_NAME).is_file():
        manifest, where = read_manifest(Path(adapter)), adapter
    else:
        from zoo.catalog import look_up
        from zoo.hub import parse_ref

        ref = parse_ref(adapter)
        entry = look_up(ref.repo, ref.revision, endpoint=hub)
        assert entry.manifest is not None
        manifest, where = entry.manifest, f"{entry.repo}@{entry.sha}"
    click.echo(manifest.to_json() if as_json else "\n".join([where, *_lines(manifest)]), nl=not as_json)


def _lines(manifest: "AdapterManifest") -> list[str]:
    base, variant, data = manifest.base, manifest.variant, manifest.data
    lora, training, cost = manifest.lora, manifest.training, manifest.cost
    lines = [
        f"  variant     {variant.name}: {variant.title} ({variant.paper or 'no paper'})",
        f"  base        {base.name}, {base.repo}@{base.revision}",
        f"  objective   {' + '.join(map(_term, variant.objective))}",
        *(f"  departure   {text}" for text in variant.departures),
        *(f"  set         {key} {value}" for key, value in variant.settings.items()),
        *(
            f"  stage       {stage.variant}: {stage.pairs} pairs, {stage.steps} steps, "
            f"learning rate {stage.learning_rate:g}, weights {stage.weights_sha256[:12]}"
            for stage in manifest.earlier
        ),
        f"  data        {data.dataset}/{data.split}, {data.pairs} pairs, sha256 {data.fingerprint}",
        f"  LoRA        r {lora.r}, alpha {lora.alpha}, dropout {lora.dropout:g}"
        f"{', rank-stabilised' if lora.use_rslora else ''}, on {', '.join(lora.targets)}",
        f"  training    {training.steps} steps of {training.batch_size}, learning rate "
        f"{training.learning_rate:g} ({training.schedule}), {training.epochs} epochs, seed {training.seed}, "
        f"from {training.start_from}, against {training.reference}",
        f"  cost        {cost.seconds:.0f} s, {cost.peak_memory_bytes / 2**30:.2f} GiB at most, "
        f"{cost.response_tokens} response tokens, on {manifest.hardware}",
        f"  made        {manifest.created}, code {manifest.commit or 'unknown'}",
        f"  licence     {manifest.license}",
        f"  weights     sha256 {manifest.weights_sha256}",
    ]
    if not manifest.evaluation:
        lines.append("  scores      none: it was not evaluated")
    for e in manifest.evaluation:
        beside = [
            f"{name} {value:.3f}"
            for name, value in (("base", e.base_value), ("SFT", e.sft_value))
            if value is not None
        ]
        lines.append(
            f"  score       {e.metric}, {e.subset} of {e.dataset}/{e.split}: {e.value:.3f} "
            f"({e.low:.3f}-{e.high:.3f}), n {e.n}{'; ' if beside else ''}{', '.join(beside)}"
        )
    return lines


def _term(term: dict[str, object]) -> str:
    inside = ", ".join(f"{key}={value}" for key, value in term.items() if key != "term")
    return f"{term.get('term', 'term')}({inside})"
