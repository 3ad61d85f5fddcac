"""What is not beside a list's adapters is remarked on, when it is made and afterwards, to administrators."""

import pytest

from serving.annotations.beside import NO_BASE, NO_SFT, OTHER_CASES, other_cases, remarks
from serving.app import build_app
from tests.serving.rest._rating import TEXTS, archive, as_, finish, open_list, scans, send


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        ({"base": "base", "ours": "sft", "mdpo": "mdpo"}, ()),
        ({"base": "base", "sft": "dpo"}, (NO_SFT,)),
        ({"sft": "sft", "mdpo": "mdpo"}, (NO_BASE,)),
        ({"mdpo": "mdpo", "dpo": "dpo"}, (NO_SFT, NO_BASE)),
        ({"base": "base", "sft": "sft"}, ()),
        ({"sft": "sft"}, (NO_BASE,)),
        ({"base": "base"}, ()),
        ({}, ()),
    ],
)
def test_a_tuned_adapter_without_sft_or_the_base_beside_it_is_remarked_on(variants, expected):
    assert remarks(variants) == expected


@pytest.mark.parametrize(
    ("rated", "expected"),
    [
        ({"base": {1, 2}, "sft": {2, 1}}, ()),
        ({"base": {1, 2}, "sft": {1}}, (OTHER_CASES,)),
        ({"base": {1}, "sft": {2}}, (OTHER_CASES,)),
        ({"base": {1}}, ()),
        ({}, ()),
    ],
)
def test_adapters_that_were_rated_on_other_cases_are_remarked_on(rated, expected):
    assert other_cases(rated) == expected


def test_a_list_is_remarked_on_when_it_is_made_and_from_then_on(rig, desk):
    app = build_app(rig.service, page=False, desk=desk)
    with as_(app, "root") as root:
        rig.model.gate.clear()  # no answer is there yet
        for adapters, expected in {
            "base,mdpo": [NO_SFT],
            "base,sft,mdpo": [],
            "mdpo": [NO_SFT, NO_BASE],
        }.items():
            assert send(root, archive(scans(1)), adapters=adapters).json()["remarks"] == expected
        rig.model.gate.set()
    whole = open_list(desk)
    lacking = open_list(desk, texts={name: TEXTS[name] for name in ("sft", "mdpo")})
    told = {one["id"]: one["remarks"] for one in as_(app, "root").get("/lists").json()}
    assert (told[whole.id], told[lacking.id]) == ([], [NO_BASE])
    assert [one["remarks"] for one in as_(app, "ana").get("/lists").json()] == [[]] * 5, "a rater is blind"


def test_the_results_of_a_list_are_remarked_on(rig, desk):
    app = build_app(rig.service, page=False, desk=desk)
    for names, expected in {("base", "sft", "mdpo"): [], ("base", "mdpo"): [NO_SFT]}.items():
        made = open_list(desk, count=1, raters=("ana",), texts={name: TEXTS[name] for name in names})
        finish(as_(app, "ana"), desk.lists.cases(made.id)[0].id, letters="ABC"[: len(names)])
        found = as_(app, "ana").get(f"/lists/{made.id}/results").json()
        assert found["outcome"]["remarks"] == expected
