"""Fine-tuning of an encoder on token numbers: batches, schedule, early stopping. Knows no file and no export.

AdamW with decoupled weight decay (Loshchilov and Hutter 2019), a linear warm-up and decay, gradients
clipped at 1, as BERT is fine-tuned (Devlin et al. 2019).
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from modeling.candidates.interface import Labels, Progress
from modeling.hashing import Floats
from modeling.tokens import Numbers, Tokens

WEIGHT_DECAY: Final = 0.01
LARGEST_GRADIENT: Final = 1.0
# So many batches are cut from rows of neighbouring lengths: less padding, and still another mix each epoch.
BATCHES_SORTED: Final = 50
REPORTS: Final = 4


@dataclass(frozen=True)
class Plan:
    """How to fine-tune; see the parameters of `modeling.candidates.transformer`."""

    epochs: int
    batch_size: int
    learning_rate: float
    warmup: float
    patience: int
    seed: int


@dataclass(frozen=True)
class Machine:
    """Where and how exactly it is computed."""

    device: str
    precision: str

    def computing(self) -> Any:
        """Matrix products in this precision; weights and their steps are float32 everywhere."""
        import torch

        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bfloat16")


@dataclass
class Course:
    """What became of a fine-tuning: the epoch that was kept, and the held-out ROC-AUC after each."""

    epochs: int = 0
    held_out: list[float] = field(default_factory=list)


def machine() -> Machine:
    """What is there: a GPU in bfloat16 where it can, else the CPU in float32."""
    import torch

    if not torch.cuda.is_available():
        return Machine("cpu", "float32")
    return Machine("cuda", "bfloat16" if torch.cuda.is_bf16_supported() else "float32")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's generators at a seed, and afterwards where they were."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def fine_tune(
    model: Any,
    rows: Sequence[Tokens],
    labels: Labels,
    held_out: npt.NDArray[np.bool_],
    plan: Plan,
    on: Machine,
    progress: Progress,
) -> Course:
    """Fit in place; where rows are held out, end with the epoch that ranked them best.

    Args:
        model: of `transformers`, with two labels; ends on the CPU.
        rows: token numbers of the learning rows.
        labels: of the rows, shape (rows,).
        held_out: rows that are not learned from, shape (rows,); none: every epoch is run.
        plan: how.
        on: where.
        progress: told a line a few times an epoch.

    """
    learned, judged = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    batches = -(-len(learned) // plan.batch_size)
    steps = _Steps(model.to(on.device), plan, batches * plan.epochs, on)
    rng, course, best = np.random.default_rng(plan.seed), Course(), None
    for epoch in range(1, plan.epochs + 1):
        said = f"epoch {epoch} of {plan.epochs}"
        steps.run(rows, labels, _batches(rows, learned, plan.batch_size, rng), said, progress)
        if not len(judged):
            course.epochs = epoch
            continue
        area = _area(logits(model, [rows[row] for row in judged.tolist()], on), labels[judged])
        progress(f"{said}: ROC-AUC {area:.3f} on {len(judged):,} rows held out of learning")
        if area > max(course.held_out, default=-1.0):
            course.epochs, best = epoch, copy.deepcopy(model.state_dict())
        course.held_out.append(area)
        if epoch - course.epochs >= plan.patience:
            break
    if best is not None:
        model.load_state_dict(best)
    model.to("cpu").eval()
    return course


def _area(raw: Floats, labels: Labels) -> float:
    # a fit that diverges ranks nothing; whoever scores with it says so
    return round(float(roc_auc_score(labels, np.nan_to_num(raw))), 4)


def logits(model: Any, rows: Sequence[Tokens], on: Machine, batch_size: int = 32) -> Floats:
    """How much likelier removal is by the model itself, as a logit, shape (len(rows),)."""
    import torch

    model.eval()
    found = np.empty(len(rows))
    order = np.argsort([len(row.numbers) for row in rows], kind="stable")
    for start in range(0, len(rows), batch_size):
        chosen = order[start : start + batch_size]
        with torch.inference_mode(), on.computing():
            pairs = (
                model(**inputs(model, [rows[row] for row in chosen.tolist()], on.device))
                .logits.double()
                .cpu()
            )
        found[chosen] = (pairs[:, 1] - pairs[:, 0]).numpy()
    return found


def inputs(model: Any, rows: Sequence[Tokens], device: str = "cpu") -> dict[str, Any]:
    """A padded batch under the names that the model knows."""
    import inspect

    import torch

    longest = max(len(row.numbers) for row in rows)
    padding = model.config.pad_token_id or 0
    shape = (len(rows), longest)
    batch = {
        "input_ids": np.full(shape, padding, dtype=np.int64),
        "attention_mask": np.zeros(shape, dtype=np.int64),
        "token_type_ids": np.zeros(shape, dtype=np.int64),
    }
    for place, row in enumerate(rows):
        length = len(row.numbers)
        batch["input_ids"][place, :length] = row.numbers
        batch["attention_mask"][place, :length] = 1
        batch["token_type_ids"][place, :length] = row.segments
    known = inspect.signature(model.forward).parameters
    return {name: torch.from_numpy(part).to(device) for name, part in batch.items() if name in known}


class _Steps:
    """The optimiser and its schedule."""

    def __init__(self, model: Any, plan: Plan, total: int, on: Machine) -> None:
        import torch

        warm = max(1, round(plan.warmup * total))
        decayed = [weight for weight in model.parameters() if weight.ndim > 1]
        others = [weight for weight in model.parameters() if weight.ndim <= 1]
        self._model, self._on = model, on
        self._optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
            lr=plan.learning_rate,
            fused=True,
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser,
            lambda step: min((step + 1) / warm, max(0.0, (total - step) / max(1, total - warm))),
        )

    def run(
        self,
        rows: Sequence[Tokens],
        labels: Labels,
        batches: Sequence[Numbers],
        said: str,
        progress: Progress,
    ) -> None:
        """Learn from every batch once, and tell the loss a few times."""
        losses: list[float] = []
        for done, batch in enumerate(batches, start=1):
            losses.append(self._take([rows[row] for row in batch.tolist()], labels[batch]))
            if done % max(1, len(batches) // REPORTS) == 0:
                progress(f"{said}: {done:,} of {len(batches):,} batches, loss {np.mean(losses):.3f}")
                losses = []

    def _take(self, rows: Sequence[Tokens], labels: Labels) -> float:
        import torch

        self._model.train()
        targets = torch.from_numpy(labels).to(self._on.device)
        with self._on.computing():
            found = self._model(**inputs(self._model, rows, self._on.device)).logits
        loss = torch.nn.functional.cross_entropy(found.float(), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), LARGEST_GRADIENT)
        self._optimiser.step()
        self._schedule.step()
        self._optimiser.zero_grad(set_to_none=True)
        return float(loss.detach())


def _batches(rows: Sequence[Tokens], chosen: Numbers, size: int, rng: np.random.Generator) -> list[Numbers]:
    """All chosen rows once, in batches of like lengths, in another order each time."""
    lengths = np.array([len(row.numbers) for row in rows])
    order = rng.permutation(chosen)
    cut: list[Numbers] = []
    for start in range(0, len(order), size * BATCHES_SORTED):
        part = order[start : start + size * BATCHES_SORTED]
        part = part[np.argsort(lengths[part], kind="stable")]
        cut += [part[first : first + size] for first in range(0, len(part), size)]
    return [cut[number] for number in rng.permutation(len(cut))]
