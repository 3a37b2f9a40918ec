"""The Audit tab: the sealed audit in words, campaigns, and their certificates."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from ...data.errors import InputError
from ...data.events import STEPS
from ..audits import AuditFacts, facts_of
from ..page import Page
from ..reasons import AUDIT
from ..session import Commit, LabellingSession
from .campaign import CampaignPart, CertificatePart, Confirm
from .halves import halves
from .marks import SMALL, mark, on_ground

PARTS = ("Sealed audit", "Campaign", "Certificates")
TABLE = "border-spacing:12px 2px;margin-left:-12px;font-variant-numeric:tabular-nums"
RELEASE = (
    "All sealed answers are released to training, and a new audit begins from nothing with other items. The "
    "estimates so far stay in the log with their date. This cannot be taken back."
)


NO_AUDIT = "<p>There is no sealed audit. Set a share above 0, and the next round begins one.</p>"
FIRST_WORDS = (
    "The sealed audit asks about items drawn by lot, now and then, without a hint. No model learns from its "
    "answers: they measure the models. It has no answer yet."
)


class AuditView(pn.viewable.Viewer):
    """Three parts, one shown at a time: what the sealed audit has, the campaign, and certificates."""

    title = "Audit"

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.session: LabellingSession = page.session
        self.part = pmui.RadioButtonGroup(
            label="Part of the audit",
            options=list(PARTS),
            value=PARTS[0],
            size="small",
            margin=(4, 10, 0, 10),
            stylesheets=["label { display: none; }"],  # still its name for a screen reader
            sx={
                "& .MuiToggleButton-root": {"whiteSpace": "nowrap", "padding": "2px 12px"},
            },
        )
        self.words = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10), styles=SMALL)
        self.table = pn.pane.HTML("", margin=(12, 20, 0, 10), styles=SMALL)
        self.share = pmui.FloatInput(
            label="Audit share (0 to 1)", value=self.session.settings.audit_share, start=0, end=1, step=0.05,
            size="small", width=150,
        )  # fmt: skip
        self.unseal = Confirm("Unseal", RELEASE, "Release the answers", "Keep them sealed", self._unseal)
        self.campaign = CampaignPart(page)
        self.certificates = CertificatePart(page)
        self._is_reading = False
        self._read_again = False
        self.share.param.watch(lambda event: self._change_share(event.new), "value")
        page.react(self._refresh, "dark")
        page.watch(self.session, self._refresh, "report", "taxonomy_revision")
        page.watch(self.session, self._on_commit, "committed")
        page.watch(self.session, self._on_campaign, "campaign")
        self._campaign_number = self.session.campaign.get("number")
        self._refresh()

    def __panel__(self) -> pn.viewable.Viewable:
        left = pmui.Column(
            self.words,
            pmui.Row(self.share, self.unseal.button, sizing_mode="stretch_width"),
            self.unseal.question,
            sizing_mode="stretch_width",
            margin=0,
        )
        sealed = halves(left, self.table, least=(300, 300), lowest=None)
        parts = dict(zip(PARTS, (sealed, self.campaign.body, self.certificates.body), strict=True))

        def show(chosen: str) -> None:
            for name, body in parts.items():
                body.visible = name == chosen

        self.part.param.watch(lambda event: show(event.new), "value")
        show(self.part.value)
        return pmui.Column(
            self.part,
            *parts.values(),
            sizing_mode="stretch_both",
            styles={"overflow-y": "auto", "min-height": "0", "height": "100%"},
        )

    # ---- the sealed audit ------------------------------------------------------------------------

    def _on_commit(self) -> None:
        commit: Commit = self.session.committed
        if any(event.strategy == AUDIT or event.action in STEPS for event in commit.events):
            self._refresh()

    def _refresh(self) -> None:
        """Count anew, in a thread: never more than one count under way, and the newest one wins."""
        if self._is_reading:
            self._read_again = True
            return
        self._is_reading, self._read_again = True, False
        self.page.in_background(self._read, self._describe)

    def _read(self) -> AuditFacts | Exception | None:
        try:
            workspace = self.session.workspace
            return facts_of(workspace, workspace.log.snapshot(), self.session.auditor.audit)
        except Exception as error:
            return error

    def _describe(self, facts: AuditFacts | Exception | None) -> None:
        self._is_reading = False
        share = self.session.settings.audit_share
        if self.share.value != share:
            self.share.value = share
        if isinstance(facts, Exception):
            self.page.complain(facts)
        else:
            self.unseal.button.disabled = facts is None or not facts.n_answered
            words = NO_AUDIT if facts is None else self._sentences(facts)
            self.words.object = f"<div data-testid='sealed-audit'>{words}</div>"
            self.table.object = "" if facts is None else self._table(facts)
        if self._read_again:
            self._refresh()

    def _sentences(self, facts: AuditFacts) -> str:
        if not facts.n_answered:
            return f"<p>{FIRST_WORDS}</p>{_late_words(self._late())}"
        n, report = facts.n_answered, self.session.report.get("audit") or {}
        parts = [
            f"<b>{counted(n, 'item')}</b> drawn by lot {'has' if n == 1 else 'have'} been answered since "
            f"{facts.sealed_since:%Y-%m-%d}. No model learns from these answers."
        ]
        if report.get("n_in_sample") is not None:
            parts.append(f"The newest round measured on {report['n_in_sample']:,} of them.")
        if facts.n_unjudged:
            words = "counts as a member" if facts.n_unjudged == 1 else "count as members"
            parts.append(f"{counted(facts.n_unjudged, 'item')} could not be judged and {words} of no class.")
        if facts.n_put_off:
            parts.append(f"{counted(facts.n_put_off, 'question')} {_is(facts.n_put_off)} put off.")
        if facts.n_differing:
            has = "has" if facts.n_differing == 1 else "have"
            parts.append(
                f"<b>{counted(facts.n_differing, 'item')} {has} answers by two annotators that differ</b>: look "
                "again."
            )
        return f"<p>{' '.join(parts)}</p>{self._asked_for(facts)}{_late_words(self._late())}"

    def _late(self) -> dict[str, int]:
        names = self.session.workspace.taxonomy.names
        return {names[c]: n for c, n in late_classes(self.session.reports, len(names)).items()}

    def _asked_for(self, facts: AuditFacts) -> str:
        """How much of what the audit had drawn the strategies have asked for since: a free check of theirs."""
        lines = []
        for name in (c.name for c in self.session.workspace.taxonomy if c.wanted):
            n, n_asked = facts.members.get(name, 0), facts.asked_for.get(name, 0)
            if n:
                members = "the one member" if n == 1 else f"the {n:,} members"
                verb = "not asked for" if not n_asked else "asked for" if n == 1 else f"asked for {n_asked:,} of"
                of = f"of '{escape(name)}' that the audit had drawn"
                lines.append(f"<p>The strategies have since {verb} {members} {of}.</p>")
        return "".join(lines)

    def _table(self, facts: AuditFacts) -> str:
        if not facts.n_answered:
            return ""
        classes = sorted(self.session.workspace.taxonomy.shown, key=lambda entry: not entry[1].wanted)
        dark = self.page.dark
        rows = [
            "<tr><th scope='row' style='text-align:left;font-weight:500'><span aria-hidden='true' "
            f"style='color:{escape(on_ground(c.colour, dark))}'>{mark(place).character}</span> {escape(c.name)}"
            f"{' <small>looked for</small>' if c.wanted else ''}</th>"
            f"<td style='text-align:right'>{facts.members.get(c.name, 0):,}</td>"
            f"<td style='text-align:right'>{facts.asked_for.get(c.name, 0):,}</td></tr>"
            for place, c in classes
            if c.wanted or facts.members.get(c.name)
        ]
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("Class", "Audited", "Asked for since"))
        return (
            f"<table data-testid='audited' style='{TABLE}'><thead><tr style='text-align:left'>{head}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>"
        )

    def _change_share(self, share: float | None) -> None:
        if share is None or share == self.session.settings.audit_share:
            return
        try:
            self.session.update_settings(audit_share=share)
        except InputError as error:
            self.page.complain(error)

    def _unseal(self) -> None:
        def done(_: Any) -> None:
            self.page.tell("The sealed answers are released, and a new audit has begun.")
            self._refresh()

        self.page.deliver(self.session.unseal(), done)

    # ---- campaigns -------------------------------------------------------------------------------

    def _on_campaign(self) -> None:
        """Show the campaign, and its certificate once it has ended."""
        ended = self._campaign_number if not self.session.campaign else None
        self._campaign_number = self.session.campaign.get("number")
        self.campaign.show()
        if ended is not None:
            self._refresh()
            self.certificates.load(self._show_certificate(ended))

    def _show_certificate(self, number: int) -> Any:
        def then(numbers: list[int]) -> None:
            if number not in numbers:
                self.page.tell(f"Campaign {number} has ended without an answer: there is no certificate.")
                return
            self.page.tell(f"The certificate of campaign {number} is ready, in the Audit tab.")
            if self.part.value == PARTS[1]:
                self.part.value = PARTS[2]

        return then


def counted(n: int, noun: str) -> str:
    """A number with its noun."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _late_words(late: dict[str, int]) -> str:
    return "".join(
        f"<p>The class '{escape(name)}' was added after {counted(n, 'answer')} or more that could not name it.</p>"
        for name, n in late.items()
    )


def late_classes(reports: list[dict[str, Any]], n_classes: int) -> dict[int, int]:
    """Classes that were added during the audit, and how many of its answers at least came before.

    An audit that began anew has fewer answers than the report before said: what was before does not count.
    """
    late: dict[int, int] = {}
    newest = 0
    for report in reports:
        n = (report.get("audit") or {}).get("n_answered", 0)
        if n < newest:
            late.clear()
        newest = n
        known = len(report.get("class_prior") or ()) or n_classes
        if n:
            late.update(dict.fromkeys(range(known, n_classes), n))
    return late
