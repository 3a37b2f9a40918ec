"""The audit campaign of a workspace: its questions and answers while it is under way, and how it ends."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np

from ..data.campaigns import CampaignItem, CampaignRecord
from ..data.errors import InputError
from ..data.events import LATER
from ..data.workspace import Workspace
from ..version import __version__
from . import certificates
from .frozen import Drawing, Progress
from .queue import Queued
from .reasons import CAMPAIGN
from .tasks import Tasks
from .worker import RoundTask

log = logging.getLogger(__name__)

UNJUDGED, PUT_OFF, OPEN = -1, -2, -3
MOST_QUEUED = 50
SEED_OF = 7_001  # sets the seeds of campaigns apart from those of rounds and audits


@dataclass(frozen=True)
class Hooks:
    """What a campaign needs of its session; all but `worker` are called in the writer thread.

    `task` is what the next round would get; `changed` shows queue and status anew; `ended` goes on with rounds,
    given the items that the campaign has reached; `failed` takes a sentence for the user.
    """

    worker: Callable[[], Tasks]
    task: Callable[[], RoundTask]
    changed: Callable[[], None]
    ended: Callable[[Sequence[str]], None]
    failed: Callable[[str], None]


class Campaigner:
    """The campaign under way in one session, if there is one.

    Attributes
    ----------
    record
        The campaign under way, or None.
    is_beginning
        Whether one is being drawn, so that the model must stay as it is.
    """

    def __init__(self, workspace: Workspace, writer: Executor, hooks: Hooks) -> None:
        self.workspace = workspace
        self.record: CampaignRecord | None = None
        self.is_beginning = False
        self._writer, self._hooks = writer, hooks
        self._rows: dict[str, int] = {}
        self._counted: tuple[int, list[int]] = (0, [])  # campaign and answers that a certificate is being made of

    @property
    def is_under_way(self) -> bool:
        """Whether the model is frozen."""
        return self.is_beginning or self.record is not None

    def restore(self) -> None:
        """Go on where the campaign was left."""
        self._take(self.workspace.campaigns.under_way())

    def _take(self, record: CampaignRecord | None) -> None:
        self.record = record
        self._rows = {}
        if record is not None:
            texts = [item.item_id for item in record.items]
            self._rows = dict(zip(texts, self.workspace.ids.find(texts).tolist(), strict=True))

    # ---- how it begins ---------------------------------------------------------------------------

    def plan(self, sizes: Sequence[int], progress: Progress | None = None) -> Future[dict[str, Any]]:
        """What campaigns of several sizes can be expected to tell, see `frozen.Frame.plan`.

        Returns
        -------
        Future
            Fails with `InputError` when one is under way, there is no model, no class is looked for, or nothing
            is left.
        """
        return in_turn(self._writer, lambda: self._plan(sizes, progress))

    def _plan(self, sizes: Sequence[int], progress: Progress | None) -> Future[Any]:
        self._check_free()
        return self._submit("plan_campaign", self._hooks.task(), self._names, list(sizes), progress=progress)

    def begin(self, n: int, progress: Progress | None = None) -> Future[dict[str, Any]]:
        """Freeze the model, and ask n questions drawn at random from what the learner has not reached.

        Returns
        -------
        Future
            The status. Fails with `InputError` as `plan` does, and when there are fewer items than n.
        """
        return in_turn(self._writer, lambda: self._draw(n, progress), self._drawn)

    def _draw(self, n: int, progress: Progress | None) -> Future[Any]:
        self._check_free()
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise InputError(f"{n!r} is no number of questions: a campaign has 1 at least")
        session_seed = int(self.workspace.settings.get("seed", 0))
        number = len(self.workspace.campaigns.records()) + 1
        seed = int(np.random.SeedSequence((session_seed, SEED_OF, number)).generate_state(1)[0])
        task = self._hooks.task()
        drawing = self._submit("draw_campaign", task, self._names, n, seed, progress=progress)
        self.is_beginning = True  # from here on the model stays as it is
        drawing.add_done_callback(self._give_up_on_error)
        return drawing

    def _give_up_on_error(self, drawing: Future[Any]) -> None:
        if drawing.exception() is not None:
            self.is_beginning = False
            self._later(lambda: self._hooks.ended(()))

    def _drawn(self, drawn: tuple[Drawing, dict[str, Any]]) -> dict[str, Any]:
        """Record what was drawn; its questions are the queue from now on."""
        drawing, model = drawn
        workspace = self.workspace
        texts = workspace.ids.texts(drawing.rows)
        items = [
            CampaignItem(text, int(stratum), float(probability))
            for text, stratum, probability in zip(texts, drawing.strata, drawing.inclusion, strict=True)
        ]
        table = {"name": workspace.source.name, "sha256": workspace.fingerprint.sha256}
        try:
            self._take(workspace.campaigns.begin(model | drawing.facts | {"table": table}, items))
        finally:
            self.is_beginning = False
        self.follow()
        return self.status()

    def _check_free(self) -> None:
        if self.record is not None:
            raise InputError(f"campaign {self.record.number} is under way: answer its questions, or end it first")
        if self.is_beginning:
            raise InputError("a campaign is being drawn: wait until it has begun")

    @property
    def _names(self) -> list[str]:
        return list(self.workspace.taxonomy.names)

    def _submit(self, task: str, *arguments: Any, progress: Progress | None = None) -> Future[Any]:
        return self._hooks.worker().submit(task, *arguments, progress=progress)

    def _later(self, work: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the session is closed
            self._writer.submit(work)

    # ---- questions and answers -------------------------------------------------------------------

    def answers(self) -> list[int]:
        """The answer in force to each question: a class index, or `UNJUDGED`, `PUT_OFF`, `OPEN`.

        It does not matter who asked: the answer of an item that the audit had sealed counts as well.
        """
        if self.record is None:
            return []
        state = self.workspace.log.state()
        place = self.workspace.taxonomy.places
        answers = []
        for item in self.record.items:
            known = state.items.get(item.item_id)
            if known is None:
                answers.append(OPEN)
            elif known.status in LATER:
                answers.append(PUT_OFF)
            else:
                answers.append(place[str(known.label)] if known.status == "labelled" else UNJUDGED)
        return answers

    @property
    def is_complete(self) -> bool:
        """Whether every question has its answer."""
        return self.record is not None and all(answer >= UNJUDGED for answer in self.answers())

    def queue(self) -> tuple[Queued, ...]:
        """The next questions in their order; what was put off comes last, the one put off first before others."""
        if self.record is None:
            return ()
        state, items, design = self.workspace.log.state(), self.record.items, self.record.design
        answers = self.answers()
        places = [i for i, answer in enumerate(answers) if answer == OPEN]
        put_off = [i for i, answer in enumerate(answers) if answer == PUT_OFF]
        places += sorted(put_off, key=lambda i: state.items[items[i].item_id].event.seq)
        places = [i for i in places if self._rows[items[i].item_id] >= 0][:MOST_QUEUED]
        return tuple(
            Queued(
                row=self._rows[items[i].item_id],
                round=int(design["round"]),
                strategy=CAMPAIGN,
                rank=i,
                n_labels=int(design["n_labels"]),
                probability=items[i].probability,
                selection="random",
            )
            for i in places
        )

    def status(self) -> dict[str, Any]:
        """How far the campaign has got, JSON-able; empty when none is under way.

        ``seconds`` is the median time for one of its answers so far, None before there is one.
        """
        if self.record is None:
            return {}
        answers, names = self.answers(), self._names
        times = [event.dwell_ms for event in self._events() if event.dwell_ms]
        return {
            "number": self.record.number,
            "n": len(answers),
            "n_answered": sum(answer >= UNJUDGED for answer in answers),
            "n_put_off": answers.count(PUT_OFF),
            "classes": [names[c] for c in self.record.design["strata"]["wanted"]],
            "started_at": self.record.started_at.isoformat(),
            "round": self.record.design["round"],
            "seconds": median(times) / 1000 if times else None,
        }

    def _events(self) -> list[Any]:
        """The events that decided the answers which the campaign itself has got."""
        state = self.workspace.log.state()
        known = (state.items.get(item.item_id) for item in (self.record.items if self.record else ()))
        return [item.event for item in known if item is not None and item.event.strategy == CAMPAIGN]

    # ---- how it ends -----------------------------------------------------------------------------

    def follow(self) -> None:
        """Show the next questions after a change; after the last one comes the certificate."""
        self._hooks.changed()
        self.finish_if_over()

    def finish_if_over(self) -> None:
        """End the campaign when every question has its answer, or its table is another one now."""
        if self.record is None:
            return
        if self.is_complete or self.record.design["n_items"] != self.workspace.table.n_rows:
            self.end().add_done_callback(self._ended)

    def _ended(self, done: Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            log.error("a campaign could not be ended: %s", error)
            text = f"the certificate could not be made ({error}); answers are kept: end the campaign once more"
            self._later(lambda: self._hooks.failed(text))

    def end(self) -> Future[dict[str, Any] | None]:
        """Close the campaign with the answers so far.

        Returns
        -------
        Future
            The certificate; None when no answer counts, or when one was changed while it was made, so that the
            campaign goes on. Fails with `InputError` when none is under way.
        """
        return in_turn(self._writer, self._certify, self._close)

    def counted(self) -> list[int]:
        """The answers that count: those before the first question that has none; what was put off is unjudged.

        Answers given out of order say nothing by themselves: somebody chose to give them.
        """
        answers = self.answers()
        n = answers.index(OPEN) if OPEN in answers else len(answers)
        return [max(answer, UNJUDGED) for answer in answers[:n]]

    def _certify(self) -> Any:
        if self.record is None:
            raise InputError("no campaign is under way")
        counted = self.counted()
        self._counted = self.record.number, counted
        if not counted:
            return None
        strata = [item.stratum for item in self.record.items]
        return self._submit("certify", self.record.design, strata, counted, self._names, self._facts(len(counted)))

    def _close(self, certificate: dict[str, Any] | None) -> dict[str, Any] | None:
        """Keep the certificate, files first; an answer that was changed meanwhile keeps the campaign open."""
        record, (number, counted) = self.record, self._counted
        if record is None or record.number != number:  # ended twice
            return certificate
        if counted != self.counted():
            self.follow()
            return None
        if certificate is not None:
            certificates.keep(self.workspace.folder, record.number, certificate)
        is_whole = self.is_complete
        self.workspace.campaigns.end(record.number, "done" if is_whole else "stopped", certificate)
        self._take(None)
        self._hooks.ended([item.item_id for item in record.items[: len(counted)]])
        return certificate

    def _facts(self, n: int) -> dict[str, Any]:
        """What a certificate says of the model, the table and the answers; n of these count."""
        record, state = self.record, self.workspace.log.state()
        if record is None:
            return {}
        design = record.design
        settings = design["settings"]
        events = [state.items[item.item_id].event for item in record.items[:n] if item.item_id in state.items]
        elsewhere = sum(event.strategy != CAMPAIGN for event in events)
        number = design["round"]
        return {
            "Table": design["table"]["name"],
            "SHA-256 of the table": design["table"]["sha256"],
            "Campaign": record.number,
            "Began": f"{record.started_at:%Y-%m-%d %H:%M} UTC",
            "Ended": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "Model": f"{settings['classifier']}, {f'round {number}' if number else 'fitted for the campaign'}, "
            f"on {design['n_labels']:,} labels",
            "Correction of the probabilities": design["correction"],
            **{f"Threshold of '{name}'": _words(t) for name, t in design["thresholds"].items()},
            "Annotators": ", ".join(sorted({event.annotator for event in events})) or "none",
            "Answers that were known before": elsewhere,
            "Questions put off, counted as not judged": self.answers()[:n].count(PUT_OFF),
            "rareloop": __version__,
        }


def _words(threshold: dict[str, Any]) -> str:
    value, source = threshold["value"], threshold["source"]
    return str(source) if value is None else f"{value:.4g} ({source})"


# ---- work in steps ----------------------------------------------------------------------------------


def in_turn(executor: Executor, *steps: Callable[..., Any]) -> Future[Any]:
    """Do steps one after another in a thread; what each returns goes to the next.

    Where a step returns a future, the thread does other things until that is done. The result is that of the
    last step, or the first error.
    """
    result: Future[Any] = Future()

    def step(index: int, *values: Any) -> None:
        try:
            value = steps[index](*values)
        except BaseException as error:
            result.set_exception(error)
            return
        if isinstance(value, Future):
            value.add_done_callback(lambda done: follow(index, done))
        else:
            go_on(index, value)

    def follow(index: int, done: Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            result.set_exception(error)
        else:
            go_on(index, done.result())

    def go_on(index: int, value: Any) -> None:
        if index + 1 == len(steps):
            result.set_result(value)
            return
        try:
            executor.submit(step, index + 1, value)
        except RuntimeError as error:  # closed meanwhile
            result.set_exception(error)

    executor.submit(step, 0)
    return result
