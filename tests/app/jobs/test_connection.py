"""A connection that is lost is noticed as such and replaced, on the event loop that serves."""

import pytest
import uvloop

from app.jobs.connection import connect_async
from tests.service import Store


@pytest.mark.parametrize("rounds", [1, 5])
def test_a_connection_lost_between_two_commands_is_replaced(store: Store, rounds: int) -> None:
    async def lose_and_ask() -> list[bool]:
        redis = connect_async(store.url)
        said = [await redis.ping()]
        for _ in range(rounds):
            (connection,) = redis.connection_pool._available_connections
            connection._writer.transport.abort()
            said.append(await redis.ping())
        await redis.aclose()
        return said

    assert uvloop.run(lose_and_ask()) == [True] * (rounds + 1)
