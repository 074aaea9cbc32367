"""A provider, and the service that believes it."""

from collections.abc import AsyncIterator

import pytest

from tests.credits.access.provider import IdentityProvider, published
from tests.support.service import Service, beside


@pytest.fixture
async def provider() -> AsyncIterator[IdentityProvider]:
    """A fresh one."""
    async with published() as provider:
        yield provider


@pytest.fixture
async def believer(service: Service, provider: IdentityProvider) -> AsyncIterator[Service]:
    """The service, believing the provider."""
    async with beside(service, jwt_providers=(provider.setting,)) as believer:
        yield believer
