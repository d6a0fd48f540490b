"""What people build first: FastAPI around a model, one text a call, in a process of its own with uvicorn.

    python -m pipelines.benchmarking.peers --peer onnx --model models/default --port 8001 --threads 2

`onnx` is the same ONNX session that EventPulse has, `transformers` the pipeline of Hugging Face on the weights of the
same model in fp32 (extra `train`). Both read the cleaned text, as EventPulse does, so that the answers can agree. The
server ends with its standard input.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from app.adapters.artifact import CONFIG, TOKENIZER, WEIGHTS, verify
from app.adapters.onnx import OnnxClassifier
from app.core.errors import AppError, ModelNotFound
from app.core.text import model_text
from app.core.types import CLASSES

PATH = "/v1/classify"
Scores = tuple[float, ...]
Ask = Callable[[str], Scores]


class Question(BaseModel):
    """What EventPulse takes, too."""

    text: str | None = None
    texts: list[str] | None = None


class Answer(BaseModel):
    """One text's."""

    label: str
    probabilities: dict[str, float]


class Answers(BaseModel):
    """One a text, in order."""

    predictions: list[Answer]


def onnx(folder: Path, threads: int) -> Ask:
    """The session of `app.adapters.onnx`, asked for one text at a time."""
    classifier = OnnxClassifier(folder, threads=threads)
    return lambda text: classifier.classify([text])[0].probabilities


def missing(folder: Path) -> str:
    """Why the pipeline of Hugging Face can't run on this artifact; empty when it can. Raises ModelNotFound."""
    absent = sorted({CONFIG, WEIGHTS} - verify(folder).files.keys())
    return f"the model folder holds no {' and no '.join(absent)}" if absent else ""


def transformers(folder: Path, threads: int) -> Ask:
    """The text-classification pipeline, in fp32 whatever the weights are stored in."""
    if reason := missing(folder):
        raise ModelNotFound(reason)
    # The other peer is measured without them.
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast, pipeline

    torch.set_num_threads(threads)
    names = {index: label.value for index, label in enumerate(CLASSES)}
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    config.id2label, config.label2id = names, {name: index for index, name in names.items()}
    architectures: Any = AutoModelForSequenceClassification
    model = architectures.from_config(config, dtype=torch.float32)
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()})
    longest = verify(folder).max_tokens
    tokenizers: Any = PreTrainedTokenizerFast
    tokenizer = tokenizers(
        tokenizer_file=str(folder / TOKENIZER), model_max_length=longest, pad_token="[PAD]", unk_token="[UNK]"
    )
    build: Any = pipeline
    ask = build("text-classification", model=model.eval(), tokenizer=tokenizer, device="cpu")

    def answer(text: str) -> Scores:
        found = ask(model_text(text), top_k=None, truncation=True, max_length=longest)
        scores = {each["label"]: float(each["score"]) for each in found}
        return tuple(scores[label.value] for label in CLASSES)

    return answer


PEERS: dict[str, Callable[[Path, int], Ask]] = {"onnx": onnx, "transformers": transformers}


def build(ask: Ask) -> FastAPI:
    """The application: FastAPI runs the plain function in its thread pool, as its documentation advises."""
    app = FastAPI(openapi_url=None)

    @app.post(PATH)
    def classify(question: Question) -> Answers:
        texts = question.texts if question.texts is not None else [question.text or ""]
        said = []
        for text in texts:
            scores = ask(text)
            label = max(range(len(CLASSES)), key=scores.__getitem__)
            named = {each.value: score for each, score in zip(CLASSES, scores, strict=True)}
            said.append(Answer(label=CLASSES[label].value, probabilities=named))
        return Answers(predictions=said)

    return app


def _end_with_input() -> None:
    """Whoever has started this has gone when its end of the pipe is closed."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: Sequence[str]) -> int:
    """The command line, as the module docstring shows it; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.benchmarking.peers", description="A peer of EventPulse.")
    parser.add_argument("--peer", choices=sorted(PEERS), required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    try:
        app = build(PEERS[options.peer](options.model, options.threads))
    except (AppError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    threading.Thread(target=_end_with_input, daemon=True).start()
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
