"""What the page `Compare` asks the server for: pictures, answers as they come, where an answer looked.

Every value that Gradio keeps is small: of a picture it holds only a key. What is shown is `cards`'.
"""

import logging
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from serving.core.origin import NOBODY, Origin, on_behalf
from serving.core.requests import BASE
from serving.live import Live
from serving.pictures import Pictures
from serving.service import Asked, Listing, Service
from serving.ui import cards
from serving.ui.examples import Example, examples
from serving.ui.heat import Looked, about, heat_uri, read_wanted
from serving.ui.suggestions import suggestions
from serving.ui.tray import Tray
from serving.ui.views import Shown, View, png_uri, read_views
from zoo import asking
from zoo.errors import BadInput, ZooError
from zoo.images import Scan

log = logging.getLogger(__name__)

GATHER_S = 0.1
"""Text that comes within this time of another is drawn with it."""
TEMPERATURE = 0.7
"""Of another sample; the first answers are greedy."""
HEAT_PIXELS = 640
"""Longest side of a picture under a map."""
_FAILED = ZooError("the server failed on this question", hint="ask the operator")


class Comparing:
    """The page's use cases on one service."""

    def __init__(self, service: Service, pictures: Pictures) -> None:
        self.examples: list[Example] = examples() if service.base.name == "phantom" else []
        self._service, self._pictures = service, pictures
        self._scans: Tray[Shown] = Tray()
        self._asked: Tray[Looked] = Tray()
        self._known: dict[str, Listing] = {}
        """The adapters as they stood when a page was last opened: for titles and scores."""

    def look(self, uri: str) -> dict[str, Any]:
        """Open what the browser read: its key and what it is, or what is wrong."""
        try:
            return self._put(self._pictures.scan_now(uri))
        except ZooError as error:
            return _problem(error)

    def show(self, text: str) -> dict[str, str]:
        """The picture of one view, for the browser alone, or what is wrong."""
        try:
            (view,) = read_views(f"[{text}]")
            shown = self._scans.get(view.key)
            return {"picture": self._pictures.run_now(lambda: png_uri(shown.show(view))), "problem": ""}
        except ZooError as error:
            return _problem(error)

    def heat(self, text: str) -> dict[str, Any]:
        """Where one answer of a comparison looked, over the pictures that were asked about, or what is wrong.
        All answers of a comparison are looked into at the first call for one."""
        try:
            wanted = read_wanted(text)
            looked = self._asked.get(wanted.asked)
            heats = looked.heats()
            if wanted.row >= len(heats):
                raise BadInput(f"there is no answer {wanted.row}", hint="load the page anew")
            heat = heats[wanted.row]
            drawn = self._pictures.run_now(
                lambda: [
                    {"picture": png_uri(image, longest=HEAT_PIXELS), "heat": heat_uri(map), "box": map.box}
                    for image, map in zip(looked.asked.images, heat.maps, strict=True)
                ]
            )
        except ZooError as error:
            return _problem(error)
        return {"pictures": drawn, "about": about(heat), "problem": ""}

    def example(self, number: int) -> tuple[dict[str, Any], str]:
        """An example's picture as `look` gives it, and its question."""
        chosen = self.examples[int(number)]
        return self._put(self._pictures.scan_now(chosen.png)), chosen.question

    def choices(self) -> tuple[list[tuple[str, str]], list[str]]:
        """What may be asked, by label and name, and what of it is asked at first."""
        listed = self._service.adapters()
        self._known.update({one.alias: one for one in listed})
        there = [one for one in listed if one.adapter is not None]
        labels = [(f"{BASE}\nno adapter", BASE), *((cards.choice_label(one), one.alias) for one in there)]
        return labels, [name for _, name in labels][: self._service.max_adapters]

    def compare(
        self,
        seen: str,
        question: str,
        reference: str,
        names: list[str],
        *,
        seed: int | None,
        client: str,
        of: Origin = NOBODY,
    ) -> Iterator[str]:
        """The answers as HTML as they come; whoever closes this early cancels them. Greedy without a seed."""
        try:
            views = read_views(seen)
            if not views:
                raise BadInput("no image is chosen", hint="choose a PNG, JPEG or DICOM file, or an example")
            shown = [(self._scans.get(view.key), view) for view in views]
            about = [(view.model_dump_json(), scan.words(view)) for scan, view in shown]
            yield cards.waiting_html(question, names, about)
            with on_behalf(of):
                asked = self._ask(shown, question, names, seed=seed, client=client)
                live = Live(self._service, asked)
            texts = [""] * len(names)
            with closing(live.bursts(gather_s=GATHER_S)) as bursts:
                for burst in bursts:
                    for piece in burst:
                        texts[piece.row] += piece.text
                    yield cards.live_html(question, live.answering, texts, about)
            how = "" if seed is None else f"sample of seed {seed} at temperature {TEMPERATURE:g}"
            size = sum(3 * image.width * image.height for image in asked.images)
            key = self._asked.put(Looked(self._service, asked, live.answering), size=size)
            yield cards.comparison_html(
                live.result(), self._known, about, reference=reference.strip(), asked=key, how=how
            )
        except ZooError as error:
            yield cards.fault_html(error)
        except Exception as error:  # the edge: the page must say that it failed
            log.error("a comparison of the page failed: %s", type(error).__name__)
            yield cards.fault_html(_FAILED)

    def _ask(
        self,
        shown: list[tuple[Shown, View]],
        question: str,
        names: list[str],
        *,
        seed: int | None,
        client: str,
    ) -> Asked:
        sampling = None
        if seed is not None:
            most = self._service.max_new_tokens
            sampling = asking.Sampling(max_tokens=most, temperature=TEMPERATURE, seed=seed)
        return Asked(
            images=tuple(self._pictures.run_now(lambda: [scan.show(view) for scan, view in shown])),
            turns=asking.question(question, images=len(shown)),
            adapters=tuple(names),
            sampling=sampling,
            client=client,
        )

    def _put(self, scan: Scan) -> dict[str, Any]:
        key = self._scans.put(Shown(scan), size=scan.size_bytes)
        window, values = scan.window, scan.value_range
        return {
            "key": key,
            "problem": "",
            "frames": scan.frames,
            "modality": scan.modality,
            "burned_in": scan.burned_in,
            "window": {"centre": window.centre, "width": window.width} if window else None,
            "suggestions": suggestions(scan.modality, base=self._service.base.name),
            "range": {"low": values[0], "high": values[1]} if values else None,
        }


def read_seed(text: str) -> int | None:
    """The seed that the page's script wrote; None where it wrote none.

    Raises:
        BadInput: it is no seed.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadInput("the page sends no such seed", hint="load the page anew")
    return int(text)


def _problem(error: ZooError) -> dict[str, str]:
    return {"problem": " ".join(cards.sentence(part) for part in (error.message, error.hint) if part)}
