"""The review page: one detection after the other, judged by keyboard, the hardest first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fastapi import Request
from nicegui import ui
from nicegui.events import KeyEventArguments
from sqlalchemy.orm import Session

from edgeclip_dashboard import wording
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.identity import Identity, identity_of
from edgeclip_dashboard.overlays import Layers
from edgeclip_dashboard.pages import parts
from edgeclip_dashboard.pages.asked import Asked, asked_from
from edgeclip_dashboard.pages.cards import build_badges
from edgeclip_dashboard.pages.choices import Choices, read_choices
from edgeclip_dashboard.pages.context import PageContext
from edgeclip_dashboard.pages.filter_bar import FilterBar
from edgeclip_dashboard.pages.frame import page_frame
from edgeclip_dashboard.pages.snapshot import LayerSwitches, build_snapshot
from edgeclip_dashboard.pages.teach_links import teach_url
from edgeclip_dashboard.pages.verdict_buttons import TYPING, VerdictButtons, plain_key
from edgeclip_dashboard.queries import DetectionView
from edgeclip_dashboard.review import count_to_review, read_detection, read_review_ids
from edgeclip_dashboard.review_queue import ReviewQueue
from edgeclip_dashboard.surroundings import Surroundings, read_surroundings
from edgeclip_dashboard.verdicts import Said

UNREVIEWED: Final = DetectionFilter(reviewed="no", with_failures=False)
"""What is reviewed where the address asks for nothing else."""

_MOST = 500
_CSS = tuple(Path(__file__).with_name(name) for name in ("cards.css", "review.css"))
_HELP: Final = (
    ("r", "right"), ("w", "wrong: nothing of the kind is there"), ("o", "other species"),
    ("n or →", "next, without a verdict"), ("b or ←", "back"),
    ("s", "skip: comes again at the end"), ("h", "boxes and heat on and off"),
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A detection with what stands around it, and the snapshot that comes next, or nothing."""

    view: DetectionView
    around: Surroundings
    next_url: str


def add_review_page(context: PageContext) -> None:
    """Register the page at `/review`; its query is a filter."""

    @ui.page("/review")
    async def review(request: Request) -> None:
        asked = asked_from(request.query_params, UNREVIEWED, zone=context.zone)
        choices = await asyncio.to_thread(read_choices, context.engine)
        with page_frame(context, identity_of(request.scope), "Review", css=_CSS):
            page = ReviewPage(context, identity_of(request.scope), asked, choices)
            await page.begin()


