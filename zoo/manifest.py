"""`zoo.json`: all that is known of an adapter. The seam between training, cards, catalog and serving.

A reader refuses unknown keys, fills keys that are newer than the file with their defaults, and
refuses a schema newer than its own with the word upgrade. Every error names the key and the file.
"""

import json
import os
import reprlib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.errors import BadManifest
from zoo.records import RULES, Shown

SCHEMA_VERSION: Final = 1
MANIFEST_NAME = "zoo.json"
LIMIT = 2**20
"""Most bytes of a manifest."""
WEIGHTS_NAME = "adapter_model.safetensors"
CONFIG_NAME = "adapter_config.json"
LOG_NAME = "log.jsonl"
"""What the training run said of itself, a line a step."""
PICTURE_NAME = "training.png"
"""The same as a picture."""
NOTICE_NAME = "NOTICE"
"""What a licence wants said beside what was made of a work."""
TERMS_NAME = "LICENSE"
"""A copy of the terms that go along, where whoever publishes laid one there."""
JOB_NAME = "job.json"
"""What decides a run, in its folder until it is finished."""
LIST_NAME = "several.json"
"""What decides a list of variants that are trained together, in the folder of their folders."""


def predictions_name(dataset: str, split: str) -> str:
    """Where an adapter's folder holds the raw answers to a benchmark: its own, the base's and SFT's."""
    return f"predictions/{dataset}-{split}.jsonl"


def verdicts_name(dataset: str, split: str) -> str:
    """Where an adapter's folder holds what judges said of those answers."""
    return f"verdicts/{dataset}-{split}.jsonl"


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BaseRef(_Part):
    """The base that the adapter was made for; serving refuses any other."""

    name: str
    repo: str
    """Hub id of the base."""
    revision: str
    """Hub commit of the base; for a base kept in a folder, the digest of that folder."""


class VariantRef(_Part):
    """The variant, with its objective as data."""

    name: str
    title: str
    paper: str
    objective: list[dict[str, Any]]
    departures: list[str] = []
    """Where this differs from the paper, a sentence each."""
    settings: dict[str, str] = {}
    """What was set away from the variant's declaration, by field: an ablation."""


class PairNumbers(_Part):
    """What making the pairs dropped, and what their lengths alone give away."""

    questions: int
    """Questions that they were made of."""
    dropped: dict[str, int]
    """Drafts that gave no pair, by reason."""
    halves: dict[str, int]
    """Pairs by what is rejected: `response`, `image`, `both`, `none`."""
    words: dict[str, dict[str, float]]
    """Length of chosen and rejected responses in words: mean, median, most."""
    longer_is_chosen: float
    """Share of pairs whose chosen response is the longer, ties counted half."""
    length_only_accuracy: float
    """How often the chosen response is guessed right from the lengths alone."""


class DataRef(_Part):
    """What the adapter was trained on."""

    dataset: str
    split: str
    pairs: int
    fingerprint: Sha256
    """sha256 of the pair set: its records and its images."""
    made_by: list[str] = []
    """The makers of the pairs, such as the rule-based writer's name and version."""
    steps: list[dict[str, Any]] = []
    """The steps that made the pairs, with their numbers, in order."""
    seed: int
    license: str = ""
    """Of the questions and pictures that the pairs derive from; empty where it was not noted."""
    numbers: PairNumbers | None = None
    """Of the pair set's report; None where it was not noted."""


class LoraRef(_Part):
    """The LoRA configuration, as PEFT names it."""

    r: int
    alpha: int
    dropout: float
    use_rslora: bool
    targets: list[str]


class TrainingRef(_Part):
    """Every hyper-parameter of the run."""

    start_from: str
    """`base`, or `repo@sha` of the adapter that training began from."""
    reference: str
    """`base`, or `repo@sha` of the adapter that gave the reference log-probs."""
    learning_rate: float
    schedule: str
    warmup_ratio: float
    weight_decay: float
    max_grad_norm: float
    epochs: int
    batch_size: int
    steps: int
    shared_prompts: bool = True
    """Whether each prompt was run once for all of its responses; with dropout it was run once for each."""
    dtype: str
    """The precision that the base computed in; the LoRA's own weights are in float32."""
    quantization: str = ""
    """How the base's language model was kept: empty for as it is, `4bit` or `8bit` by bitsandbytes."""
    seed: int


class StageRef(_Part):
    """A stage or round that was trained before the last one, which began from its result."""

    variant: str
    weights_sha256: Sha256
    pairs: int
    pairs_fingerprint: Sha256
    learning_rate: float
    epochs: int
    steps: int
    seconds: float


class Cost(_Part):
    """What the run took; earlier stages apart."""

    seconds: float
    peak_memory_bytes: int
    response_tokens: int
    """Response tokens scored by the policy over the whole run."""


class Probe(_Part):
    """A fixed input and the log-probs that this adapter gives on it, so that an engine can prove itself.

    They are of the base in the precision and quantisation that it was trained in; an engine that keeps it
    otherwise must compare loosely: bfloat16 rounds a log-prob by some hundredths, 4 bits change more.
    """

    image_seed: int
    """Seed of the drawn phantom scan that is the image."""
    prompt: str
    response: str
    logps: list[float]
    """Log-prob of each response token, end of turn included, in float32."""
    base_logps: list[float]
    """The same without the adapter."""


