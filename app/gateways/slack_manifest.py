"""The manifest of the Slack app: what Slack has to know of it, in one file to paste when the app is made.

https://docs.slack.dev/reference/app-manifest
"""

from pathlib import Path

EXAMPLE = "https://credits.example.com"
_FILE = Path(__file__).with_name("slack_manifest.json")


def manifest(url: str) -> str:
    """The manifest as JSON, for a service that Slack reaches at `url`."""
    return _FILE.read_text(encoding="utf-8").replace(EXAMPLE, url)
