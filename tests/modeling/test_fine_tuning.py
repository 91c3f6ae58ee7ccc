"""What a fit learns from, when it ends, and that it is the same again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modeling.candidates import pretrained
from modeling.candidates.fine_tuning import Course, Machine, Plan, fine_tune, logits, machine, seeded
from modeling.tokens import Tokenizer, Tokens
from tests.corpus import make_rows

ROWS = make_rows(240, noise=0.0)
LABELS = np.array([label for _, label in ROWS])
HELD = np.arange(len(ROWS)) % 4 == 0
CPU = Machine("cpu", "float32")


@pytest.fixture(scope="module")
def tokens(encoder_dir: Path) -> list[Tokens]:
    return Tokenizer((encoder_dir / "tokenizer.json").read_text(), 48)([text for text, _ in ROWS])


def plan(**changes: Any) -> Plan:
    return Plan(
        **{
            "epochs": 1,
            "batch_size": 16,
            "learning_rate": 2e-3,
            "warmup": 0.1,
            "patience": 1,
            "seed": 3,
            **changes,
        }
    )


def fitted(
    encoder: Path, tokens: list[Tokens], labels: Any, held: Any = HELD, **changes: Any
) -> tuple[Course, Any, list[str]]:
    said: list[str] = []
    with seeded(changes.get("seed", 3)):
        model = pretrained.read_base(str(encoder), 48).model
        course = fine_tune(model, tokens, labels, held, plan(**changes), CPU, said.append)
    return course, logits(model, tokens, CPU), said


def test_held_out_rows_are_not_learned_from(encoder_dir: Path, tokens: list[Tokens]) -> None:
    _, raw, _ = fitted(encoder_dir, tokens, LABELS)
    _, again, _ = fitted(encoder_dir, tokens, np.where(HELD, 1 - LABELS, LABELS))
    _, other, _ = fitted(encoder_dir, tokens, np.where(np.arange(len(HELD)) == 1, 1 - LABELS, LABELS))
    assert np.array_equal(raw, again)
    assert not np.array_equal(raw, other)


def test_a_fit_ends_when_held_out_rows_are_ranked_worse_and_keeps_the_best_epoch(
    encoder_dir: Path, tokens: list[Tokens]
) -> None:
    # turned round, held-out rows are ranked worse the more is learned
    labels = np.where(HELD, 1 - LABELS, LABELS)
    course, raw, _ = fitted(encoder_dir, tokens, labels, epochs=9)
    _, first, _ = fitted(encoder_dir, tokens, labels, epochs=9, patience=9)
    assert len(course.held_out) == course.epochs + 1 < 9
    assert max(course.held_out) == course.held_out[course.epochs - 1]
    assert np.array_equal(raw, first)


def test_without_held_out_rows_every_epoch_is_run(encoder_dir: Path, tokens: list[Tokens]) -> None:
    course, raw, said = fitted(encoder_dir, tokens, LABELS, np.zeros_like(HELD), epochs=2, patience=0)
    assert Course(2, []) == course
    assert ["epoch 1 of 2: ", "epoch 2 of 2: "] == sorted({line[:14] for line in said})
    assert np.isfinite(raw).all()


def test_a_fit_tells_its_progress(encoder_dir: Path, tokens: list[Tokens]) -> None:
    _, _, said = fitted(encoder_dir, tokens, LABELS)
    assert "epoch 1 of 1: 3 of 12 batches, loss 0." in said[0]
    assert "on 60 rows held out of learning" in said[-1]


def test_the_same_seed_gives_the_same_scores_and_another_others(
    encoder_dir: Path, tokens: list[Tokens]
) -> None:
    _, raw, _ = fitted(encoder_dir, tokens, LABELS)
    _, again, _ = fitted(encoder_dir, tokens, LABELS)
    _, other, _ = fitted(encoder_dir, tokens, LABELS, seed=4)
    assert np.allclose(raw, again, atol=1e-6)
    assert not np.allclose(raw, other, atol=1e-2)


def test_a_seed_leaves_torchs_own_generator_where_it_was() -> None:
    import torch

    before = torch.random.get_rng_state()
    with seeded(7):
        torch.rand(3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_padding_does_not_change_a_score(encoder_dir: Path, tokens: list[Tokens]) -> None:
    with seeded(0):
        model = pretrained.read_base(str(encoder_dir), 48).model
    alone = np.concatenate([logits(model, [each], CPU) for each in tokens[:20]])
    assert np.allclose(alone, logits(model, tokens[:20], CPU), atol=1e-5)


def test_the_machine_is_what_is_there() -> None:
    import torch

    assert ("cuda" if torch.cuda.is_available() else "cpu") == machine().device
