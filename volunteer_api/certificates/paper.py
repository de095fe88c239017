"""A certificate on paper: what was frozen when it was issued, and the rows of the ledger, which never change."""

from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from volunteer_api.certificates import queries, service
from volunteer_api.certificates.models import Certificate
from volunteer_api.certificates.problems import CertificateRevoked
from volunteer_api.certificates.words import CHINESE, ENGLISH, duration
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.documents import Address, qr_code, typeset
from volunteer_api.core.downloads import PDF, Download
from volunteer_api.core.settings import settings
from volunteer_api.hours.models import Source

TEMPLATE = Path(__file__).resolve().parent / "certificate.typ"


def print_certificate(certificate: Certificate, language: str | None) -> Download:
    """The PDF in a language (None: the request's), the same bytes each time but for the root, once the night gave it.

    Raises CertificateRevoked (409), and what `typeset` raises.
    """
    if certificate.revoked_at is not None:
        raise CertificateRevoked()
    chosen = language or texts.language()
    records = db.session.execute(queries.certified_records(certificate.id)).all()
    data = _data(certificate, records, chosen)
    name = f"{data['title']}-{service.spoken(certificate.number)}.pdf"
    return Download(partial(typeset, TEMPLATE, data, made_at=certificate.created_at), PDF, name)


def _data(certificate: Certificate, records: Any, language: str) -> dict[str, Any]:
    words = CHINESE if language == "zh-CN" else ENGLISH
    number, url = service.spoken(certificate.number), service.verify_url(certificate.number)
    period = words["period_value"].format(certificate.starts_on, certificate.ends_on)
    hours = duration(certificate.minutes, language)
    issuer = certificate.organization_name
    if certificate.successor_name is not None:
        issuer = words["successor"].format(issuer, certificate.successor_name)
    issued = clock.local_date(certificate.created_at).isoformat()
    facts = [
        (words["name"], certificate.name),
        (words["volunteer_number"], certificate.volunteer_number),
        *([(words["resident_id"], certificate.masked_resident_id)] if certificate.masked_resident_id else []),
        (words["period"], period),
        (words["hours"], hours),
        (words["count"], words["count_value"].format(len(records))),
        (words["issuer"], issuer),
        (words["issued"], issued),
    ]
    sealed = certificate.root is not None
    return {
        "language": "zh" if language == "zh-CN" else "en",
        "title": words["title"],
        "number": [words["number"], number],
        "statement": words["statement"].format(name=certificate.name, period=period, hours=hours),
        "facts": facts,
        "headers": [words[name] for name in ("on", "time", "content", "place", "minutes")],
        "rows": [_cells(record, words, language) for record in records],
        "issuer": issuer,
        "seal": words["seal"],
        "signatures": words["signatures"],
        "issued": [words["issued"], issued],
        "verify": words["verify"],
        "url": Address(url),
        "qr": qr_code(url),
        "basis": words["basis"],
        "root": words["root"].format(certificate.sealed_on) if sealed else words["no_root"],
        # In groups, to be compared by eye.
        "digest": certificate.root.hex(" ", 4) if certificate.root is not None else "",
        "page": words["page"].split("{}"),
    }


def _cells(record: Row[*tuple[Any, ...]], words: Any, language: str) -> list[str]:
    starts, ends = (moment.astimezone(settings().zone) for moment in (record.starts_at, record.ends_at))
    mark = words["backfilled"] if record.source == Source.BACKFILLED else ""
    return [
        record.on.isoformat(),
        f"{starts:%H:%M}–{ends:%H:%M}",
        record.content + mark,
        record.place_name or "",
        duration(record.minutes, language),
    ]
