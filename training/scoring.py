"""Which branches of which pairs to score, by policy and by reference: the grid meets the model.

Each image is seen once, each image and prompt is run once with every response to it on top, and the
reference scores each response once; what was made before comes from the caches. The forward passes are
`zoo.vlm.shared`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch.nn.utils.rnn import pad_sequence

from training.cache import ReferenceCache
from training.cells import Cell, cell_of, spans_of, token_rewards, tokens_in
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
from zoo.vlm.encoded import EncodedImage, ImageFeatures
from zoo.vlm.features import FeatureCache
from zoo.vlm.head import argmax, fold, target_logps
from zoo.vlm.lora import TrainableLora
from zoo.vlm.model import VisionLanguageModel
from zoo.vlm.score import token_mask
from zoo.vlm.shared import Predicted, SharedRow, predict
from zoo.vlm.store import Tensors


@dataclass(frozen=True)
class Known:
    """What is known of some pairs before the policy is asked."""

    features: Mapping[str, EncodedImage]
    """Of all their images, by the image's name."""
    reference: Mapping[str, Tensors]
    """What the reference says of them, by the caches' keys."""
    argmaxes: Mapping[Branch, torch.Tensor] | None = None
    """See `training.grid.Batch`."""


class BranchScorer:
    """Scores what an objective reads of a pair set, under the model as it stands."""

    def __init__(
        self,
        vlm: VisionLanguageModel,
        data: PairSet,
        objective: Objective,
        *,
        features: FeatureCache,
        references: ReferenceCache,
        shared_prompts: bool = True,
        together: Callable[[bool], bool] = bool,
    ) -> None:
        """Without `shared_prompts` each response is run with a prompt of its own, as dropout must have it.
        `together` is `training.processes.Processes.together`."""
        self._vlm = vlm
        self._data = data
        self._features, self._references = features, references
        self._shared_prompts, self._together = shared_prompts, together
        self._branches = branches_of(objective)
        self._argmaxes = argmaxes_of(objective)
        self._distributions = distributions_of(objective)
        self._missing = missing_halves(objective)
        self._needs = needs(objective)
        self._needs_reference = needs_reference(objective) or bool(self._distributions)
        how = weighting_of(objective)
        self._weights = torch.tensor(normalise(data.pairs, how), device=vlm.device) if how else None

    @torch.no_grad()
    def prepare(self, numbers: Sequence[int], lora: TrainableLora) -> Known:
        """What is asked without a gradient, and is to be known before a graph of the policy is alive."""
        known = self.kept(numbers, lora)
        if not self._argmaxes:
            return known
        run = self._run(self._cells(self._argmaxes, numbers), known.features)
        found = {
            branch: [argmax(self._vlm, run.hidden(self._cell(n, branch))) for n in numbers]
            for branch in self._argmaxes
        }
        argmaxes = {branch: pad_sequence(rows, batch_first=True) for branch, rows in found.items()}
        return replace(known, argmaxes=argmaxes)

    @torch.no_grad()
    def kept(self, numbers: Sequence[int], lora: TrainableLora) -> Known:
        """The part of it that stays the same while the policy learns, from the caches, which are filled."""
        features = self._seen(self._cells([*self._argmaxes, *self._branches], numbers))
        return Known(features, self._reference(numbers, lora, features))

    def score(self, numbers: Sequence[int], known: Known) -> Batch:
        """What the policy says of the pairs of these numbers, beside what is known of them; with gradients
        where they flow."""
        run = self._run(self._cells(self._branches, numbers), known.features)
        return Batch(
            branches={
                branch: self._scores(branch, numbers, run, known.reference) for branch in self._branches
            },
            weights=self._weights[list(numbers)] if self._weights is not None else None,
            argmaxes=known.argmaxes,
        )

    def tokens(self, number: int) -> int:
        """Tokens of text that a pair takes: each question once, each response once on top of it. Its image
        tokens, much the same for every pair, are not counted."""
        cells = self._cells(self._branches, [number])
        asked = {(cell.images, cell.prompt) for cell in cells}
        return sum(len(self._vlm.response_ids(prompt)) for _, prompt in asked) + sum(
            len(self._vlm.response_ids(cell.response or "")) for cell in cells
        )

    def _scores(
        self, branch: Branch, numbers: Sequence[int], run: "_Run", reference: Mapping[str, Tensors]
    ) -> Scores:
        cells = [self._cell(n, branch) for n in numbers]
        logps = [run.logps(cell) for cell in cells]
        empty = logps[0].new_zeros(0)
        spans = rewards = distribution = present = None
        if "spans" in self._needs:
            spans = pad_sequence([self._in_spans(n, branch) for n in numbers], batch_first=True)
        if "rewards" in self._needs and branch is Branch.CHOSEN:
            rewards = pad_sequence([self._token_rewards(n) for n in numbers], batch_first=True)
        if branch in self._distributions:
            distribution = self._distribution(branch, numbers, run, reference)
        if self._missing[branch] == "skip":
            present = torch.tensor([cell is not None for cell in cells], device=self._vlm.device)
        return Scores(
            logps=pad_sequence(logps, batch_first=True),
            mask=token_mask([len(row) for row in logps], self._vlm.device),
            reference=pad_sequence(
                [empty if cell is None else reference[self._key(cell)]["logps"] for cell in cells],
                batch_first=True,
            )
            if self._needs_reference
            else None,
            spans=spans,
            rewards=rewards,
            distribution=distribution,
            present=present,
        )

    def _distribution(
        self, branch: Branch, numbers: Sequence[int], run: "_Run", reference: Mapping[str, Tensors]
    ) -> Distribution:
        """Policy and reference over the whole vocabulary at the positions that are read."""
        device, policy, theirs, where = self._vlm.device, [], [], []
        for n in numbers:
            cell, positions = self._cell(n, branch), self._positions(n, branch)
            where.append(torch.tensor(positions, dtype=torch.long, device=device))
            policy.append(run.hidden(cell)[where[-1]])
            if cell is not None and positions:
                theirs.append(reference[self._key(cell, positions)]["hidden"])
        own, known = torch.cat(policy), torch.cat(theirs) if theirs else policy[0].detach()[:0]
        return Distribution(
            fold=lambda function, *rows: fold(self._vlm, own, (known,), function, *rows),
            pair=torch.cat([torch.full_like(columns, i) for i, columns in enumerate(where)]),
            column=torch.cat(where),
        )

    def _reference(
        self, numbers: Sequence[int], lora: TrainableLora, features: Mapping[str, EncodedImage]
    ) -> dict[str, Tensors]:
        """What the reference says of these pairs by key, asked anew only where it was not kept."""
        if not self._needs_reference:
            return {}
        wanted: dict[str, tuple[Cell, list[int]]] = {}
        for branch in self._branches:
            for n in numbers:
                cell, positions = self._cell(n, branch), self._positions(n, branch)
                if cell is not None:
                    wanted[self._key(cell)] = (cell, [])
                    wanted[self._key(cell, positions)] = (cell, positions)
        kept = {key: self._references.get(key) for key in wanted}
        device = self._vlm.device
        found: dict[str, Tensors] = {
            key: {name: tensor.to(device) for name, tensor in tensors.items()}
            for key, tensors in kept.items()
            if tensors is not None
        }
        lacking = {key: asked for key, asked in wanted.items() if key not in found}
        if self._together(bool(lacking)):
            cells = list(dict.fromkeys(cell for cell, _ in (lacking or wanted).values()))
            with torch.no_grad(), lora.at_start():
                run = self._run(cells, features)
                new: dict[str, Tensors] = {
                    key: {"hidden": run.hidden(cell)[positions]} if positions else {"logps": run.logps(cell)}
                    for key, (cell, positions) in lacking.items()
                }
            self._references.put(new)
            found |= new
        return found

    def _key(self, cell: Cell, positions: Sequence[int] = ()) -> str:
        digests = [self._data.digest(name) for name in cell.images]
        return self._references.key(digests, cell.prompt, cell.response, positions)

    def _run(self, cells: Sequence[Cell], features: Mapping[str, EncodedImage]) -> "_Run":
        """Run the model over these cells, each image and prompt once."""
        groups: dict[object, list[Cell]] = {}
        for cell in cells:
            asked = (cell.images, cell.prompt)
            groups.setdefault(asked if self._shared_prompts else (*asked, cell.response), []).append(cell)
        rows, order = [], list[Cell]()
        for group in groups.values():
            images = ImageFeatures(tuple(features[name] for name in group[0].images))
            answered = [cell for cell in group if cell.response is not None]
            question = [cell for cell in group if cell.response is None]
            rows.append(
                SharedRow(
                    images,
                    self._vlm.prompt_ids(group[0].prompt, images),
                    [self._vlm.response_ids(cell.response or "") for cell in answered],
                    self._vlm.question_place(group[0].prompt, images) if question else None,
                )
            )
            order += [*answered, *question]
        return _Run(self._vlm, order, predict(self._vlm, rows))

    def _seen(self, cells: Sequence[Cell]) -> dict[str, EncodedImage]:
        """Vision features of all images of some cells, by the image's name."""
        digests = {name: self._data.digest(name) for cell in cells for name in cell.images}
        features = self._features.of(
            {digest: partial(self._data.open_image, name) for name, digest in digests.items()}
        )
        return {name: features[digest] for name, digest in digests.items()}

    def _cells(self, branches: Sequence[Branch], numbers: Sequence[int]) -> list[Cell]:
        """The cells of these branches and pairs, each once, without those that are skipped."""
        cells = [self._cell(n, branch) for branch in branches for n in numbers]
        return list(dict.fromkeys(cell for cell in cells if cell is not None))

    def _cell(self, number: int, branch: Branch) -> Cell | None:
        return cell_of(self._data.pairs[number], branch, self._missing)

    def _positions(self, number: int, branch: Branch) -> list[int]:
        """Which response tokens of a pair the whole vocabulary is read at."""
        cell = self._cell(number, branch)
        if cell is None or branch not in self._distributions:
            return []
        if self._distributions[branch] == "spans":
            return self._in_spans(number, branch).nonzero()[:, 0].tolist()
        return list(range(len(self._vlm.response_ids(cell.response or ""))))

    def _in_spans(self, number: int, branch: Branch) -> torch.Tensor:
        """True at the response tokens that touch a span, never at the end of turn, (tokens,)."""
        cell, spans = self._cell(number, branch), spans_of(self._data.pairs[number], branch)
        if cell is None:
            return torch.zeros(0, dtype=torch.bool, device=self._vlm.device)
        found = tokens_in(self._vlm.response_offsets(cell.response or ""), spans)
        if spans and not any(found):
            raise BadRecord(f"pair {self._data.pairs[number].id}: no token lies in its spans {spans}")
        return torch.tensor([*found, False], device=self._vlm.device)

    def _token_rewards(self, number: int) -> torch.Tensor:
        """Reward of each response token, 0 at the end of turn, (tokens,)."""
        pair = self._data.pairs[number]
        found = token_rewards(self._vlm.response_offsets(pair.chosen), pair.rewards or ())
        return torch.tensor([*found, 0.0], device=self._vlm.device)


class _Run:
    """One run of the model over some cells."""

    def __init__(self, vlm: VisionLanguageModel, cells: Sequence[Cell], predicted: Predicted) -> None:
        logps = target_logps(vlm, predicted.hidden, predicted.targets)
        self._logps = dict(zip(cells, logps.split(predicted.lengths), strict=True))
        self._hidden = dict(zip(cells, predicted.hidden.split(predicted.lengths), strict=True))
        self._none, self._nothing = logps.new_zeros(0), predicted.hidden[:0]

    def logps(self, cell: Cell | None) -> torch.Tensor:
        """Log-probs of the cell's tokens, (tokens,); none for a cell that is not there."""
        return self._none if cell is None else self._logps[cell]

    def hidden(self, cell: Cell | None) -> torch.Tensor:
        """Hidden states where they are predicted, (tokens, hidden)."""
        return self._nothing if cell is None else self._hidden[cell]
