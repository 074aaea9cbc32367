"""The workspaces that the sandbox's Slack has: their channels and people, and the app in them.

The people of the first are those of the demonstration, by the names of their tokens, and one whom the service does not
know. In the second the app is not installed until somebody installs it.
"""

from dataclasses import dataclass

APP_ID, BOT_ID, BOT_USER_ID, APP_NAME = "A0SANDBOX1", "B0SANDBOX1", "U0STAGING1", "Staging Credits"
TOKEN_PREFIX = "xoxb-sandbox"  # noqa: S105 the sandbox's tokens open nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in a workspace; `name` is that of their token in the demonstration. `zone` is where their clock is;
    `email` is confirmed."""

    name: str
    real_name: str
    zone: str = "America/New_York"
    team_id: str = "T0SANDBOX1"
    mail: str | None = None

    @property
    def id(self) -> str:
        """As Slack makes them: `U` and eight to ten letters or digits."""
        return f"U0{self.name.replace('_', '').upper():0<7.9}"

    @property
    def direct_id(self) -> str:
        """The conversation that the app and this person have to themselves."""
        return f"D{self.id[1:]}"

    @property
    def email(self) -> str:
        """As in the demonstration, unless it is another."""
        return self.mail or f"{self.name.replace('_', '.')}@demo.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A workspace; `token` is the bot's there."""

    id: str
    name: str
    domain: str
    token: str
    channels: dict[str, str]
    people: tuple[Person, ...]


STRANGER = Person(name="stranger", real_name="Sam Stranger", mail="sam@elsewhere.example")
_KNOWN = (
    Person(name="owner", real_name="Olivia Owner"),
    Person(name="auditor", real_name="Aria Auditor"),
    Person(name="member", real_name="Milo Member", zone="America/Los_Angeles"),
    Person(name="pool_admin", real_name="Paula Poole"),
    Person(name="department_member", real_name="Dario Dept", zone="America/Chicago"),
    Person(name="approver", real_name="Abel Approver", zone="Europe/Berlin"),
    Person(name="deputy", real_name="Dana Deputy", zone="Asia/Tokyo"),
    Person(name="operator", real_name="Otto Operator"),
    Person(name="other_owner", real_name="Una Other"),
)
SANDBOX = Team(
    id="T0SANDBOX1",
    name="Sandbox",
    domain="sandbox",
    token=TOKEN_PREFIX,
    channels={"C0CREDITS1": "credits", "C0APPROVAL": "approvals", "C0OPERATOR": "operators"},
    people=(*_KNOWN, STRANGER),
)
LUMEN = Team(
    id="T0LUMEN001",
    name="Lumen Partners",
    domain="lumen",
    token=f"{TOKEN_PREFIX}-lumen",
    channels={"C0LUMENGEN": "general", "C0LUMENCRE": "lumen-credits"},
    people=(
        Person(
            name="lumen_una", real_name="Una Lumen", team_id="T0LUMEN001", mail="other.owner@demo.example",
            zone="Europe/Berlin",
        ),
        Person(name="lumen_lea", real_name="Lea Lumen", team_id="T0LUMEN001", zone="Europe/Berlin"),
        Person(name="lumen_max", real_name="Max Lumen", team_id="T0LUMEN001", zone="Europe/Berlin"),
    ),
)  # fmt: skip
TEAMS = {team.id: team for team in (SANDBOX, LUMEN)}
TEAM_ID = SANDBOX.id

PEOPLE = {person.id: person for team in TEAMS.values() for person in team.people}
# Whom the demonstration links with its users; the stranger stays unlinked.
SLACK_IDS = {person.name: person.id for person in _KNOWN}
CHANNELS = {key: name for team in TEAMS.values() for key, name in team.channels.items()}
_DIRECT = {person.direct_id: person for person in PEOPLE.values()}
_BY_NAME = {person.name: person for person in PEOPLE.values()}


def person(name_or_id: str) -> Person | None:
    """Who has this name or id."""
    return PEOPLE.get(name_or_id) or _BY_NAME.get(name_or_id)


def conversation(address: str, team: Team | None = None) -> str | None:
    """The id of what is addressed, in that workspace or any, by a channel's id, `#name` or name, or by a person's
    id."""
    found = _conversation(address, team)
    return found if found is None or team in (None, team_of(found)) else None


def _conversation(address: str, team: Team | None) -> str | None:
    if address in CHANNELS or address in _DIRECT:
        return address
    if address in PEOPLE:
        return PEOPLE[address].direct_id
    names = team.channels if team else CHANNELS
    return next((key for key, name in names.items() if name == address.removeprefix("#")), None)


def team_of(conversation_id: str) -> Team:
    """The workspace of a conversation."""
    partner_there = _DIRECT.get(conversation_id)
    if partner_there is not None:
        return TEAMS[partner_there.team_id]
    return next(team for team in TEAMS.values() if conversation_id in team.channels)


def team_of_user(user_id: str) -> Team:
    """The workspace that somebody is told to be in; who is in none here comes from elsewhere into the first."""
    found = PEOPLE.get(user_id)
    return TEAMS[found.team_id] if found else SANDBOX


def with_token(token: str) -> Team | None:
    """The workspace that a token is good for; any that begins as the first one's is that one's."""
    if token == LUMEN.token:
        return LUMEN
    return SANDBOX if token.startswith("xoxb-") else None


def partner(conversation_id: str) -> Person | None:
    """Whom a direct conversation is with; None for a channel."""
    return _DIRECT.get(conversation_id)
