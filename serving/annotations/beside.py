"""What is not beside a list's adapters, and so cannot be told by it. Pure."""

from collections.abc import Mapping

from zoo.records import BASE

SFT = "sft"
NO_SFT = (
    "No SFT adapter is among them: a gain may be SFT's, and nothing here says what preference adds to it."
)
NO_BASE = "The base is not among them: nothing here says what tuning adds."


def remarks(variants: Mapping[str, str]) -> tuple[str, ...]:
    """What is to be remarked on adapters, by the variants that they are of by name; the base is called
    `base`. Nothing where no tuned adapter beside SFT, or none at all, asks for it."""
    tuned = {variant for name, variant in variants.items() if name != BASE}
    found = [NO_SFT] if tuned and SFT not in tuned else []
    if tuned and BASE not in variants:
        found.append(NO_BASE)
    return tuple(found)
