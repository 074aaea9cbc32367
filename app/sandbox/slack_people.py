"""The workspace that the sandbox's Slack is: its app, its channels and its people.

The people are those of the demonstration, by the names of their tokens, and one whom the service does not know.
"""

from dataclasses import dataclass

TEAM_ID, TEAM_NAME, TEAM_DOMAIN = "T0SANDBOX1", "Sandbox", "sandbox"
APP_ID, BOT_ID, BOT_USER_ID, APP_NAME = "A0SANDBOX1", "B0SANDBOX1", "U0STAGING1", "Staging Credits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in the workspace; `name` is that of their token in the demonstration."""

    name: str
    real_name: str

    @property
    def id(self) -> str:
        """As Slack makes them: `U` and eight to ten letters or digits."""
        return f"U0{self.name.replace('_', '').upper():0<7.9}"

    @property
    def direct_id(self) -> str:
        """The conversation that the app and this person have to themselves."""
        return f"D{self.id[1:]}"


STRANGER = Person(name="stranger", real_name="Sam Stranger")
_KNOWN = (
    Person(name="owner", real_name="Olivia Owner"),
    Person(name="auditor", real_name="Aria Auditor"),
    Person(name="member", real_name="Milo Member"),
    Person(name="pool_admin", real_name="Paula Poole"),
    Person(name="department_member", real_name="Dario Dept"),
    Person(name="approver", real_name="Abel Approver"),
    Person(name="deputy", real_name="Dana Deputy"),
    Person(name="operator", real_name="Otto Operator"),
    Person(name="other_owner", real_name="Una Other"),
)
PEOPLE = {person.id: person for person in (*_KNOWN, STRANGER)}
# Whom the demonstration links with its users; the stranger stays unlinked.
SLACK_IDS = {person.name: person.id for person in _KNOWN}

CHANNELS = {"C0CREDITS1": "credits", "C0APPROVAL": "approvals", "C0OPERATOR": "operators"}
_DIRECT = {person.direct_id: person for person in PEOPLE.values()}
_BY_NAME = {person.name: person for person in PEOPLE.values()}


def person(name_or_id: str) -> Person | None:
    """Who has this name or id."""
    return PEOPLE.get(name_or_id) or _BY_NAME.get(name_or_id)


def conversation(address: str) -> str | None:
    """The id of what is addressed by a channel's id, `#name` or name, or by a person's id."""
    if address in CHANNELS or address in _DIRECT:
        return address
    if address in PEOPLE:
        return PEOPLE[address].direct_id
    return next((key for key, name in CHANNELS.items() if name == address.removeprefix("#")), None)


def partner(conversation_id: str) -> Person | None:
    """Whom a direct conversation is with; None for a channel."""
    return _DIRECT.get(conversation_id)
