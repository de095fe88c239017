"""What the public learns of a certificate by its number: enough to find a changed paper out, and no more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from volunteer_api.accounts.service import masked_name
from volunteer_api.certificates import service
from volunteer_api.certificates.words import PAGE_CHINESE, PAGE_ENGLISH, duration
from volunteer_api.core import clock, texts
from volunteer_api.core.downloads import HTML, Download

_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True)
class Verification:
    """The answer for a number; of an unknown one, only that."""

    state: str
    number: str | None = None
    masked_name: str | None = None
    credited_minutes: int | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    issuer: str | None = None
    issued_on: date | None = None
    revoked_on: date | None = None
    revocation: str | None = None
    sealed_on: date | None = None
    root: str | None = None


def verify(number: str) -> Verification:
    """What is known of a number, however it was typed. One statement, found or not."""
    certificate = service.find(number)
    if certificate is None:
        return Verification("unknown")
    revoked_at = certificate.revoked_at
    return Verification(
        state="valid" if revoked_at is None else "revoked",
        number=service.spoken(certificate.number),
        masked_name=masked_name(certificate.name) if certificate.name is not None else None,
        credited_minutes=certificate.minutes,
        starts_on=certificate.starts_on,
        ends_on=certificate.ends_on,
        issuer=certificate.organization_name,
        issued_on=clock.local_date(certificate.created_at),
        revoked_on=clock.local_date(revoked_at) if revoked_at is not None else None,
        revocation=certificate.revocation,
        sealed_on=certificate.sealed_on,
        root=certificate.root.hex() if certificate.root is not None else None,
    )


def verification_page(found: Verification) -> Download:
    """The same as a page, in the reader's language; inert, and kept nowhere."""
    language = texts.language()
    words: Mapping[str, str] = PAGE_CHINESE if language == "zh-CN" else PAGE_ENGLISH
    hours = duration(found.credited_minutes, language) if found.credited_minutes is not None else ""
    # In groups, as on the paper: they are compared by eye.
    root = bytes.fromhex(found.root).hex(" ", 4) if found.root is not None else ""
    template = _pages.get_template("verification.html")
    page = template.render(language=language, words=words, found=found, hours=hours, root=root)
    return Download(page.encode(), HTML)