class ReviewPage:
    """One person's way through what is to be reviewed."""

    def __init__(
        self, context: PageContext, identity: Identity, asked: Asked, choices: Choices
    ) -> None:
        self._context = context
        self._asked = asked
        self._queue = ReviewQueue(())
        self._shown: Shown | None = None
        if asked.problem:
            ui.label(asked.problem).classes("problem").props("role=alert")
        with ui.element("div").classes("tools"):
            FilterBar(
                asked.shown, choices, self._on_filter, base=UNREVIEWED, zone=self._context.zone
            )
            self._switches = LayerSwitches(asked.layers, self._on_layers)
        self._through = ui.element("div").classes("empty")
        self._through.set_visibility(False)
        with self._through:
            self._done = ui.label("").props("role=status")
            parts.link("Look at the newest detections", "/").classes("action")
            parts.link("Look for more", "/review").classes("action")
        self._work = ui.element("div").classes("review")
        with self._work:
            self._picture = ui.element("div").classes("snapshot large")
            with ui.element("section").classes("panel").props('aria-label="Detection"'):
                self._progress = ui.label("").classes("quiet").props("role=status")
                self._facts = ui.element("div").classes("facts")
                self._verdicts = VerdictButtons(
                    context, identity, choices.species, self._on_given, self._show
                )
                self._build_steps()
        self._lock = asyncio.Lock()
        self._ahead = ui.element("div").props("aria-hidden=true").classes("hidden-text")
        ui.keyboard(self._on_key, ignore=TYPING, repeating=False)

    async def begin(self) -> None:
        """Ask anew for what is to be reviewed, and show the first."""
        ids, self._count = await asyncio.to_thread(self._read_queue)
        self._queue = ReviewQueue(ids)
        await self._show()

    def _build_steps(self) -> None:
        with ui.element("div").classes("actions steps").props('role=group aria-label="Steps"'):
            for key, title in (("b", "Back"), ("n", "Next"), ("s", "Skip")):
                button = ui.element("button").classes("action").props("type=button")
                button.props["aria-keyshortcuts"] = key
                button.on("click", lambda key=key: self._step(key))
                with button:
                    ui.label(title)
                    with ui.element("kbd"):
                        ui.label(key)
        with ui.element("details").classes("keys"):
            with ui.element("summary"):
                ui.label("Keys")
            parts.facts(_HELP)

    async def _on_key(self, event: KeyEventArguments) -> None:
        key = plain_key(event)
        if key == "h":
            self._switches.toggle()
        else:
            await self._step({"arrowleft": "b", "arrowright": "n"}.get(key, key))

    async def _step(self, key: str) -> None:
        step = {"b": self._queue.back, "n": self._queue.next, "s": self._queue.skip}.get(key)
        if step is not None:
            step()
            await self._show()

    async def _on_given(self, detection_id: str, said: Said) -> None:
        self._queue.judged(detection_id, said)
        await self._show()

    async def _show(self) -> None:
        """Show the detection at hand; what others judged meanwhile is passed over."""
        self._verdicts.ask("")  # a key that comes meanwhile is not meant for what went
        async with self._lock:
            self._shown = None
            while self._shown is None and self._queue.current is not None:
                found = await asyncio.to_thread(self._read, self._queue.current)
                if found is None or self._is_done_by_others(found.view):
                    self._queue.drop()
                else:
                    self._shown = found
            self._render()

    def _is_done_by_others(self, view: DetectionView) -> bool:
        is_open = self._asked.shown.reviewed == "no" and view.verdict is not None
        return is_open and view.detection_id not in self._queue.given

    def _read_queue(self) -> tuple[tuple[str, ...], int]:
        with Session(self._context.engine) as session:
            shown = self._asked.shown
            return read_review_ids(session, shown, _MOST), count_to_review(session, shown)

    def _read(self, detection_id: str) -> Shown | None:
        with Session(self._context.engine) as session:
            view = read_detection(session, detection_id)
            if view is None:
                return None
            following = self._queue.following
            ahead = read_detection(session, following) if following else None
            next_url = ahead.media[0].url if ahead and ahead.media else ""
            return Shown(
                view, read_surroundings(session, [view.device_id], self._context.zone), next_url
            )

    def _render(self) -> None:
        shown = self._shown
        self._picture.clear()
        self._facts.clear()
        self._progress.set_text(self._queue.progress(self._count))
        self._work.set_visibility(shown is not None)
        self._through.set_visibility(shown is None)
        if shown is None:
            self._done.set_text(_done(self._asked.shown, len(self._queue.given)))
            return
        self._verdicts.ask(shown.view.detection_id, shown.view.rev)
        self._ahead.clear()
        with self._ahead:
            if shown.next_url:
                ui.element("img").props["src"] = shown.next_url
        with self._picture:
            build_snapshot(shown.view, self._asked.layers, shown.around.places)
        with self._facts:
            _build_facts(shown, self._queue.given.get(shown.view.detection_id))

    def _on_layers(self, layers: Layers) -> None:
        self._asked = replace(self._asked, layers=layers)
        self._note_address()
        self._render()

    async def _on_filter(self, shown: DetectionFilter) -> None:
        self._asked = replace(self._asked, shown=shown, problem="")
        self._note_address()
        await self.begin()

    def _note_address(self) -> None:
        ui.navigate.history.replace(f"?{self._asked.query(UNREVIEWED)}")


def _done(asked: DetectionFilter, judged: int) -> str:
    """Return why nothing is shown."""
    said = f"You have judged {wording.amount(judged, 'detection')}. " if judged else ""
    where = "" if asked == UNREVIEWED else " that matches this filter"
    return f"{said}Nothing{where} is left to review."


def _build_facts(shown: Shown, said: Said | None) -> None:
    view = shown.view
    with ui.element("div").classes("badges"):
        build_badges(view)
    with ui.element("div").classes("headline"):
        with ui.element("h2").classes("species"):
            ui.label(wording.title(view))
        ui.label(wording.percent(view.probability)).classes("probability")
    if view.scientific_name:
        ui.label(view.scientific_name).classes("scientific")
    pairs = [
        ("threshold", wording.percent(view.threshold)),
        ("frames", wording.votes(view)),
        ("place", wording.place(view, shown.around.places)),
        ("when", wording.local(view.occurred_at, shown.around.zone_at(view.deployment_id))),
        ("pack", view.pack),
        ("you said", said.word if said else ""),
    ]
    parts.facts((name, value) for name, value in pairs if value)
    parts.link("All of this detection", f"/detections/{view.detection_id}")
    parts.link("Teach this", teach_url(view.detection_id))
