"""What PostgreSQL says of a value is not repeated."""

import pytest
from sqlalchemy import text

from guard.errors import StoreFailed
from guard.store.engine import open_link
from tests.store.postgres import postgres_server


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["int", "timestamp"])
def test_value_that_postgresql_cannot_take_is_not_in_the_message(kind: str) -> None:
    with postgres_server() as server:
        link = open_link(server.new_database())
        with pytest.raises(StoreFailed) as failure, link.writing() as connection:
            connection.execute(text(f"SELECT CAST(:value AS {kind})"), {"value": "what a user wrote"})
        link.engine.dispose()

    assert "user" not in str(failure.value)
    assert "22" in str(failure.value)
