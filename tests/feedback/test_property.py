"""Whatever people say, sign and take back, what was shown stays shown, and nobody without a name is left alone."""

from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.feedback.factories import make_past
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import publish

MINIMUM = 3
# One more than are enough: often somebody is refused.
PERSON = st.integers(0, 3)
STARS = st.integers(1, 5)
WORDS = st.sampled_from([None, "水不够", "组织得很好"])


def test_what_was_shown_stays_and_tells_nobody(client: Any, unit: Any, run_machine: Any) -> None:
    class Voices(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.past = unit(lambda: make_past(people=4))
            self.path = f"/activities/{self.past.activity_id}/feedback"
            self.given: dict[int, dict[str, Any]] = {}
            self.erased: set[int] = set()
            self.shown: dict[str, str] = {}

        def keep(self, person: int, answer: Any) -> None:
            if answer.status_code in (200, 201):
                self.given[person] = answer.get_json()
                return
            code = answer.get_json()["code"]
            assert code in ("too_few_to_be_anonymous", "name_would_tell", "wrong_state", "no_words"), code

        def here(self, person: int) -> bool:
            return person in self.given and person not in self.erased

        @rule(person=PERSON, stars=STARS, words=WORDS, anonymous=st.booleans())
        def give(self, person: int, stars: int, words: str | None, anonymous: bool) -> None:
            if person not in self.given and person not in self.erased:
                body = {"stars": stars, "anonymous": anonymous} | ({"words": words} if words else {})
                self.keep(person, client.as_(self.past.people[person]).post(self.path, json=body))

        @rule(person=PERSON, changes=st.fixed_dictionaries({"stars": STARS}, optional={"words": WORDS}))
        def change(self, person: int, changes: dict[str, Any]) -> None:
            if self.here(person):
                if "words" in changes and changes["words"] != self.given[person]["words"]:
                    self.shown.pop(self.given[person]["id"], None)
                self.patch(person, changes)

        @rule(person=PERSON)
        def sign_or_unsign(self, person: int) -> None:
            if self.here(person):
                self.patch(person, {"anonymous": not self.given[person]["anonymous"]})

        def patch(self, person: int, changes: dict[str, Any]) -> None:
            known = self.given[person]
            giver = client.as_(self.past.people[person])
            self.keep(person, giver.patch(f"/feedback/{known['id']}", json=changes, version=known["version"]))

        @rule(person=PERSON, approve=st.booleans())
        def decide(self, person: int, approve: bool) -> None:
            if self.here(person):
                known = self.given[person]
                body = {"version": known["version"]} | ({} if approve else {"reason": "措辞不当"})
                verb = "approval" if approve else "rejection"
                organizer = client.as_(self.past.scene.organizer_id)
                answer = organizer.post(f"/feedback/{known['id']}/{verb}", json=body)
                self.keep(person, answer)
                if answer.status_code == 200 and not approve:
                    self.shown.pop(known["id"], None)

        @rule(person=st.just(3))
        def erase(self, person: int) -> None:
            if person not in self.erased:
                unit(lambda: self.forget(self.past.people[person]))
                self.erased.add(person)
                if person in self.given:
                    self.shown.pop(self.given[person]["id"], None)

        def forget(self, volunteer_id: UUID) -> None:
            db.session.get_one(Volunteer, volunteer_id).erased_at = clock.now()
            db.session.flush()
            publish(VolunteerErased(volunteer_id, "某人"))

        @invariant()
        def what_was_shown_is_shown(self) -> None:
            found = client.get(self.path).get_json()
            items = {item["id"]: item["words"] for item in found["items"]}
            assert self.shown.items() <= items.items()
            self.shown |= items
            stars = [given["stars"] for given in self.given.values()]
            assert found["count"] == len(stars)
            told = {one["stars"]: one["count"] for one in found["distribution"]}
            enough = len(stars) >= MINIMUM
            assert told == ({value: stars.count(value) for value in range(1, 6)} if enough else {})

        @invariant()
        def who_is_anonymous_hides_among_enough(self) -> None:
            signed = [given for given in self.given.values() if not given["anonymous"]]
            assert len(signed) == len(self.given) or len(self.past.people) - len(signed) >= MINIMUM

        @invariant()
        def those_who_lead_may_read_all_and_learn_no_name(self) -> None:
            found = client.as_(self.past.scene.leader_id).get(f"/feedback?activity_id={self.past.activity_id}")
            named = {item["id"]: item["volunteer"] is not None for item in found.get_json()["items"]}
            assert named == {
                given["id"]: not given["anonymous"] and person not in self.erased
                for person, given in self.given.items()
            }

    run_machine(Voices, examples=6, steps=20)
