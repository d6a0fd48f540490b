"""A BERT of a few thousand weights with a vocabulary of a few words, and texts it can learn."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from pipelines.dataset import LabelledTexts

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["bad", "awful", "noon", "monday", "good", "great", "a", "day", "it", "is"]


def write_base(folder: Path, seed: int = 1) -> Path:
    """Model and tokenizer, as `from_pretrained` reads them."""
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(SPECIAL + WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(SPECIAL + WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
        num_labels=3,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def texts(number: int = 48) -> LabelledTexts:
    """Each third text is negative, neutral, positive; the word says which."""
    filler = ["a day", "it is", "day", "is a day it is", "it"]
    rows = [(f"{filler[i % 5]} {WORDS[2 * (i % 3) + i // 3 % 2]} {filler[i // 5 % 5]}", i % 3) for i in range(number)]
    return LabelledTexts(tuple(text for text, _ in rows), tuple(label for _, label in rows))
