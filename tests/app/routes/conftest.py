"""Each test of `/graphql` that moves credits has an account of its own."""

import pytest

from tests.app.routes.support import Shop, fresh_shop
from tests.support.service import Service


@pytest.fixture
async def shop(service: Service) -> Shop:
    """A fresh one."""
    return await fresh_shop(service)
