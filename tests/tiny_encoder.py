"""A tiny encoder made on the spot: its own tokenizer trained on the texts, two layers, hidden size 64."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modeling.candidates.transformer import TransformerClassifier

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_LENGTH = 48
POSITIONS = 64


def make(place: Path, texts: Sequence[str]) -> Path:
    """An untrained encoder as `transformers` saves one."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    inner = _tokenizer(texts)
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), MARKS, strict=True))
    PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=POSITIONS,
        **{f"{name}_token": mark for name, mark in names.items()},
    ).save_pretrained(place)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = BertForSequenceClassification(
            BertConfig(
                vocab_size=inner.get_vocab_size(),
                hidden_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=128,
                max_position_embeddings=POSITIONS,
            )
        )
    encoder.save_pretrained(place)
    return place


def candidate(encoder: Path, **parameters: Any) -> TransformerClassifier:
    """What fine-tunes it, quickly."""
    chosen = {"max_length": MAX_LENGTH, "epochs": 3, "learning_rate": 2e-3, "patience": 2} | parameters
    return TransformerClassifier(model=str(encoder), **chosen)


def _tokenizer(texts: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    inner = Tokenizer(models.WordPiece(unk_token=MARKS[1]))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=600, special_tokens=list(MARKS), show_progress=False)
    )
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(mark, inner.token_to_id(mark)) for mark in MARKS[2:4]]
    )
    return inner
