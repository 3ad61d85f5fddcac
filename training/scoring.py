"""Which branches of which pairs to score, by policy and by reference: the grid meets the model.

The frozen vision tower sees each image once where memory allows, and the reference scores each branch
once before training. The forward passes themselves are `zoo.vlm.score`.
"""

from collections.abc import Mapping, Sequence

import torch
from tqdm import tqdm

from training.data import PairSet
from training.objective import Branch, Scores
from zoo.records import PreferencePair
from zoo.vlm.model import ImageFeatures, VisionLanguageModel
from zoo.vlm.score import ScoreRow, score

FEATURE_BYTES = 2 << 30
"""Vision features are held for the whole run up to this size; beyond it they are made batch by batch."""

_ENCODE_BATCH = 32


class BranchScorer:
    """Scores branches of a pair set under the model as it stands."""

    def __init__(self, vlm: VisionLanguageModel, data: PairSet, branches: Sequence[Branch]) -> None:
        self._vlm = vlm
        self._data = data
        self.branches = tuple(branches)
        names = [n for pair in data.pairs for branch in self.branches for n in _images(pair, branch)]
        self._names = list(dict.fromkeys(names))
        self._held: dict[str, torch.Tensor] = {}
        self._hold_features()

    def score(self, numbers: Sequence[int]) -> dict[Branch, tuple[torch.Tensor, torch.Tensor]]:
        """Token log-probs and mask, each `(pairs, tokens)`, of every branch of the pairs of these numbers."""
        pairs = [self._data.pairs[n] for n in numbers]
        features = self._features([n for p in pairs for b in self.branches for n in _images(p, b)])
        rows = [self._row(pair, branch, features) for branch in self.branches for pair in pairs]
        logps, mask = score(self._vlm, rows)
        return {
            branch: (
                logps[i * len(pairs) : (i + 1) * len(pairs)],
                mask[i * len(pairs) : (i + 1) * len(pairs)],
            )
            for i, branch in enumerate(self.branches)
        }

    @torch.no_grad()
    def sums(self, *, batch_size: int) -> dict[Branch, torch.Tensor]:
        """Sum of log-probs of every pair of the set, `(pairs,)` a branch: the reference's part."""
        parts: dict[Branch, list[torch.Tensor]] = {branch: [] for branch in self.branches}
        total = len(self._data.pairs)
        with tqdm(total=total, desc="reference", unit="pair") as bar:
            for start in range(0, total, batch_size):
                numbers = range(start, min(start + batch_size, total))
                for branch, (logps, mask) in self.score(numbers).items():
                    parts[branch].append((logps * mask).sum(dim=1))
                bar.update(len(numbers))
        return {branch: torch.cat(values) for branch, values in parts.items()}

    def _row(self, pair: PreferencePair, branch: Branch, features: Mapping[str, torch.Tensor]) -> ScoreRow:
        images = ImageFeatures(tuple(features[name] for name in _images(pair, branch)))
        response = pair.rejected if branch.of_rejected_response else pair.chosen
        assert response is not None  # read_pair_set saw to it
        return ScoreRow(images, self._vlm.prompt_ids(pair.prompt, images), self._vlm.response_ids(response))

    def _hold_features(self) -> None:
        """Encode every image once, if all of them fit: then no step runs the vision tower."""
        probe = self._encode(self._names[:1])
        if sum(t.nbytes for t in probe.values()) * len(self._names) > FEATURE_BYTES:
            return
        with tqdm(total=len(self._names), desc="images", unit="image") as bar:
            for start in range(0, len(self._names), _ENCODE_BATCH):
                names = self._names[start : start + _ENCODE_BATCH]
                self._held.update(self._encode(names))
                bar.update(len(names))

    def _features(self, names: Sequence[str]) -> Mapping[str, torch.Tensor]:
        return self._held or self._encode(list(dict.fromkeys(names)))

    def _encode(self, names: Sequence[str]) -> dict[str, torch.Tensor]:
        images = [self._data.open_image(name) for name in names]
        return dict(zip(names, self._vlm.encode_batch(images), strict=True))


def with_reference(
    scored: Mapping[Branch, tuple[torch.Tensor, torch.Tensor]],
    reference: Mapping[Branch, torch.Tensor] | None,
    numbers: Sequence[int],
) -> dict[Branch, Scores]:
    """Policy scores joined with the reference sums of the same pairs."""
    picked = list(numbers)
    return {
        branch: Scores(logps, mask, reference[branch][picked] if reference else None)
        for branch, (logps, mask) in scored.items()
    }


def _images(pair: PreferencePair, branch: Branch) -> tuple[str, ...]:
    images = pair.rejected_images if branch.on_rejected_image else pair.images
    assert images is not None  # read_pair_set saw to it
    return images
