"""Whether vLLM has read what was asked, and answered as who was asked. Pure; knows no HTTP."""

from zoo.errors import EngineFailed


def check_words(found: list[int] | None, ours: list[int], *, base: str) -> None:
    """Raise EngineFailed unless vLLM has read a prompt as the tokens that the base was taught."""
    if found == ours:
        return
    theirs = found or []
    same = next((n for n, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), None)
    where = f"token {same} is another one" if same is not None else f"{len(theirs)} tokens, not {len(ours)}"
    raise EngineFailed(
        f"vLLM reads a question otherwise than {base} was taught: {where}",
        hint="its chat template, tokenizer or image processor is another one: start vLLM on the base's own "
        "folder, as `medzoo vllm-args` prints",
    )


def check_name(found: str, name: str) -> None:
    """Raise EngineFailed unless vLLM has answered as who was asked."""
    if found != name:
        raise EngineFailed(f"vLLM answered as {found[:200]!r}, not as {name!r}")