class Bounds(_Part):
    """A 95 % interval of a difference between two scores on the same questions."""

    low: float
    high: float
    value: float | None = None
    """The difference itself, over the questions that both have a score on; None where it is that of the two
    scores, as it is unless a judge's replies could not be read."""
    adjusted_p: float | None = None
    """p-value after the correction for all comparisons made with it (Holm); None if it was not corrected."""

    @property
    def holds_zero(self) -> bool:
        """True if the difference may be nothing at all."""
        return self.low <= 0.0 <= self.high


class Evaluation(_Part):
    """One score with its 95 % interval."""

    metric: str
    subset: str
    """`all`, or the part of the benchmark that was scored, such as `side` or `closed`."""
    dataset: str
    split: str
    value: float
    low: float
    high: float
    n: int
    base_value: float | None = None
    """The same metric for the base, on the same questions."""
    sft_value: float | None = None
    """The same metric for the SFT adapter of the same base, on the same questions."""
    over_base: Bounds | None = None
    """95 % interval of `value - base_value`, paired by question; None if it was not computed."""
    over_sft: Bounds | None = None
    """95 % interval of `value - sft_value`, paired by question; None if it was not computed."""
    shown: Shown = "own"
    """Other than `own` it is an image ablation: the same questions with other pictures."""
    own_value: float | None = None
    """The same metric with the questions' own pictures; only in an image ablation."""
    lost: Bounds | None = None
    """95 % interval of `own_value - value`, paired by question: how much the image matters."""
    failed: int = 0
    """Questions left out of `n` because the judge's reply could not be read."""
    fingerprint: Sha256
    """sha256 of the benchmark: its questions and the pictures' pixels."""
    judge: str = RULES
    """The judge of a metric that needs one, with its version; `rules` for a metric that is a rule."""
    precision: str = ""
    """Of the base that answered, such as `float32` or `bfloat16 4bit`; empty where it was not noted."""


class Benchmark(_Part):
    """A question set that the adapter answered: what its scores rest on."""

    dataset: str
    split: str
    questions: int
    images: int
    fingerprint: Sha256
    """sha256 of its questions and their pictures' pixels."""
    license: str
    publishable: bool
    """Whether the answers, which quote its questions, may be passed on; if not they are withheld."""
    notes: list[str] = []
    """What was left out, how the split was made, how many of its images are in the training split (leak)."""
    max_tokens: int
    predictions_sha256: Sha256
    """Of the file `predictions_name(dataset, split)`."""
    verdicts_sha256: Sha256 | None = None
    """Of the file `verdicts_name(dataset, split)`, if a judge was asked."""
    statistics: int = 1
    """Version of how its scores' intervals came about, see `zoo.evaluation.bootstrap`."""
    created: str
    """UTC time, ISO 8601."""


class AdapterManifest(_Part):
    """All that is known of one adapter."""

    schema_version: Literal[1] = SCHEMA_VERSION
    repo: str = ""
    """The Hub repo this adapter is published in; empty before it is."""
    base: BaseRef
    variant: VariantRef
    data: DataRef
    lora: LoraRef
    training: TrainingRef
    earlier: list[StageRef] = []
    """Stages and rounds before this one, in order."""
    cost: Cost
    probe: Probe
    evaluation: list[Evaluation] = []
    benchmarks: list[Benchmark] = []
    """What `evaluation` rests on, one a data set and split."""
    weights_sha256: Sha256
    license: str
    no_effect_expected: bool = False
    """True only for an adapter whose B is zero on purpose; any other is refused as a no-op."""
    commit: str = ""
    """Commit of the code that trained it; `+dirty` if it was changed."""
    versions: dict[str, str]
    hardware: str
    created: str
    """UTC time, ISO 8601."""

    @property
    def identity(self) -> str:
        """Short name for people: variant on base."""
        return f"{self.variant.name} on {self.base.name}"

    def to_json(self) -> str:
        """The manifest as indented JSON, newline at the end."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> AdapterManifest:
    """Read `zoo.json` of an adapter folder.

    Raises:
        BadManifest: it is not there, no JSON, of a newer schema, lacks a key or has an unknown one.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise BadManifest(f"{path}: no such file, so this folder is no adapter of the zoo")
    with path.open("rb") as file:
        content = file.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise BadManifest(f"{path}: more than {LIMIT} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadManifest(f"{path}: not UTF-8 text ({error})") from error
    return parse_manifest(text, where=str(path))


def parse_manifest(text: str, *, where: str) -> AdapterManifest:
    """Parse a manifest; `where` names its origin in errors. See `read_manifest`."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"{where}: not JSON ({error})") from error
    if not isinstance(raw, dict):
        raise BadManifest(f"{where}: a manifest is a JSON object, this is {type(raw).__name__}")
    version = raw.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BadManifest(
            f"{where}: schema_version {version} is newer than {SCHEMA_VERSION}, the newest known here",
            hint="upgrade: pip install --upgrade medvlm-zoo",
        )
    try:
        return AdapterManifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        wrong = {"missing": "is missing", "extra_forbidden": "is not known"}.get(first["type"])
        wrong = wrong or f"is {reprlib.repr(first['input'])}: {first['msg']}"
        raise BadManifest(f"{where}: key {key!r} {wrong}") from error


def write_manifest(folder: Path, manifest: AdapterManifest) -> Path:
    """Write `zoo.json` into `folder` in one atomic step."""
    path = folder / MANIFEST_NAME
    part = path.with_name(path.name + ".part")
    part.write_text(manifest.to_json(), encoding="utf-8")
    os.replace(part, path)
    return path
