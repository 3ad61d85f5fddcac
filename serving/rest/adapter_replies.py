"""What the list of adapters replies."""

from typing import Self

from pydantic import Field

from serving.core.registry import State
from serving.rest.answers import DIGEST, SHA, Reply
from serving.service import Listing
from zoo.manifest import Evaluation
from zoo.notice import NOTICE


class AdapterReply(Reply):
    """One adapter that has an alias here."""

    alias: str = Field(examples=["mdpo"])
    written: str = Field(
        description="repo@revision as the operator gave it.", examples=["local/phantom-mdpo@main"]
    )
    id: str = Field(
        description="repo@sha that the alias stands for now; empty if it failed.",
        examples=[f"local/phantom-mdpo@{SHA}"],
    )
    digest: str = Field(examples=[DIGEST])
    variant: str = Field(examples=["mdpo"])
    title: str = Field(examples=["mDPO"])
    base: str = Field(examples=[f"phantom@{SHA}"])
    state: State = Field(examples=["resident"])
    reason: str = Field(description="Why it failed.", examples=[""])
    evaluation: list[Evaluation]

    @classmethod
    def of(cls, listing: Listing) -> Self:
        """The reply for a listing."""
        return cls(
            alias=listing.alias,
            written=listing.written,
            id=str(listing.adapter or ""),
            digest=listing.adapter.digest if listing.adapter else "",
            variant=listing.variant,
            title=listing.title,
            base=listing.base,
            state=listing.status.state,
            reason=listing.status.reason,
            evaluation=list(listing.evaluation),
        )


class AdaptersReply(Reply):
    """The base and every adapter with an alias; others on the Hub can be asked by `repo@revision`."""

    base: str = Field(description="name@revision", examples=[f"phantom@{SHA}"])
    adapters: list[AdapterReply]
    notice: str = NOTICE
