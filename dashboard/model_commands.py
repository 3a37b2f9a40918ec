"""The commands about the model: what it says of every item, and the model itself to take along."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

from ..data.tables import Progress
from ..data.workspace import Workspace

Say = Callable[[str], None]
Bar = Callable[[], AbstractContextManager[Progress]]


def add_model_commands(commands: Any, say: Say, bar: Bar) -> None:
    """Add predict and model to the commands."""
    parser = commands.add_parser("predict", help="write what the model says of every item, or of a new table")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="ends in .csv, .parquet or .jsonl")
    parser.add_argument(
        "--table", type=Path, metavar="FILE", help="new rows instead of the pool, with the same columns"
    )
    _add_classifier(parser)
    parser.set_defaults(run=lambda options: predict_command(options, say, bar))
    parser = commands.add_parser("model", help="save the model, to be used without the workspace")
    parser.add_argument("workspace", type=Path)
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FILE|DIR", help="ends in .skops, or a new folder"
    )
    parser.add_argument(
        "--format", choices=["skops", "onnx"], default="skops",
        help="skops for rareloop.load_model (the default), or a graph that ONNX runtimes run",
    )  # fmt: skip
    _add_classifier(parser)
    parser.set_defaults(run=lambda options: model_command(options, say, bar))


def _add_classifier(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--classifier", metavar="NAME", help="logistic, forest, boosting, lda, or module:object of your own; "
        "that of the rounds by default",
    )  # fmt: skip


def predict_command(options: argparse.Namespace, say: Say, bar: Bar) -> None:
    """Write the predictions, and say how many there are of each class."""
    from .predictions import predict

    with closing(Workspace.open(options.workspace)) as workspace, bar() as progress:
        done = predict(
            workspace, options.to, table=options.table, classifier=options.classifier, progress=progress
        )
    for message in done.messages:
        say(message)
    say(f"{done.n_rows:,} predictions are in {options.to}")
    for name, count in done.counts.items():
        say(f"  {name:<24} {count:>8,} predicted")
    say(f"  {done.correction}")


def model_command(options: argparse.Namespace, say: Say, bar: Bar) -> None:
    """Save the model, and say how its probabilities are corrected."""
    from .model_files import save_model

    with closing(Workspace.open(options.workspace)) as workspace, bar() as progress:
        saved = save_model(
            workspace, options.to, classifier=options.classifier, fmt=options.format, progress=progress
        )
    for message in saved.messages:
        say(message)
    say(f"The model {saved.version} is in {options.to}")
    say(f"  {saved.correction}")
