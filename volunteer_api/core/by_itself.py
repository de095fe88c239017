"""Items of a list that stand or fall each by itself."""

from typing import Any

import marshmallow

from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Nested, error_list


class ByItself(Nested):
    """An item of a list that is judged by itself: its faults stand in its place, and cost no other item anything.

    Members that nobody knows are not typed by a person: they are the phone's fault, and the whole request's.
    """

    def deserialize(self, value: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return super().deserialize(value, *arguments, **options)
        except marshmallow.ValidationError as error:
            faults = error_list(error.messages)
            if any(one["code"] == "unknown" for one in faults):
                raise
            return InvalidPayload(faults)
