"""Whether a checkpoint is what its base says, before gigabytes of it are loaded or even fetched.

Read are its small files and the headers of its weights. That the numbers within are the published ones, only
digests prove; every other check a random checkpoint of the same form passes too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.bases import Base
from zoo.checks import Check, Fault
from zoo.errors import BadInput, ZooError
from zoo.model_files import model_files
from zoo.tensor_files import read_tensor_files
from zoo.vlm.checkpoint.origin import commit, digests, licence
from zoo.vlm.checkpoint.pictures import pictures
from zoo.vlm.checkpoint.settings import settings
from zoo.vlm.checkpoint.subject import Subject, read_subject
from zoo.vlm.checkpoint.tensors import files, tensors
from zoo.vlm.checkpoint.words import ends, read_tokenizer, templates, tokens
from zoo.vlm.shards import require_finished


def check_checkpoint(
    base: Base,
    source: str | Path | None = None,
    *,
    any_size: bool = False,
    read_digests: bool = False,
    endpoint: str | None = None,
) -> list[Check]:
    """Every check, in the order in which people read them; `source` is a folder, or `REPO` or `REPO@REVISION`
    on the Hub at `endpoint`. Without one it is where the base is declared to be.

    With `any_size` it may be a stand-in: of the same architecture, in other sizes and with other token ids.
    With `read_digests` all files of a folder are hashed, showing progress; a Hub tells its digests.

    Raises:
        BadInput: the source is no place, or holds no model whose `config.json` can be read, or one that is
            not written to its end.
        HubError: the Hub does not answer or refuses, or has no such repo or revision.
    """
    if source is None:
        source = base.folder or (f"{base.repo}@{base.revision}" if base.revision else base.repo)
    if Path(source).is_dir():
        require_finished(Path(source))
    subject = read_subject(base, model_files(source, endpoint=endpoint), any_size=any_size)
    found = read_tensor_files(subject.files)
    first = [commit(subject), _looked("config", settings, subject), files(found)]
    if not subject.is_of_its_type:  # nothing else could be compared
        return first
    return [
        *first,
        _looked("tensors", tensors, subject, found),
        *_words(subject),
        _looked("images", pictures, subject),
        digests(subject, read=read_digests),
        licence(subject),
    ]


def _words(subject: Subject) -> list[Check]:
    """The checks that need a tokenizer."""
    try:
        tokenizer = read_tokenizer(subject.files)
    except BadInput as error:
        if subject.layout:
            return [Check(name="tokens", unknown=f"{error.message}; the conversion reads it by itself")]
        fault = Fault(
            what="no tokenizer", value=error.message, next="take its files from the base's own repo"
        )
        return [Check(name="tokens", faults=(fault,))]
    return [
        _looked(name, look, subject, tokenizer)
        for name, look in (("tokens", tokens), ("template", templates), ("ends", ends))
    ]


def _looked(name: str, look: Callable[..., Check], *about: Any) -> Check:
    """A check; what strangers' files make it, or a library, stumble over is a fault of theirs."""
    try:
        return look(*about)
    except ZooError:
        raise
    except Exception as error:
        value = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        fault = Fault(
            what="its files say what cannot be followed",
            value=value,
            next="take them from the base's own repo",
        )
        return Check(name=name, faults=(fault,))
