"""What follows from licences: of several the narrowest, never a wider one."""

from itertools import product

import pytest

from zoo.bases import bases
from zoo.datasets import datasets
from zoo.licences import (
    LICENCES,
    is_wider,
    limits,
    narrowest,
    redistributable,
)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (("apache-2.0", "apache-2.0"), "apache-2.0"),
        (("apache-2.0", "cc0-1.0"), "apache-2.0"),
        (("mit", "apache-2.0"), "apache-2.0"),
        (("apache-2.0", "cc-by-4.0"), "apache-2.0 and cc-by-4.0"),
        (("cc-by-4.0", "cc-by-nc-4.0"), "cc-by-nc-4.0"),
        (("cc-by-nc-4.0", "cc-by-nc-nd-4.0"), "cc-by-nc-nd-4.0"),
        (("cc-by-sa-4.0", "cc-by-nc-4.0"), "cc-by-sa-4.0 and cc-by-nc-4.0"),
        (("Apache-2.0", "gemma", "cc-by-4.0 and cc0-1.0"), "apache-2.0 and gemma and cc-by-4.0"),
        (("cc0-1.0", "Research Licence v2"), "Research Licence v2"),
        ((), ""),
    ],
)
def test_of_several_licences_those_hold_that_no_other_covers(of: tuple[str, ...], expected: str) -> None:
    assert narrowest(*of) == expected


def test_what_is_computed_is_never_wider_than_any_of_what_it_was_computed_from() -> None:
    names = [*LICENCES, "one that nobody listed"]
    for three in product(names, repeat=3):
        assert not is_wider(narrowest(*three), *three), three
        assert limits(narrowest(*three)) == frozenset().union(*map(limits, three))


@pytest.mark.parametrize(
    ("claimed", "bounds"),
    [
        ("apache-2.0", ("cc-by-4.0",)),
        ("cc0-1.0", ("apache-2.0",)),
        ("apache-2.0", ("apache-2.0", "cc-by-nc-4.0")),
        ("cc-by-nc-4.0", ("cc-by-nc-nd-4.0",)),
        ("cc-by-nc-nd-4.0", ("Research Licence v2",)),
        ("mine", ("yours",)),
        ("", ("cc0-1.0",)),
    ],
)
def test_a_claim_that_lacks_a_limit_is_wider(claimed: str, bounds: tuple[str, ...]) -> None:
    assert is_wider(claimed, *bounds)


def test_what_may_be_passed_on_and_what_forbids_it() -> None:
    assert [name for name in LICENCES if not redistributable(name)] == [
        "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "llava-med-terms", "physionet-credentialed", "proprietary",
        "unclear", "unknown",
    ]  # fmt: skip
    assert not redistributable("cc0-1.0 and Research Licence v2")
    assert not redistributable("")


def test_every_licence_that_the_zoo_declares_is_listed_and_agrees_on_what_may_be_published() -> None:
    assert datasets()
    assert bases()
    assert {base.license for base in bases().values()} <= LICENCES.keys()
    for dataset in datasets().values():
        assert redistributable(dataset.license) == dataset.publishable, dataset.name
