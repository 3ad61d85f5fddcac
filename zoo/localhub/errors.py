"""What the embedded Hub refuses, as a tree. Nothing here knows how a refusal travels over HTTP."""

from zoo.errors import ZooError


class HubRefusal(ZooError):
    """Anything the embedded Hub does not do."""


class BadRequest(HubRefusal):
    """A name, path, revision or body that cannot be used as it is."""


class NotSignedIn(HubRefusal):
    """Writing without a token."""


class Forbidden(HubRefusal):
    """What the caller's role does not allow on what it may see."""


class RepoMissing(HubRefusal):
    """No such repository, or none that this caller may see."""


class CollectionMissing(HubRefusal):
    """No such collection or item in one, or none that this caller may see."""


class RequestMissing(HubRefusal):
    """No such user, or no such request for a gated repository."""


class KindMissing(HubRefusal):
    """A kind of repository that this Hub does not hold, such as spaces."""


class RepoGated(HubRefusal):
    """The files of a gated repository, asked for by somebody who was not let in."""


class RevisionMissing(HubRefusal):
    """The repository has no such branch, tag or commit."""


class EntryMissing(HubRefusal):
    """The revision has no such file or folder."""

    def __init__(self, message: str, *, commit: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.commit = commit
        """Full sha of the commit that was looked into."""


class AlreadyThere(HubRefusal):
    """A repository, branch or tag of that name exists."""


class StaleParent(HubRefusal):
    """The branch has moved on from the commit that the writer built upon."""


class BadObject(HubRefusal):
    """A large file whose bytes are not those that were announced, or that was never uploaded."""


class NotOffered(HubRefusal):
    """A part of the Hub's protocol that the embedded Hub does not have."""


class TooLarge(HubRefusal):
    """A body beyond the limit for its kind."""


class Damaged(HubRefusal):
    """Something in the folder is broken."""


class RootInUse(HubRefusal):
    """Another server holds the folder."""
