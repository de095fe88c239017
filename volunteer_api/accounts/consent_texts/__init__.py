"""The texts that people consent to, with their versions: one Markdown file each, never edited once published."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parent


class ConsentKind(StrEnum):
    """What somebody can consent to; each for itself [PIPL 14, 29]."""

    TERMS = "terms"
    PRIVACY = "privacy"
    LOCATION = "location"
    RANKING_NAME = "ranking_name"
    RESIDENT_ID = "resident_id"
    GUARDIAN = "guardian"
    NATIONAL_SYSTEM = "national_system"


# Without these there is no account; the others can be refused and taken back at any time. The guardian's is given by
# the guardian, and stays while the volunteer is under 14.
REQUIRED_KINDS = (ConsentKind.TERMS, ConsentKind.PRIVACY)


@dataclass(frozen=True)
class ConsentText:
    """One version of one text. `version` is the month of its publication; `text` is Markdown in Chinese."""

    kind: ConsentKind
    version: str
    title: str
    text: str

    @property
    def required(self) -> bool:
        """Whether an account needs this consent."""
        return self.kind in REQUIRED_KINDS


@cache
def all_texts() -> dict[tuple[str, str], ConsentText]:
    """Every text ever published, by kind and version."""
    return {
        (kind.value, path.stem): _read(kind, path)
        for kind in ConsentKind
        for path in sorted((DIRECTORY / kind).glob("*.md"))
    }


@cache
def current_texts() -> dict[ConsentKind, ConsentText]:
    """The text in force of each kind: its newest version."""
    return {text.kind: text for _, text in sorted(all_texts().items())}


def _read(kind: ConsentKind, path: Path) -> ConsentText:
    heading, _, text = path.read_text(encoding="utf-8").partition("\n")
    return ConsentText(kind, path.stem, heading.removeprefix("# ").strip(), text.strip())
