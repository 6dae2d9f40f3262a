"""How the HTTP API says no: problem details in JSON (RFC 9457)."""

import math
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import JSONResponse


@dataclass
class Problem(Exception):  # noqa: N818 -- it is an answer
    """An answer that is no success; `detail` is a sentence for the app's developer, without secrets."""

    status: int
    detail: str
    retry_after: float = 0.0
    login: bool = False

    def response(self) -> JSONResponse:
        """The answer as it is sent."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after:
            headers["Retry-After"] = str(math.ceil(self.retry_after))
        if self.login:
            headers["WWW-Authenticate"] = 'Basic realm="relay", charset="UTF-8"'
        told = {"status": self.status, "title": HTTPStatus(self.status).phrase, "detail": self.detail}
        return JSONResponse(told, self.status, headers, "application/problem+json")
