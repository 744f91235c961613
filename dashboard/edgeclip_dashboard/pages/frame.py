"""What every page has around it: header, menu by role, theme, and where the link stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import HTTPException
from nicegui import ui

from edgeclip_dashboard import wording
from edgeclip_dashboard.identity import Identity, Role
from edgeclip_dashboard.pages.context import THEMES, PageContext
from edgeclip_dashboard.pages.navigation import NAVIGATION, line_of

_CSS = Path(__file__).with_name("frame.css")
_GREEN = "#2f6b4f"  # of controls; `--routine` in frame.css
THEME_COOKIE = "edgeclip-theme"
_OTHER_THEME = """() => {
    const dark = !document.body.classList.contains("body--dark");
    document.cookie = `%s=${dark ? "dark" : "light"}; path=/; max-age=31536000; SameSite=Lax`;
    emit(dark);
}"""
_OPEN_OR_CLOSE = """event => {
    const isOpen = document.getElementById("menu").classList.toggle("open");
    event.currentTarget.setAttribute("aria-expanded", String(isOpen));
}"""

# A page that has lost its socket tries for ever; where it has lost its session, it has to sign in.
_SIGN_IN_AGAIN = """<script>
    setInterval(async () => {
        if (document.getElementById("popup")?.ariaHidden !== "false") return;
        const answer = await fetch("/account", { redirect: "manual" }).catch(() => null);
        if (answer?.type === "opaqueredirect") location.reload();
    }, 3000);
</script>"""


class Frame:
    """The parts of a page's frame that pages add to.

    Attributes:
        account: Who is signed in, at the end of the header; for what belongs to the account.
        main: The page's own content.
    """

    def __init__(
        self, context: PageContext, identity: Identity, title: str, css: Path | tuple[Path, ...]
    ) -> None:
        self._context = context
        self._client = ui.context.client
        ui.page_title(f"{title} · edgeclip · {context.settings.project}")
        ui.colors(primary=_GREEN)
        for file in (_CSS, *((css,) if isinstance(css, Path) else css)):
            ui.add_css(file)
        ui.add_head_html(_SIGN_IN_AGAIN)
        skip = ui.element("a").classes("skip").props("href=#main")
        with skip:
            ui.label("To the content")
        with ui.element("header").classes("top"):
            self._build_header(identity)
        self.main = ui.element("main").classes("page").props("id=main tabindex=-1")
        with self.main, ui.element("h1").classes("title"):
            ui.label(title)
        self._show_link()
        self._client.on_delete(context.feed.listen(self._follow))

    def _build_header(self, identity: Identity) -> None:
        with ui.element("a").classes("brand").props("href=/"):
            ui.label("edgeclip")
            ui.label(self._context.settings.project).classes("project")
        dark = ui.dark_mode(self._theme())
        theme = _icon_button("contrast", "Switch between light and dark").classes("theme")
        handler = _OTHER_THEME % THEME_COOKIE
        theme.on("click", lambda event: dark.set_value(event.args is True), js_handler=handler)
        opener = _icon_button("menu", "Menu").classes("opener")
        opener.props("aria-expanded=false aria-controls=menu")
        opener.on("click", js_handler=_OPEN_OR_CLOSE)
        with ui.element("nav").classes("menu").props('id=menu aria-label="Pages"'):
            self._build_menu(identity)
        self.account = ui.element("div").classes("account")
        with self.account, ui.element("a").classes("name").props("href=/account") as link:
            link.props["aria-label"] = f"Your account: {identity.name}, {identity.role}"
            ui.label(identity.name)
        self._link = ui.label("").props("role=status")

    def _theme(self) -> bool | None:
        """Return what this browser chose on an earlier page, else what the configuration says."""
        chosen = self._client.request.cookies.get(THEME_COOKIE, "")
        return THEMES.get(chosen, self._context.dark)

    def _build_menu(self, identity: Identity) -> None:
        current = line_of(self._client.page.path)
        for entry in NAVIGATION:
            if entry.under or not identity.may(entry.role):
                continue
            link = ui.element("a")
            link.props["href"] = entry.path
            if entry.path == current:
                link.props["aria-current"] = "page"
            with link:
                ui.icon(entry.icon, size="1.2rem").props("aria-hidden=true")
                ui.label(entry.title)

    def _follow(self) -> bool:
        """Show link and store as they are now; a frame alone shows no detection to anybody."""
        with self._client:
            self._show_link()
        return False

    def _show_link(self) -> None:
        health = self._context.health
        text, kind = wording.link(health.link), health.link.name
        if health.store_error:
            text, kind = "What arrives cannot be stored: an admin is needed", "stopped"
        self._link.set_text(text)
        self._link.classes(replace=f"link {kind}")


@contextmanager
def page_frame(
    context: PageContext, identity: Identity, title: str, *, css: Path | tuple[Path, ...] = ()
) -> Iterator[Frame]:
    """Build a page's frame and enter its content; call it first in a page.

    Args:
        context: The running dashboard.
        identity: Who looks; the menu shows what they may.
        title: The page's only `h1`, and its tab's name.
        css: The page's own rules, in one file or several, beside those of `frame.css`.
    """
    frame = Frame(context, identity, title, css)
    with frame.main:
        yield frame


def require(identity: Identity, role: Role) -> None:
    """Refuse a page to whom it is not for; call it before anything is read.

    Raises:
        HTTPException: 403.
    """
    if not identity.may(role):
        raise HTTPException(403, f"this page is for the role {role}: ask an admin")


def _icon_button(icon: str, name: str) -> ui.button:
    button = ui.button(icon=icon, color=None).props("flat round dense")
    button.props["aria-label"] = name
    return button
