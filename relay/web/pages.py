"""Pages for people: one plain layout, without scripts, without anything from elsewhere.

In charge of what every page promises: it is not kept, not framed, tells no other site where it was, and runs nothing.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import HTMLResponse

from relay.policy.company import Language
from relay.wording import Wording

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Form:
    """A button, and before it a field when it has a label. `do` tells apart the buttons of one page."""

    button: str
    do: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says. `alert` is what went wrong, `mark` whether all is well (a tick is shown)."""

    language: Language
    title: str
    paragraphs: tuple[str, ...]
    form: Form | None = None
    alert: str = ""
    mark: bool = False


class Pages:
    """Makes pages in the name of one relay."""

    def __init__(self) -> None:
        self._wording = Wording(_TEMPLATES, pages=True)
        style = self._wording.fill("style.css.j2", {})
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._headers = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "X-Robots-Tag": "noindex, nofollow",
            "Cross-Origin-Opener-Policy": "same-origin",
        }

    def show(self, page: Page, *, relay: str, status: int = 200, retry_after: int = 0) -> HTMLResponse:
        """The page as it is sent; `relay` is how the relay calls itself."""
        text = self._wording.fill("page.html.j2", {"page": page, "relay": relay})
        headers = self._headers | ({"Retry-After": str(retry_after)} if retry_after else {})
        return HTMLResponse(text, status, headers | {"Content-Language": page.language.value})
