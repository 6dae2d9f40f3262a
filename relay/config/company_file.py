"""What a file in `companies/` says, and the `Company` that comes of it.

In charge of names, types, defaults and descriptions of the keys of one company. What depends on other files is
checked in `relay.config.checks`.
"""

import re
from typing import Annotated, Literal

from pydantic import Field

from relay.config.settings import Model
from relay.config.values import Alias, FilePath, Line, MailboxAddress, Port, SealableSecret, TargetHost
from relay.policy.company import Company, IdentityKind, Language, Otherwise
from relay.policy.company import Server as CompanyServer

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?", re.ASCII)


class Server(Model):
    """The company's own submission server."""

    host: TargetHost = Field(description="Name or IP address.")
    port: Port = Field(default=587, description="Port.")
    tls: Literal["starttls", "implicit"] = Field(
        default="starttls", description="How TLS begins; it is never left out."
    )
    username: Line = Field(description="Name of the account.")
    password: SealableSecret = Field(description="Where the account's password is kept.")
    ca: FilePath | None = Field(default=None, description="PEM file of authorities to trust besides the system's.")


class Outgoing(Model):
    """In whose name the company's mail goes out."""

    identity: Annotated[IdentityKind, Field(strict=False)] = Field(
        default=IdentityKind.ALIAS,
        description="alias: in the name of <alias>@<our domain>. own-domain: in its own name, from our servers. "
        "own-server: in its own name, through its own mail server.",
    )
    author: MailboxAddress | None = Field(
        default=None, alias="from", description="The From address in the company's own name. Default: `address`."
    )
    otherwise: Annotated[Otherwise, Field(strict=False)] = Field(
        default=Otherwise.ALIAS,
        description="While the identity would not be believed: alias (send as alias) or hold (wait).",
    )
    server: Server | None = Field(default=None, description="The company's own mail server, for own-server.")


class CompanyFile(Model):
    """Everything in companies/<slug>.yaml."""

    name: Line = Field(description="The company's name, as people know it.")
    address: MailboxAddress = Field(description="The company's own address: answers go there.")
    alias: Alias = Field(description="Local part of the company's address on our domain.")
    language: Annotated[Language, Field(strict=False)] | None = Field(
        default=None, description="Language of notices and pages. Left out: the relay's."
    )
    outgoing: Outgoing = Field(default=Outgoing(), description="In whose name mail goes out.")

    def company(self, slug: str) -> Company:
        """The company. An own server is there when the identity needs one (`relay.config.compiler` has checked it)."""
        outgoing = self.outgoing
        return Company(
            slug=slug,
            name=self.name,
            address=self.address,
            alias=self.alias,
            identity=outgoing.identity,
            author=outgoing.author or self.address,
            otherwise=outgoing.otherwise,
            server=None if outgoing.server is None else CompanyServer(**dict(outgoing.server)),
            language=self.language,
        )
