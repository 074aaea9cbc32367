"""Rows of the chat: which workspace an account has, what was posted where, and how soon more may be."""

from tortoise import fields
from tortoise.models import Model

from credits.accounts.models import ID_LENGTH, NAME_LENGTH

CHANNEL_LENGTH = 80


class SlackConnection(Model):
    """The workspace in which an account's people are told things; `team_id` is the enterprise's id where the app was
    installed for one, `org_id` where its people's ids are from. `sealed_token` is good for it, and only with a key of
    the settings. One that was `revoked_at` is kept until the account connects anew."""

    account_id = fields.CharField(ID_LENGTH, primary_key=True)
    team_id = fields.CharField(40, db_index=True)
    org_id = fields.CharField(40)
    team = fields.CharField(NAME_LENGTH)
    sealed_token = fields.TextField()
    connected_by = fields.CharField(ID_LENGTH)
    installed_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "slack_connections"


class ChatMessage(Model):
    """A card for a channel, for a person in the chat, or for one by mail, who then is the `recipient`. `subject` is
    what it is about: its cards are edited together. `dedupe` is unique: one card for each. `channel` and `ts` say where
    it stands in the workspace `team_id` (null: that of the settings); a mail has no channel. `user_id` is the person
    it was for; null for a channel."""

    id = fields.CharField(ID_LENGTH, primary_key=True)
    account_id = fields.CharField(ID_LENGTH)
    subject = fields.CharField(120)
    dedupe = fields.CharField(200, unique=True)
    recipient = fields.CharField(CHANNEL_LENGTH)
    team_id = fields.CharField(40, null=True)
    user_id = fields.CharField(ID_LENGTH, null=True)
    channel = fields.CharField(CHANNEL_LENGTH, null=True)
    ts = fields.CharField(40, null=True)
    attempts = fields.IntField()
    posting_until = fields.DatetimeField()
    posted_at = fields.DatetimeField(null=True)

    class Meta:
        table = "chat_messages"


class ChatPace(Model):
    """When a channel takes the next message, in real time."""

    id = fields.BigIntField(primary_key=True, generated=True)
    team_id = fields.CharField(40)
    channel = fields.CharField(CHANNEL_LENGTH)
    free_at = fields.DatetimeField()

    class Meta:
        table = "chat_paces"
        unique_together = (("team_id", "channel"),)
