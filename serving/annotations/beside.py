"""What is not beside a list's adapters, and so cannot be told by it. Pure."""

from collections.abc import Collection, Hashable, Mapping

from zoo.records import BASE

SFT = "sft"
NO_SFT = (
    "No SFT adapter is among them: a gain may be SFT's, and nothing here says what preference adds to it."
)
NO_BASE = "The base is not among them: nothing here says what tuning adds."

OTHER_CASES = (
    "Not every adapter was rated on the same cases: shares side by side may differ by the cases alone. "
    "Preferences are over answers to the same case."
)


def other_cases(rated: Mapping[str, Collection[Hashable]]) -> tuple[str, ...]:
    """What is to be remarked where adapters, by name, were rated on different cases."""
    return () if len({frozenset(cases) for cases in rated.values()}) < 2 else (OTHER_CASES,)


def remarks(variants: Mapping[str, str]) -> tuple[str, ...]:
    """What is to be remarked on adapters, by the variants that they are of by name; the base is called
    `base`. Nothing where no tuned adapter beside SFT, or none at all, asks for it."""
    tuned = {variant for name, variant in variants.items() if name != BASE}
    found = [NO_SFT] if tuned and SFT not in tuned else []
    if tuned and BASE not in variants:
        found.append(NO_BASE)
    return tuple(found)
