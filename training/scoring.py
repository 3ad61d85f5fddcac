"""Which branches of which pairs to score, by policy and by reference: the grid meets the model.

The frozen vision tower sees each image once where memory allows, and the reference scores each branch
once before training; only what needs the reference's whole vocabulary asks it again at each step. The
forward passes themselves are `zoo.vlm.score`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from training.data import PairSet
from training.grid import Batch, Branch, Distribution, Scores
from training.objective import (
    Objective,
    argmaxes_of,
    branches_of,
    distributions_of,
    missing_halves,
    needs,
    needs_reference,
    weighting_of,
)
from training.weights import normalise
from zoo.errors import BadRecord
from zoo.records import PreferencePair, Reward, Span
from zoo.vlm.lora import TrainableLora
from zoo.vlm.model import ImageFeatures, VisionLanguageModel
from zoo.vlm.score import ScoreRow, target_logps, token_mask, vocabulary_logps

FEATURE_BYTES = 2 << 30
"""Vision features are held for the whole run up to this size; beyond it they are made batch by batch."""

_ENCODE_BATCH = 32


@dataclass(frozen=True)
class _Cell:
    """One branch of one pair: what is shown, asked and answered."""

    images: tuple[str, ...]
    prompt: str
    response: str
    spans: tuple[Span, ...] | None


class BranchScorer:
    """Scores what an objective reads of a pair set, under the model as it stands."""

    def __init__(self, vlm: VisionLanguageModel, data: PairSet, objective: Objective) -> None:
        self._vlm = vlm
        self._data = data
        self._branches = branches_of(objective)
        self._argmaxes = argmaxes_of(objective)
        self._distributions = distributions_of(objective)
        self._missing = missing_halves(objective)
        self._needs = needs(objective)
        self._needs_reference = needs_reference(objective)
        how = weighting_of(objective)
        self._weights = torch.tensor(normalise(data.pairs, how), device=vlm.device) if how else None
        self._reference: dict[Branch, list[torch.Tensor]] = {}
        self._held: dict[str, torch.Tensor] = {}
        self._hold_features()

    def score_reference(self, lora: TrainableLora, *, batch_size: int) -> None:
        """Score every branch of every pair with the model as it was at the start, once, token by token."""
        if not self._needs_reference:
            return
        total = len(self._data.pairs)
        found: dict[Branch, list[torch.Tensor]] = {branch: [] for branch in self._branches}
        with torch.no_grad(), lora.at_start(), tqdm(total=total, desc="reference", unit="pair") as bar:
            for start in range(0, total, batch_size):
                numbers = range(start, min(start + batch_size, total))
                table = self._table([(branch, n) for branch in self._branches for n in numbers])
                for branch in self._branches:
                    found[branch] += [table.logps[branch, n] for n in numbers]
                bar.update(len(numbers))
        self._reference = found

    def batch(self, numbers: Sequence[int], lora: TrainableLora) -> Batch:
        """All that the objective reads of the pairs of these numbers, with gradients where they flow."""
        argmaxes = None
        if self._argmaxes:
            with torch.no_grad():
                table = self._table([(branch, n) for branch in self._argmaxes for n in numbers])
            argmaxes = {
                branch: pad_sequence(
                    [table.vocabulary[branch, n].argmax(dim=-1) for n in numbers], batch_first=True
                )
                for branch in self._argmaxes
            }
        reference = self._reference_distributions(numbers, lora)  # before a graph of the policy is alive
        table = self._table([(branch, n) for branch in self._branches for n in numbers])
        return Batch(
            branches={branch: self._scores(branch, numbers, table, reference) for branch in self._branches},
            weights=self._weights[list(numbers)] if self._weights is not None else None,
            argmaxes=argmaxes,
        )

    def _scores(
        self,
        branch: Branch,
        numbers: Sequence[int],
        table: "_Table",
        reference: Mapping[Branch, torch.Tensor],
    ) -> Scores:
        logps = [table.logps[branch, n] for n in numbers]
        mask = token_mask([len(row) for row in logps], table.device)
        spans = rewards = distribution = None
        if "spans" in self._needs:
            spans = pad_sequence([self._in_spans(branch, n) for n in numbers], batch_first=True)
        if "rewards" in self._needs and branch is Branch.CHOSEN:
            rewards = pad_sequence([self._token_rewards(n) for n in numbers], batch_first=True)
        if branch in self._distributions:
            where = self._positions(branch, numbers, table)
            distribution = Distribution(
                policy=torch.cat(
                    [table.vocabulary[branch, n][columns] for n, columns in zip(numbers, where, strict=True)]
                ),
                reference=reference[branch],
                pair=torch.cat([torch.full_like(columns, i) for i, columns in enumerate(where)]),
                column=torch.cat(where),
            )
        present = None
        if self._missing[branch] == "skip":
            there = [self._cell(self._data.pairs[n], branch) is not None for n in numbers]
            present = torch.tensor(there, device=table.device)
        return Scores(
            logps=pad_sequence(logps, batch_first=True),
            mask=mask,
            reference=pad_sequence([self._reference[branch][n] for n in numbers], batch_first=True)
            if self._needs_reference
            else None,
            spans=spans,
            rewards=rewards,
            distribution=distribution,
            present=present,
        )

    def _reference_distributions(
        self, numbers: Sequence[int], lora: TrainableLora
    ) -> dict[Branch, torch.Tensor]:
        """The reference's log-probs over the whole vocabulary at the positions that are read."""
        if not self._distributions:
            return {}
        with torch.no_grad(), lora.at_start():
            table = self._table([(branch, n) for branch in self._distributions for n in numbers])
        return {
            branch: torch.cat(
                [
                    table.vocabulary[branch, n][columns]
                    for n, columns in zip(numbers, self._positions(branch, numbers, table), strict=True)
                ]
            )
            for branch in self._distributions
        }

    def _positions(self, branch: Branch, numbers: Sequence[int], table: "_Table") -> list[torch.Tensor]:
        """Which response tokens of each pair the whole vocabulary is read at."""
        if self._distributions[branch] == "spans":
            return [self._in_spans(branch, n).nonzero()[:, 0] for n in numbers]
        return [torch.arange(len(table.logps[branch, n]), device=table.device) for n in numbers]

    def _table(self, wanted: Sequence[tuple[Branch, int]]) -> "_Table":
        """Run the model over these branches of these pairs in one padded batch; absent ones stay empty."""
        cells = {key: self._cell(self._data.pairs[key[1]], key[0]) for key in wanted}
        there = [key for key, cell in cells.items() if cell is not None]
        names = dict.fromkeys(name for cell in cells.values() if cell is not None for name in cell.images)
        features = self._held or self._encode(list(names))
        rows = []
        for branch, number in there:
            cell = cells[branch, number]
            assert cell is not None
            images = ImageFeatures(tuple(features[name] for name in cell.images))
            rows.append(ScoreRow(images, *self._ids(branch, cell, images)))
        whole, lengths = vocabulary_logps(self._vlm, rows)
        logps = dict(zip(there, target_logps(whole, rows).split(lengths), strict=True))
        empty = whole.new_zeros(0)
        return _Table(
            {key: logps.get(key, empty) for key in wanted},
            dict(zip(there, whole.split(lengths), strict=True)),
        )

    def _ids(self, branch: Branch, cell: _Cell, images: ImageFeatures) -> tuple[list[int], list[int]]:
        if branch is Branch.QUESTION:
            return self._vlm.question_ids(cell.prompt, images)
        return self._vlm.prompt_ids(cell.prompt, images), self._vlm.response_ids(cell.response)

    def _cell(self, pair: PreferencePair, branch: Branch) -> _Cell | None:
        """What the branch is for this pair; None where the pair lacks it and the objective skips it."""
        images, response, spans = pair.images, pair.chosen, pair.chosen_spans
        if branch.on_rejected_image:
            if pair.rejected_images is None and self._missing[branch] == "skip":
                return None
            images = pair.rejected_images or pair.images  # read_pair_set refused what may not be missing
        if branch.of_rejected_response:
            if pair.rejected is None and self._missing[branch] == "skip":
                return None
            if pair.rejected is not None:
                response, spans = pair.rejected, pair.rejected_spans
        return _Cell(images, pair.prompt, response, spans)

    def _in_spans(self, branch: Branch, number: int) -> torch.Tensor:
        """True at the response tokens that touch a span, never at the end of turn, (tokens,)."""
        cell = self._cell(self._data.pairs[number], branch)
        if cell is None:
            return torch.zeros(0, dtype=torch.bool, device=self._vlm.device)
        found = tokens_in(self._vlm.response_offsets(cell.response), cell.spans or ())
        if cell.spans and not any(found):
            raise BadRecord(f"pair {self._data.pairs[number].id}: no token lies in its spans {cell.spans}")
        return torch.tensor([*found, False], device=self._vlm.device)

    def _token_rewards(self, number: int) -> torch.Tensor:
        """Reward of each response token, 0 at the end of turn, (tokens,)."""
        pair = self._data.pairs[number]
        found = token_rewards(self._vlm.response_offsets(pair.chosen), pair.rewards or ())
        return torch.tensor([*found, 0.0], device=self._vlm.device)

    @cached_property
    def _names(self) -> list[str]:
        """Every image that is scored, once."""
        read = (*self._branches, *self._argmaxes)
        cells = [self._cell(pair, branch) for pair in self._data.pairs for branch in read]
        return list(dict.fromkeys(name for cell in cells if cell is not None for name in cell.images))

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

    def _encode(self, names: Sequence[str]) -> dict[str, torch.Tensor]:
        images = [self._data.open_image(name) for name in names]
        return dict(zip(names, self._vlm.encode_batch(images), strict=True))


@dataclass(frozen=True)
class _Table:
    """Log-probs by branch and pair number: of the response's tokens, and over the whole vocabulary."""

    logps: Mapping[tuple[Branch, int], torch.Tensor]
    vocabulary: Mapping[tuple[Branch, int], torch.Tensor]

    @property
    def device(self) -> torch.device:
        """Where the numbers lie."""
        return next(iter(self.logps.values())).device


def tokens_in(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[bool]:
    """For each token, at characters `offsets`, whether it touches one of the spans."""
    return [any(start < last and end > first for first, last in spans) for start, end in offsets]


def token_rewards(offsets: Sequence[tuple[int, int]], rewards: Sequence[Reward]) -> list[float]:
    """For each token, at characters `offsets`, the reward of the first part that it touches, else 0."""
    return [
        next((reward for first, last, reward in rewards if start < last and end > first), 0.0)
        for start, end in offsets
    ]
