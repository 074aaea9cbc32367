"""These tests meet the small service: the sandbox and whoever takes its webhooks."""

from tests.app.service import small_service as small_service
