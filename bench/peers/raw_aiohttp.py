"""The fastest plain loop: as many POST calls as there are commands, 64 at once, nothing kept, nothing retried."""

import asyncio
import sys

import aiohttp
import orjson

AT_ONCE = 64
BODY = orjson.dumps(
    {
        "customer_id": "site-000001",
        "customer_name": "Garage 1",
        "billing_address": {"street": "1 Main Street", "city": "Denver", "state": "CO", "postal_code": "80202"},
    }
)


async def main(base: str, calls: int) -> None:
    """Call, and end."""
    numbers = iter(range(calls))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def work() -> None:
            for number in numbers:
                headers = {"Content-Type": "application/json", "Idempotency-Key": str(number), "X-API-Key": "x"}
                async with session.put(f"{base}/customers", data=BODY, headers=headers) as response:
                    await response.read()

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
