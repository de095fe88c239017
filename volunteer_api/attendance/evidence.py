"""What can be used of a phone's evidence. It is stored as it came; what is unusable counts as absent."""

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from volunteer_api.core.geo import Datum, Place, to_wgs84

# A hundred days: far more than any delay that is believed, far less than what overflows.
LONGEST_DELAY_MS = 100 * 24 * 3600 * 1000
LONGEST_CODE = 500
# As maps' own interfaces write it too: "GCJ-02", "gcj02ll", "BD09LL" (ll: longitude and latitude).
DATUM = re.compile(r"(wgs84|gcj02|bd09)(ll)?")
# A phone that knows no place says 0,0, a spot in the Gulf of Guinea. So many degrees around it are no place (1 km).
NULL_ISLAND = 0.01
# What phones call their place, and what one follows from, in members that nobody here knows.
PLACE_WORDS = frozenset(
    {
        *("place", "places", "lat", "latitude", "lng", "lon", "long", "longitude", "alt", "altitude", "location"),
        *("locations", "position", "coord", "coords", "coordinate", "coordinates", "point", "accuracy", "geo"),
        *("geohash", "gps", "beidou", "datum", "address", "poi", "city", "district", "street", "wifi", "ssid"),
        *("bssid", "beacon", "beacons", "cell", "cells", "lac", "cid", "tower", "towers", "lnglat", "latlng"),
        *("latlon", "lonlat", "adcode", "province", "township", "aoi"),
    }
)
PLACE_TERMS = ("经度", "纬度", "坐标", "位置", "地址", "定位")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# What a phone sends takes a few hundred bytes. Of more, the members that are judged are kept, none of them longer than
# the longest code in its quotes.
MOST_BYTES, MOST_OF_ONE = 2000, LONGEST_CODE + 2
JUDGED = ("client_time", "delay_ms", "code", "place", "accuracy_m")
OF_PLACE = ("lat", "lng", "datum", "distance_m")
# To how many meters a distance is told where the place itself is not kept.
COARSE_M = 100


@dataclass(frozen=True)
class Usable:
    """The members of evidence that grading understands; `delay_is_odd` where a delay was sent that is none.

    `place` is in WGS-84, `place_as_sent` the same figures before any conversion; `place_is_odd` where something was
    sent for a place that is none. `accuracy_m` is None where the phone did not say it.
    """

    client_time: datetime
    delay_ms: float | None
    delay_is_odd: bool
    code: str | None
    place: Place | None
    place_as_sent: Place | None
    place_is_odd: bool
    accuracy_m: float | None


def usable(evidence: dict[str, Any]) -> Usable:
    """Read evidence whose `client_time` is an aware moment, and whose other members may be anything."""
    sent_delay, code = evidence.get("delay_ms"), evidence.get("code")
    delay_ms = _number(sent_delay, 0, LONGEST_DELAY_MS)
    sent_place = evidence.get("place")
    place, place_as_sent = _place(sent_place)
    return Usable(
        client_time=evidence["client_time"],
        delay_ms=delay_ms,
        delay_is_odd=sent_delay is not None and delay_ms is None,
        code=code if isinstance(code, str) and len(code) <= LONGEST_CODE else None,
        place=place,
        place_as_sent=place_as_sent,
        place_is_odd=sent_place is not None and place is None,
        accuracy_m=_number(evidence.get("accuracy_m"), 0, math.inf),
    )


def without_place(evidence: dict[str, Any], distance_m: float | None = None) -> dict[str, Any]:
    """The same evidence without a place, or anything by whose name it is one; of it at most the rounded distance."""
    kept: dict[str, Any] = _without_places(evidence)
    if distance_m is not None:
        kept["place"] = {"distance_m": round(distance_m / COARSE_M) * COARSE_M}
    return kept


def bounded(evidence: dict[str, Any]) -> dict[str, Any]:
    """The evidence itself, or of what is too long to be kept a new one of what is judged."""
    if len(orjson.dumps(evidence)) <= MOST_BYTES:
        return evidence
    kept = {name: evidence[name] for name in JUDGED if name in evidence}
    if isinstance(place := kept.get("place"), dict):
        kept["place"] = {name: place[name] for name in OF_PLACE if name in place}
    return {name: value for name, value in kept.items() if len(orjson.dumps(value)) <= MOST_OF_ONE}


def _without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_places(inner) for name, inner in value.items() if not _names_place(name)}
    return [_without_places(inner) for inner in value] if isinstance(value, list) else value


def _names_place(name: Any) -> bool:
    words = {word.lower() for word in WORD.findall(str(name))}
    return not PLACE_WORDS.isdisjoint(words) or any(term in str(name) for term in PLACE_TERMS)


def _place(given: Any) -> tuple[Place | None, Place | None]:
    if not isinstance(given, dict):
        return None, None
    latitude, longitude = _number(given.get("lat"), -90, 90), _number(given.get("lng"), -180, 180)
    # The same figures lie hundreds of meters apart in different datums: of an unknown one, nothing can be said.
    written = given.get("datum") or Datum.WGS84
    datum = DATUM.fullmatch(re.sub(r"[^a-z0-9]", "", written.lower())) if isinstance(written, str) else None
    if latitude is None or longitude is None or datum is None:
        return None, None
    if abs(latitude) < NULL_ISLAND and abs(longitude) < NULL_ISLAND:
        return None, None
    return to_wgs84((latitude, longitude), Datum(datum[1])), (latitude, longitude)


def _number(given: Any, least: float, most: float) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= most:
        return None
    return float(given) if abs(given) <= 1e308 else None
