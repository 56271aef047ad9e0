"""What is read of a request from Teams, an "activity" of the Bot Framework.

The library's models refuse a message with a reaction in Microsoft's own form, or with a value that they do
not know in a field that nobody reads. These know only the fields that are used.
"""

from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from data.reasons import Language
from data.records import TransformType
from serving.web import choices


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Person(_Part):
    """Who has sent something. Microsoft Entra knows them by `aad_object_id`; `id` is theirs for this bot."""

    id: str
    aad_object_id: str = ""


class Conversation(_Part):
    """Where something was sent."""

    id: str
    conversation_type: str = ""


class Tenant(_Part):
    """An organisation in Microsoft Entra."""

    id: str


class ChannelData(_Part):
    """What Teams adds to an activity."""

    tenant: Tenant


class Activity(_Part):
    """A request of Teams. In other channels of the Bot Framework anybody may name a tenant."""

    type: str
    id: str
    channel_id: Literal["msteams"]
    service_url: str
    from_: Person = Field(alias="from")
    conversation: Conversation
    channel_data: ChannelData
    name: str = ""
    action: str = ""
    text: str = ""
    locale: str = ""
    reply_to_id: str | None = None
    value: Any = None

    @property
    def tenant(self) -> str:
        """The id of the tenant."""
        return self.channel_data.tenant.id.lower()

    @property
    def person(self) -> str:
        """The id of the person."""
        return self.from_.aad_object_id

    @property
    def language(self) -> Language:
        """The language of the person's Teams; English if it is another one."""
        return "ja" if self.locale.lower().startswith("ja") else "en"

    @property
    def is_personal(self) -> bool:
        """Whether it was sent in the chat of a person with the bot."""
        return self.conversation.conversation_type == "personal"

    @property
    def event(self) -> str:
        """The same for a request that comes again. Ids of activities are those of their conversation."""
        return sha256(f"{self.conversation.id} {self.id}".encode(errors="replace")).hexdigest()


class Body(_Part):
    """The text of a message."""

    content: str = ""
    content_type: str = "text"


class Message(_Part):
    """A message on which a person has chosen the action."""

    body: Body | None = None


class Opened(_Part):
    """The value of a request for a dialog."""

    command_id: Literal["rewrite"]  # as in the manifest
    message_payload: Message | None = None

    @property
    def body(self) -> Body:
        """The text of the message."""
        return (self.message_payload and self.message_payload.body) or Body()


class Action(_Part):
    """A button on a card: what it is for, and what it carries, with the fields of the card."""

    verb: str = ""
    data: dict[str, Any] = Field(default_factory=dict)


class Clicked(_Part):
    """The value of a click on a card."""

    action: Action


class Wanted(BaseModel):
    """The fields of a form for a rewrite, or what the question for consent carries of it."""

    text: str = ""
    transform_type: TransformType = TransformType.SOFTEN
    intensity: int = Field(2, ge=0, le=3)

    @property
    def choices(self) -> choices.Wanted:
        """What was chosen, as the values of a form."""
        return choices.Wanted(self.transform_type, str(self.intensity))


class Filled(Wanted):
    """What comes of a dialog: which button, and the fields."""

    verb: Literal["agree", "agree_untrained", "rewrite"]


class Submitted(_Part):
    """The value of a dialog that a person has filled in."""

    data: Filled
