"""The form of a rule: its fields as a person types them, and the rule of the API that they make."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field

from serving.sites.words import as_typed

DAYS: Mapping[str, str] = {
    "mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun",
}  # fmt: skip
# Which field of the form shows what is wrong with a field of the API.
FIELDS: Mapping[str, str] = {
    "name": "name",
    "words": "words",
    "pattern": "pattern",
    "harsh_above": "harsh",
    "days": "hours",
    "starts": "hours",
    "ends": "hours",
    "time_zone": "time_zone",
    "priority": "priority",
}

Short = Annotated[str, Field(max_length=20)]
Line = Annotated[str, Field(max_length=4_000)]
Lines = Annotated[str, Field(max_length=20_000), AfterValidator(as_typed)]


class RuleForm(BaseModel):
    """What a person has typed. Lists have one entry a line; a channel or a recipient that ends in `*` stands
    for all that begin so. A condition whose field is empty is none.
    """

    name: Line = ""
    words: Lines = ""
    pattern: Line = ""
    ignores_case: Short = ""  # of a box that is not ticked
    harsh: Short = ""  # in percent
    channels: Lines = ""
    recipients: Lines = ""
    days: Annotated[list[Line], Field(max_length=7)] = []
    starts: Short = "19:00"
    ends: Short = "08:00"
    time_zone: Line = ""
    transform_type: Short = "soften"
    intensity: Short = "2"
    priority: Short = "100"

    @classmethod
    def from_rule(cls, rule: Any) -> Self:
        """The form of a rule of the API."""
        fields: dict[str, Any] = {
            "name": rule["name"],
            "transform_type": rule["transform_type"],
            "intensity": str(rule["intensity"]),
            "priority": str(rule["priority"]),
        }
        for condition in rule["conditions"]:
            match condition["kind"]:
                case "keyword":
                    fields["words"] = "\n".join(condition["words"])
                case "pattern":
                    ticked = "yes" if condition["ignores_case"] else ""
                    fields |= {"pattern": condition["pattern"], "ignores_case": ticked}
                case "tone":
                    fields["harsh"] = f"{100 * condition['harsh_above']:g}"
                case "hours":
                    fields |= {name: condition[name] for name in ("days", "starts", "ends", "time_zone")}
                case kind:
                    lines = [*condition["values"], *(f"{prefix}*" for prefix in condition["prefixes"])]
                    fields[f"{kind}s"] = "\n".join(lines)
        return cls(**fields)

    @property
    def rule(self) -> dict[str, Any]:
        """The rule for the API, which refuses what is wrong with it."""
        conditions: list[dict[str, Any]] = []
        if words := _lines(self.words):
            conditions.append({"kind": "keyword", "words": words})
        if self.pattern:
            pattern = {"kind": "pattern", "pattern": self.pattern, "ignores_case": bool(self.ignores_case)}
            conditions.append(pattern)
        if harsh := self.harsh.strip():
            share = int(harsh) / 100 if harsh.isdecimal() else harsh
            conditions.append({"kind": "tone", "harsh_above": share})
        for kind, text in (("channel", self.channels), ("recipient", self.recipients)):
            if lines := _lines(text):
                values = [line for line in lines if not line.endswith("*")]
                prefixes = [line[:-1] for line in lines if line.endswith("*")]
                conditions.append({"kind": kind, "values": values, "prefixes": prefixes})
        if self.days:
            hours = {name: getattr(self, name) for name in ("days", "starts", "ends", "time_zone")}
            conditions.append({"kind": "hours", **hours})
        return {
            "name": self.name,
            "conditions": conditions,
            "transform_type": self.transform_type,
            "intensity": _number(self.intensity),
            "priority": _number(self.priority),
        }


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line]


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
