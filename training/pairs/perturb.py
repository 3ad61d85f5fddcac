"""What the steps share that make an image worse: all of it, or the region that the question is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from PIL import Image

from training.pairs.roi import Roi, Source, find_roi
from training.pairs.step import Draft, Dropped, Part, Tools
from zoo.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class Perturb:
    """The rejected image is the image made worse; a kind of it says how in `perturbed`."""

    where: Literal["image", "roi"] = "image"
    """The whole of every image, or the region of interest alone, which lies in one of them."""
    roi: Source = "auto"
    without_roi: Literal["drop", "image"] = "drop"
    """What becomes of a pair without a region: dropped, or its images are perturbed whole."""
    reports: Literal["roi", "image"] = "roi"
    """Whether pairs of reports look for a region too."""

    name: ClassVar[str]
    """What the perturbation is called in records."""
    deviations: ClassVar[float] = 1.0
    """How far above its mean heat counts as inside, in standard deviations."""
    makes: ClassVar[tuple[Part, ...]] = ("rejected_images",)

    @property
    def needs_policy(self) -> bool:
        """Whether it asks the policy: for its attention."""
        return self.where == "roi" and self.roi == "attention"

    def perturbed(self, image: Image.Image, mask: Image.Image | None, *, seed: int) -> Image.Image:
        """The image made worse, whole or inside the mask."""
        raise NotImplementedError

    def numbers(self, roi: Roi | None) -> dict[str, Any]:
        """What of its numbers a pair's record keeps."""
        return {}

    def run(self, drafts: Sequence[Draft], tools: Tools) -> list[Draft | Dropped]:
        return [self._one(draft, tools) for draft in drafts]

    def _one(self, draft: Draft, tools: Tools) -> Draft | Dropped:
        roi = None
        whole = draft.question.answer_type == "report" and self.reports == "image"
        if self.where == "roi" and not whole:
            roi = find_roi(draft, tools, self.roi, deviations=self.deviations)
            if roi is None and self.without_roi == "drop":
                return Dropped(draft, "no region to look at")
        images = list(draft.images)
        try:
            for number in range(len(images)) if roi is None else (roi.image,):
                mask = None if roi is None else roi.mask
                images[number] = self.perturbed(images[number], mask, seed=draft.seed + number)
        except BadInput as error:
            raise BadInput(f"{draft.id}: {error.message}", hint=error.hint) from None
        how = {
            "rejected_image": f"{self.name} {'in roi' if roi else 'on the whole image'}",
            **self.numbers(roi),
        }
        if roi is not None:
            how |= {
                "roi": f"{roi.source}: {roi.label}",
                "roi_confidence": round(roi.confidence, 4),
                "roi_box": roi.box,
                "roi_image": draft.question.images[roi.image],
            }
            if self.needs_policy:
                how["policy"] = tools.need_policy().name
        return draft.having(how, rejected_images=tuple(images))
