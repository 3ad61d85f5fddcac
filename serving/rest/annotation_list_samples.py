"""What the API's own document shows as replies on work lists; see `annotation_samples`."""

from serving.rest.annotation_list_bodies import (
    ActReply,
    CaseReply,
    ListReply,
    MineReply,
    ProblemReply,
    ProgressReply,
    RaterReply,
)
from serving.rest.annotation_samples import shown

_AT = "2026-11-22T09:00:00.000000+00:00"
_LIST = ListReply(
    id="5f0c1d7e",
    title="Chest, November",
    instructions="",
    state="closed",
    adapters=["base", "sft", "mdpo"],
    overlap=2,
    keep=False,
    made_at=_AT,
    closed_at=_AT,
    cases=12,
    mine=MineReply(assigned=12, done=0),
    raters=[ProgressReply(rater="ana", assigned=12, done=0), ProgressReply(rater="ben", assigned=12, done=0)],
    answered=12,
    problems=[ProblemReply(case=7, number=3, problem="EngineFailed")],
    repeats=0,
    remarks=[],
)
RATERS = shown([RaterReply(name="ana", role="rater", closed=False)])
LIST, LISTS = shown(_LIST), shown([_LIST])
CASES = shown([CaseReply(case=7, number=3, done=False, opened=True)])
ACTS = shown([ActReply(made_at=_AT, who="ana", act="closed list", what="5f0c1d7e")])
