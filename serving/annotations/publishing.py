"""A list's ratings as a data set on a Hub, in one commit: what its terms forbid is refused.

What goes up lies in a folder of its own while it is sent, which is gone afterwards.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from serving.annotations.desk import Desk
from serving.annotations.export import REPORT_NAME, dataset_files, write_files
from zoo.errors import BadInput
from zoo.hub import RATING_SET, parse_repo
from zoo.hub_access import hub_address, is_shared, shown
from zoo.hub_publish import carry_out, plan_publish


@dataclass(frozen=True, kw_only=True)
class PublishedRatings:
    """Where the ratings can now be found."""

    repo: str
    sha: str
    tag: str
    url: str
    """The page of that commit on the Hub."""


def publish_ratings(
    desk: Desk,
    work_list: str,
    repo: str,
    *,
    private: bool = True,
    images: bool = False,
    license: str = "",
    endpoint: str | None = None,
    token: str | None = None,
) -> PublishedRatings:
    """Publish a list's ratings to the data set `repo`, with its card, as one commit; never comments.

    `license` is the operator's own for what the zoo does not know, see `serving.annotations.terms`.

    Raises:
        UnknownName: there is no such list.
        BadInput: nobody is done with a case, the pictures are erased, or the licence does not let it be
            passed on: then it goes only private to a Hub of one's own.
        HubError: the Hub refused, or the repo is public and this was to be private.
    """
    repo = parse_repo(repo)
    files = dataset_files(desk, work_list, images=images, license=license, title=repo)
    report = json.loads(files[REPORT_NAME])
    own_hub = not is_shared(hub_address(endpoint))
    if not report["publishable"] and not (private and own_hub):
        raise BadInput(
            f"what was rated is under {report['license']!r}, which does not let it be passed on",
            hint="publish it private to a Hub of your own, or state the licence under which you may",
        )
    with tempfile.TemporaryDirectory(prefix="medzoo-") as temporary:
        folder = Path(temporary) / "ratings"
        write_files(folder, files)
        plan = plan_publish(
            folder,
            repo,
            message=f"{report['ratings']} ratings of {report['cases']} cases",
            kind=RATING_SET,
            private=private,
            endpoint=endpoint,
            token=token,
        )
        done = carry_out(plan, token=token)
    url = f"{shown(plan.address)}/datasets/{repo}/tree/{done.sha}"
    return PublishedRatings(repo=repo, sha=done.sha, tag=done.tag, url=url)
