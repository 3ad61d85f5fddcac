"""The zoo from Python: put questions about images to a base and its adapters, here or on a running server.

    from serving.api import Zoo

    with Zoo("phantom", adapters=["local/phantom-sft", "./out/mdpo"], hub="http://127.0.0.1:8899") as zoo:
        print(zoo.ask("scan.png", "What is shown?", "sft").text)
        done = zoo.compare("scan.png", "What is shown?", ["base", "sft", "./out/mdpo"], max_tokens=32)
        for answer in done.answers:
            print(answer.adapter, answer.adapter.digest, answer.text)

    with Zoo.connect("http://127.0.0.1:7860", key="...") as zoo:     # the same of a running `medzoo serve`
        answers = zoo.stream("scan.dcm", "What is shown?", ["base", "mdpo"])
        for piece in answers:
            print(answers.answering[piece.row].variant, piece.text)
        print(answers.result().milliseconds)

Research software, not a medical device: never for diagnosis or treatment. Importing this loads no model and
no web framework; opening a zoo here does.
"""

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypedDict, Unpack

from serving.core.requests import BASE, Answer, Answering, Comparison
from zoo.asking import Sampling

if TYPE_CHECKING:
    from serving.api.pictures import Picture
    from serving.service import Listing

log = logging.getLogger(__name__)


class Wishes(TypedDict, total=False):
    """How answers are drawn, see `zoo.asking.Sampling`: greedy and as long as allowed if nothing is said. A
    sample without a seed gets a fresh one, and the answers tell it."""

    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: tuple[str, ...]


class Words(Protocol):
    """What one row has just said."""

    @property
    def row(self) -> int:
        """From 0, in the order asked."""

    @property
    def text(self) -> str:
        """The words, with the space before them; empty if a row only ends."""


class Stream(Protocol):
    """A comparison whose answers come. Iterate it, at most once, for pieces of text; leave the loop early and
    it is cancelled."""

    @property
    def answering(self) -> tuple[Answering, ...]:
        """Who answers in each row, in the order asked."""

    def __iter__(self) -> Iterator[Words]:
        """Each piece as soon as it is said; those of one row, put together, are its answer.

        An error that ends the comparison is raised here or by `result`.
        """

    def result(self) -> Comparison:
        """All answers, waited for. Raises: see `Zoo.compare`."""

    def cancel(self) -> None:
        """Nobody wants the answers any more: their rows are freed, and `result` raises CancelledError."""


class Way(Protocol):
    """Where answers come from: this process, or a server."""

    def begin(
        self, images: tuple[bytes, ...], question: str, adapters: tuple[str, ...], wishes: Mapping[str, Any]
    ) -> Stream:
        """Put a comparison; see `Zoo.stream`."""

    def adapters(self) -> "list[Listing]":
        """See `Zoo.adapters`."""

    def close(self) -> None:
        """See `Zoo.close`."""


class Zoo:
    """One base and its adapters, ready for questions. Close it, or use it in a `with` block."""

    def __init__(
        self,
        base: str = "phantom",
        adapters: Sequence[str | PathLike[str]] = (),
        *,
        hub: str | None = None,
        say: Callable[[str], None] = log.info,
        **settings: Any,
    ) -> None:
        """Load a base in this process, and adapters beside it, with all the checks of a server.

        `base` is one of `medzoo bases`. An adapter is `repo` or `repo@revision` of the Hub, then asked for so
        or by its variant's name; the name of a variant that the Hub has one adapter of for this base; or a
        folder that `medzoo train` made, as a path that begins with `.`, `/` or `~`, then asked for by that
        path. Other repos of the Hub may be asked for too, and are brought when they are. `hub` is its
        address; None means HF_ENDPOINT or huggingface.co. `say` is told what takes time. `settings` are those
        of `medzoo serve`, such as `device="cuda"`, `dtype="bfloat16"`, `slots=16` or `max_new_tokens=256`;
        its environment variables hold too.

        Raises:
            UnknownName: of a base, or a variant that the Hub has no adapter of.
            BadInput: a setting that is not allowed, a folder without an adapter.
            HubError, BadAdapter: an adapter that cannot be had, or must not be served.
        """
        from serving.api.here import Here

        self._way: Way = Here(base, [str(one) for one in adapters], hub=hub, say=say, settings=settings)

    @classmethod
    def connect(cls, url: str, *, key: str | None = None, timeout_s: float = 300.0) -> Self:
        """A running `medzoo serve` at `url`, asked with the API key `key` where it wants one.

        Nothing is sent yet. `timeout_s` is the longest silence, in seconds, before it is given up. No proxy
        is used for a server on this machine, and no redirect is followed, so an image goes to `url` alone.

        Raises:
            BadInput: `url` is no http(s) address.
        """
        from serving.api.client import Client

        zoo = cls.__new__(cls)
        zoo._way = Client(url, key=key, timeout_s=timeout_s)
        return zoo

    def ask(
        self,
        images: "Picture | Sequence[Picture]",
        question: str,
        adapter: str = BASE,
        *,
        frame: int | None = None,
        **wishes: Unpack[Wishes],
    ) -> Answer:
        """One adapter's answer; `base` is the base without any. See `compare`."""
        return self.compare(images, question, [adapter], frame=frame, **wishes).answers[0]

    def compare(
        self,
        images: "Picture | Sequence[Picture]",
        question: str,
        adapters: Sequence[str],
        *,
        frame: int | None = None,
        **wishes: Unpack[Wishes],
    ) -> Comparison:
        """One question about one image, or a list of them, put to several adapters at once, in their order.

        An image is a path or the bytes of a PNG, JPEG or DICOM file, a PIL image, or uint8 pixels in a numpy
        array. `frame`, from 0, picks a frame of a multi-frame DICOM file; the default is the middle one.

        Raises:
            BadInput: an empty or overlong question, too many images or adapters, a wish that is not allowed;
                `BadImage` for an image that cannot be read, `UnknownName` for a name that nothing bears.
            HubError, BadAdapter: an adapter that cannot be had, or must not be served.
            NoKey, NotAllowed: the server wants a key, or the key or the operator do not allow this.
            Busy, DeadlinePassed, Stopped, EngineFailed: there is no answer now.
        """
        return self.stream(images, question, adapters, frame=frame, **wishes).result()

    def stream(
        self,
        images: "Picture | Sequence[Picture]",
        question: str,
        adapters: Sequence[str],
        *,
        frame: int | None = None,
        **wishes: Unpack[Wishes],
    ) -> Stream:
        """The same as `compare`, piece by piece as the answers come; who answers is known at once.

        Raises: see `compare`.
        """
        from serving.api.pictures import file_bytes

        if isinstance(wishes.get("stop"), str):
            raise TypeError("stop is a sequence of texts, not one text")
        wishes["stop"] = tuple(wishes.get("stop", ()))
        if wishes.get("temperature") and "seed" not in wishes:
            wishes["seed"] = secrets.randbelow(2**31)  # the answers tell it
        Sampling(**wishes)  # an error in it is the same here and there
        if isinstance(adapters, str):
            raise TypeError("adapters is a sequence of names, not one name")
        return self._way.begin(file_bytes(images, frame=frame), question, tuple(adapters), wishes)

    def adapters(self) -> "list[Listing]":
        """Every adapter that can be asked for by an alias, with its commit, digest, state and scores.

        Raises:
            ZooError: the server cannot be asked.
        """
        return self._way.adapters()

    def close(self) -> None:
        """End it; comparisons under way fail with `Stopped`."""
        self._way.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
