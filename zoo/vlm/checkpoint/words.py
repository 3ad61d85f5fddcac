"""Whether a checkpoint's tokenizer, template and ends are those of the base. Knows no tensors."""

from collections.abc import Mapping
from typing import Any

from transformers import AutoTokenizer

from zoo.asking import Turn
from zoo.checks import Check, Fault
from zoo.errors import BadInput
from zoo.model_files import ModelFiles
from zoo.vlm.checkpoint.subject import CONFIG_NAME, Subject, read_json

_FILES = (
    *("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json"),
)
_TALKS = (
    (Turn("user", "Is there a nodule?", images=1),),
    (Turn("user", " What has changed?\n", images=2),),
    (Turn("user", "Where?", images=1), Turn("assistant", "In the left lung."), Turn("user", "How large?")),
)
"""What templates are tried on: an image, two, a question that follows an answer."""
_SHOWN = 24
"""Characters shown around the first place where two texts differ."""
_TAKE = "take the file of that name from the base's own repo"


def read_tokenizer(files: ModelFiles) -> Any:
    """The tokenizer, and whatever chat templates lie beside it.

    Raises:
        BadInput: there is none that can be read here.
        HubError: a file cannot be fetched.
    """
    there = [path for name in _FILES if (path := files.path(name))]
    config = files.path(CONFIG_NAME)
    if not there or config is None:
        raise BadInput(f"{files.name} holds no tokenizer")
    try:
        return AutoTokenizer.from_pretrained(config.parent, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # of many kinds, by what is wrong and which library finds it
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(f"the tokenizer of {files.name} cannot be read here: {reason}") from None


def tokens(subject: Subject, tokenizer: Any) -> Check:
    """The tokens that matter have the declared ids, every id has a row, and text beside an image token is
    read as it is by itself."""
    base, config = subject.base, subject.config
    ids: Mapping[str, int] = tokenizer.get_vocab()
    rows = config.get_text_config().vocab_size
    image = config.image_token_id
    faults = []
    for token, wanted in base.tokens.items():
        found = ids.get(token)
        if subject.layout and wanted == image:
            continue  # the conversion gives it its token
        if found != wanted:
            has = "is no token" if found is None else f"is token {found}"
            faults.append(_fault("a token is not as declared", f"{token!r} {has}, declared {wanted}"))
    if ids and max(ids.values()) >= rows:
        token = max(ids, key=ids.__getitem__)
        faults.append(_fault("a token without a row", f"{token!r} is {ids[token]} of {rows} rows"))
    told = f"{len(ids)} tokens for {rows} rows"
    if subject.layout is None:
        names = {number: token for token, number in ids.items()}
        marker = names.get(image)
        if marker is None or _ids(tokenizer, marker) != [image]:
            said = f"{image} in {CONFIG_NAME} is {marker!r} to the tokenizer"
            faults.append(_fault("the image token is no token of its own", said))
        elif base.original and (apart := _apart(tokenizer, marker, image)):
            faults.append(_fault("text behind an image is not read as the base was taught", apart))
        told += f", {marker!r} for images"
    return Check(name="tokens", faults=tuple(faults), told=told)


def _apart(tokenizer: Any, marker: str, image: int) -> str:
    """Where a text with an image token differs from its two parts, each by itself, as LLaVA's own code reads
    them; empty if nowhere. A tokenizer of Llama's that was saved and loaded as another class loses the blank
    behind the image."""
    before, after = "[INST] ", "\nIs there a nodule? [/INST]"
    whole = _ids(tokenizer, before + marker + after)
    parts = [*_ids(tokenizer, before), image, *_ids(tokenizer, after)]
    return "" if whole == parts else f"tokens {whole[:10]}..., and {parts[:10]}... in parts"


def templates(subject: Subject, tokenizer: Any) -> Check:
    """The checkpoint's own templates, where it has any, say what the declared one says."""
    base = subject.base
    own = _own_templates(subject.files, tokenizer)
    if not base.template:
        return Check(name="template", told=f"its own, of {', '.join(own)}" if own else "")
    if not own:
        return Check(name="template", told="it has none; the declared one is used")
    faults, notes = [], []
    for where, template in own.items():
        for talk in _TALKS:
            if base.max_images < max(turn.images for turn in talk):
                continue
            wanted, found = (_said(tokenizer, one, talk) for one in (base.template, template))
            if found == wanted:
                continue
            difference = f"{where} has {_difference(found, wanted)}"
            if base.tower:  # LLaVA's own code never read it
                notes.append(f"{difference}; it is not the form that the base was taught, which is used")
            else:
                faults.append(_fault("the template is another one", difference))
            break
    told = f"{', '.join(own)} as declared" if not notes else ""
    return Check(name="template", faults=tuple(faults), told=told, unknown="; ".join(notes))


def ends(subject: Subject, tokenizer: Any) -> Check:
    """The tokens that end an answer are those that `generation_config.json` names."""
    said = read_json(subject.files, "generation_config.json") or {}
    found = said.get("eos_token_id")
    if found is None:
        return Check(name="ends", unknown="generation_config.json names no end; the declared ones are used")
    ids = tokenizer.get_vocab()
    named = set(found if isinstance(found, list) else [found])
    wanted = {ids.get(token) for token in subject.base.ends} or {tokenizer.eos_token_id}
    if named != wanted:
        value = f"{_names(tokenizer, named)}, declared {_names(tokenizer, wanted)}"
        return Check(name="ends", faults=(_fault("answers end with other tokens", value),))
    return Check(name="ends", told=_names(tokenizer, named))


def _own_templates(files: ModelFiles, tokenizer: Any) -> dict[str, str]:
    """By the file that holds it."""
    found = {}
    if path := files.path("chat_template.jinja"):
        found["chat_template.jinja"] = path.read_text(encoding="utf-8")
    told = {name: read_json(files, name) or {} for name in ("chat_template.json", "tokenizer_config.json")}
    for name, said in told.items():
        template = said.get("chat_template")
        if isinstance(template, list):  # several by name
            template = next((one["template"] for one in template if one.get("name") == "default"), None)
        if isinstance(template, str):
            found[name] = template
    return found


def _said(tokenizer: Any, template: str, talk: tuple[Turn, ...]) -> str:
    """What a template makes of a conversation; what it raises, in angles."""
    parts = [
        {
            "role": turn.role,
            "content": [
                *({"type": "image"} for _ in range(turn.images)),
                {"type": "text", "text": turn.text},
            ],
        }
        for turn in talk
    ]
    try:
        text: str = tokenizer.apply_chat_template(
            parts, chat_template=template, add_generation_prompt=True, tokenize=False
        )
    except Exception as error:  # whatever a template does
        return f"<{type(error).__name__}: {error}>"
    return text


def _difference(found: str, wanted: str) -> str:
    place = next(
        (n for n, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b),
        min(len(found), len(wanted)),
    )
    start = max(0, place - _SHOWN)
    return f"{found[start : place + _SHOWN]!r}, declared is {wanted[start : place + _SHOWN]!r}"


def _names(tokenizer: Any, ids: set[int | None]) -> str:
    known = sorted(one for one in ids if one is not None)
    return " ".join(
        f"{token} ({one})" for one, token in zip(known, tokenizer.convert_ids_to_tokens(known), strict=True)
    )


def _ids(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def _fault(what: str, value: str) -> Fault:
    return Fault(what=what, value=value, next=_TAKE)
