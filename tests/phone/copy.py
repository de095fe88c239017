"""What a phone does with the answers of `GET /sync`."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import text

from tests.servers import until
from volunteer_api.core.database import db


@dataclass
class Copy:
    """A phone's copy of its owner's rows, by type and id.

    `told`: how many rows and removals came last, in how many `answers`.
    """

    client: Any
    types: str | None = None
    state: str | None = None
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: int = 0
    answers: int = 0

    def sync(self, *, limit: int = 100, pages: int | None = None, waits: bool = True) -> None:
        """Ask until there is no more, or for so many answers; if it `waits`, once earlier transactions are over."""
        if waits:
            self._wait_for_others()
        self.told = self.answers = 0
        while pages is None or pages > 0:
            answer = self.ask(limit)
            assert answer.status_code == 200, answer.get_json()
            has_more = self.take(answer.get_json())
            self.answers += 1
            pages = None if pages is None else pages - 1
            if not has_more:
                return

    def ask(self, limit: int = 100) -> Any:
        """The answer to the next question."""
        query = {"since": self.state, "types": self.types, "limit": limit}
        return self.client.get("/sync?" + urlencode({name: value for name, value in query.items() if value}))

    def take(self, answer: dict[str, Any]) -> bool:
        """Bring the copy up to date; whether there is more."""
        for kind, rows in answer["changed"].items():
            assert rows, kind
            self.rows.setdefault(kind, {}).update({row["id"]: row for row in rows})
            self.told += len(rows)
        for kind, ids in answer["removed"].items():
            assert ids, kind
            for row_id in ids:
                self.rows.get(kind, {}).pop(row_id, None)
            self.told += len(ids)
        self.state = answer["state"]
        return bool(answer["has_more"])

    def _wait_for_others(self) -> None:
        """On PostgreSQL rows come twice while any transaction of the server is older, and others test beside."""
        with self.client.app.app_context(), db.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                return
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            begun = connection.execute(
                text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            ).scalar_one()
            over = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= :begun")
            until(lambda: connection.execute(over, {"begun": begun}).scalar_one())

    def of(self, kind: str) -> list[Any]:
        """The rows of a type."""
        return list(self.rows.get(kind, {}).values())

    def all(self) -> dict[str, dict[str, Any]]:
        """All rows, types without any left out."""
        return {kind: rows for kind, rows in self.rows.items() if rows}
