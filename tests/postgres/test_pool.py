"""Pools over a primary and a real streaming replica."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trustme

from sitehub.dev.kafka import free_port
from sitehub.dev.postgres import EmbeddedPostgres
from sitehub.stores.postgres import pool as pool_module
from sitehub.stores.postgres.address import Address, Unreachable, connect
from sitehub.stores.postgres.pool import Pool, Pools
from sitehub.tests.postgres.conftest import QUICK, Database

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
WHERE = "SELECT pg_is_in_recovery()"


def address(port: int, database: str) -> Address:
    return Address("127.0.0.1", port, database, "app_user", "any", "disable", 5.0)


def pool(port: int, database: str, most: int = 3) -> Pool:
    return Pool(address(port, database), 1, most, 60.0)


@pytest.fixture(scope="module")
def replica_server(server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    replica = EmbeddedPostgres(tmp_path_factory.mktemp("replica"), free_port(), QUICK)
    server.copy_to(replica)
    yield replica
    replica.resume()
    replica.stop()


@pytest.fixture
async def pools(postgres: Database, replica_server: EmbeddedPostgres) -> AsyncIterator[Pools]:
    """Watched pools over both servers, which run, the replica being up."""
    replica_server.resume()
    replica_server.start()
    pools = Pools(pool(postgres.server.port, postgres.name), pool(replica_server.port, postgres.name))
    watching = asyncio.create_task(pools.watch())
    await until(lambda: pools.replica_is_up)
    yield pools
    watching.cancel()
    await pools.close()


async def until(what: Any) -> None:
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.02)


async def test_writes_go_to_the_primary_and_reads_to_the_replica_that_follows_it(pools: Pools) -> None:
    async with pools.writing() as connection:
        await connection.execute("INSERT INTO integration.watermarks VALUES ('x')")

    async with pools.reading() as connection:
        assert await connection.fetchval(WHERE)
    async with asyncio.timeout(10):
        while not await pools.fetch("SELECT FROM integration.watermarks WHERE pg_is_in_recovery()"):
            await asyncio.sleep(0.01)


async def test_a_replica_that_dies_is_left_for_the_primary_and_comes_back_by_itself(
    pools: Pools, replica_server: EmbeddedPostgres
) -> None:
    replica_server.kill()

    assert [row[0] for row in await pools.fetch(WHERE)] == [False]
    assert not pools.replica_is_up
    async with pools.reading() as connection:
        assert await connection.fetchval(WHERE) is False

    replica_server.start()
    await until(lambda: pools.replica_is_up)
    assert [row[0] for row in await pools.fetch(WHERE)] == [True]


async def test_a_replica_that_hangs_is_left_for_the_primary(
    pools: Pools, replica_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "LOOK_UP_SECONDS", 0.2)
    replica_server.pause()

    async with asyncio.timeout(20):  # not the minute that a statement may take
        assert [row[0] for row in await pools.fetch(WHERE)] == [False]

    replica_server.resume()
    await until(lambda: pools.replica_is_up)


async def test_the_gauge_is_told_what_is_known_of_the_replica(
    postgres: Database, replica_server: EmbeddedPostgres
) -> None:
    told: list[bool] = []
    replica_server.start()
    pools = Pools(pool(postgres.server.port, postgres.name), pool(replica_server.port, postgres.name), told.append)

    async with asyncio.timeout(10):
        while not await pools.probe():
            await asyncio.sleep(0.02)
    replica_server.kill()
    await pools.probe()

    assert told[-2:] == [True, False]
    await pools.close()


async def test_a_server_that_is_not_there_at_first_is_found_when_it_is(postgres: Database) -> None:
    only = pool(postgres.server.port, postgres.name)
    postgres.server.stop()
    with pytest.raises(Unreachable):
        async with only.acquire():
            pass

    postgres.server.start()

    async with only.acquire() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await only.close()


async def test_a_pool_survives_a_killed_server(postgres: Database) -> None:
    only = pool(postgres.server.port, postgres.name)
    async with only.acquire() as connection:
        await connection.execute("INSERT INTO integration.watermarks VALUES ('x')")
    postgres.server.kill()
    with pytest.raises(Unreachable):
        async with only.acquire() as connection:
            await connection.fetchval("SELECT 1")
    postgres.server.start()

    async with only.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM integration.watermarks") == 1
    await only.close()


async def test_a_pool_has_no_more_connections_than_configured_and_waits_no_longer(postgres: Database) -> None:
    full = Pool(replace(address(postgres.server.port, postgres.name), connect_seconds=0.2), 0, 1, 60.0)

    async with full.acquire():
        with pytest.raises(TimeoutError):
            async with full.acquire():
                pass
    await full.close()


@asynccontextmanager
async def encrypted(port: int, authority: trustme.CA, name: str) -> AsyncIterator[int]:
    """What a server with a certificate for `name` does, before one without encryption."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST
        writer.write(b"S")
        try:
            await writer.start_tls(context)
        except (ssl.SSLError, ConnectionError):
            return
        behind, out = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, out), pipe(behind, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield listener.sockets[0].getsockname()[1]


async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        sink.close()


@pytest.mark.parametrize(
    ("mode", "trusted", "name", "is_taken"),
    [
        ("require", "other", "elsewhere", True),
        ("verify-ca", "own", "elsewhere", True),
        ("verify-ca", "other", "localhost", False),
        ("verify-full", "own", "localhost", True),
        ("verify-full", "own", "elsewhere", False),
    ],
)
async def test_encryption_checks_what_its_mode_says(  # noqa: PLR0917 -- a table's columns
    postgres: Database,
    tmp_path: Path,
    mode: str,
    trusted: str,
    name: str,
    is_taken: bool,  # noqa: FBT001
) -> None:
    authorities = {"own": trustme.CA(), "other": trustme.CA()}
    path = tmp_path / "ca.pem"
    authorities[trusted].cert_pem.write_to_path(str(path))

    async with encrypted(postgres.server.port, authorities["own"], name) as port:
        at = replace(address(port, postgres.name), host="localhost", ssl_mode=mode, root_cert=str(path))
        if not is_taken:
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(at)
            return
        connection = await connect(at)
        assert await connection.fetchval("SELECT current_database()") == postgres.name
        await connection.close()


async def test_encryption_that_is_required_and_not_offered_is_refused(postgres: Database) -> None:
    at = replace(address(postgres.server.port, postgres.name), ssl_mode="require")

    with pytest.raises((ConnectionError, asyncpg.InterfaceError), match="SSL"):
        await connect(at)
