"""The routes by which ratings leave: as files to save, and as a data set on the server's Hub."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from serving.annotations.desk import Desk
from serving.annotations.export import Kind, export, parse_weights
from serving.annotations.publishing import publish_ratings
from serving.rest.annotation_callers import Administrator, Person
from serving.rest.annotation_routes import RATING, ListId
from serving.rest.answers import SHA, Reply
from serving.rest.bodies import RequestBody, read_json
from serving.rest.documents import error_replies, request_body
from zoo.errors import NotAllowed

_MEDIA_TYPES: dict[Kind, str] = {
    "ratings.csv": "text/csv",
    "ratings.jsonl": "application/jsonl",
    "dataset.zip": "application/zip",
    "pairs.zip": "application/zip",
}
_BINARY = {"type": "string", "format": "binary"}
_FILE: dict[str, Any] = {
    "description": "The file, to be saved.",
    "content": {
        kind: {"schema": _BINARY, "example": "(the file)"} for kind in dict.fromkeys(_MEDIA_TYPES.values())
    },
}


class PublishBody(RequestBody):
    """Where a list's ratings are to be published, and what of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"repo": "ward/ratings"}]})

    repo: str = Field(max_length=200, description="`owner/name` on the server's Hub.")
    private: bool = Field(default=True, description="Who may see a repo that is new.")
    images: bool = Field(default=False, description="With the pictures, of a list that keeps them.")
    license: str = Field(
        default="", max_length=80, description="Under which you may pass on what the zoo does not know."
    )


class PublishedReply(Reply):
    """Where the ratings can now be found."""

    repo: str = Field(examples=["ward/ratings"])
    sha: str = Field(examples=[SHA])
    url: str = Field(examples=[f"http://127.0.0.1:8710/datasets/ward/ratings/tree/{SHA}"])


_PUBLISHED = PublishedReply(
    repo="ward/ratings", sha=SHA, url=f"http://127.0.0.1:8710/datasets/ward/ratings/tree/{SHA}"
)


def export_routes(desk: Desk, *, hub: str | None = None) -> APIRouter:
    """The routes of one desk; `hub` is the address that is published to, None that of HF_ENDPOINT."""
    router = APIRouter(prefix=f"{RATING}/lists", tags=["ratings"])

    @router.get(
        "/{id}/export/{kind}",
        response_class=Response,
        responses={**error_replies(404, 422), 200: _FILE},
    )
    def file(
        id: ListId,
        kind: Kind,
        person: Administrator,
        also: Annotated[
            list[ListId] | None,
            Query(max_length=50, description="Ratings alone: those of further lists, as in the results."),
        ] = None,
        images: Annotated[
            bool, Query(description="dataset.zip: with pictures, of a list made to keep.")
        ] = False,
        comments: Annotated[bool, Query(description="With raters' own words; not for pairs.")] = False,
        reference: Annotated[
            bool, Query(description="pairs.zip: the true answer over the worst too.")
        ] = False,
        weights: Annotated[
            str | None,
            Query(max_length=80, description="pairs.zip: none,minor,severe.", examples=["0.25,0.5,1"]),
        ] = None,
    ) -> Response:
        """What was said blind of finished cases, raters by pseudonym: a table, records, a data set with its
        card, or preference pairs to train on, which hold their pictures. An administrator's."""
        if images:
            _see_kept(desk, id)
        data = export(
            desk,
            id,
            kind,
            also=also or (),
            images=images,
            comments=comments,
            reference=reference,
            scale=parse_weights(weights),
        )
        for one in dict.fromkeys([id, *(also or ())]):
            desk.acts.add(person.name, f"exported {kind}", one)
        stem, _, ending = kind.partition(".")
        name = f"{stem}-{id}.{ending}"
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return Response(data, media_type=_MEDIA_TYPES[kind], headers=headers)

    @router.post(
        "/{id}/publish",
        responses={
            **error_replies(404, 422, 502),
            200: {"content": {"application/json": {"example": _PUBLISHED.model_dump()}}},
        },
        openapi_extra=request_body(PublishBody),
    )
    async def publish(id: ListId, person: Administrator, request: Request) -> PublishedReply:
        """Publish the same data set, without comments, to the server's Hub in one commit. What its licence
        forbids to pass on goes only private to a Hub of one's own. An administrator's."""
        body = await read_json(request, PublishBody)
        return await run_in_threadpool(_publish, desk, id, person, body, hub)

    return router


def _publish(
    desk: Desk, work_list: str, person: Person, body: PublishBody, hub: str | None
) -> PublishedReply:
    if body.images:
        _see_kept(desk, work_list)
    done = publish_ratings(
        desk,
        work_list,
        body.repo,
        private=body.private,
        images=body.images,
        license=body.license,
        endpoint=hub,
    )
    desk.acts.add(person.name, "published", f"{work_list} {done.repo}")
    return PublishedReply(repo=done.repo, sha=done.sha, url=done.url)


def _see_kept(desk: Desk, work_list: str) -> None:
    if not desk.lists.get(work_list).keep:
        raise NotAllowed(
            f"the list {work_list} was not made to keep its pictures, so they do not leave by this way",
            hint="the operator can: medzoo ratings export LIST --kind dataset.zip --images",
        )
