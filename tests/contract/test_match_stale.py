"""References that another embedder has made: not compared with until they are built again."""

import asyncpg

from tests.contract.conftest import Client
from tests.contract.schools import MATCHING, portraits, school
from tests.contract.test_errors import is_error
from tests.running import RunningStack


async def test_references_of_another_embedder_are_refused_until_they_are_built_again(
    client: Client, stack: RunningStack, astronaut: bytes, astronaut_jpeg: bytes
) -> None:
    made = await school(client)
    subject = await made.person("S1", astronaut_jpeg)
    await made.build()
    # as they stand once the operator has put another embedder in its place
    connection = await asyncpg.connect(stack.links.database_url)
    await connection.execute(
        "UPDATE matching.reference_photos SET embedder = 'the one before' WHERE account_id = $1",
        client.account,
    )
    await connection.close()
    job = await made.job(*portraits(astronaut, 1))
    is_error(await made.begin(job), 409, "REFERENCES_STALE")
    assert await client.balance() == 100
    path = f"/subjects/{subject}/references"
    (reference,) = (await made.send("GET", path)).body["references"]
    assert reference["state"] == "stale"
    query = {"agency_id": str(made.id)}
    stand = (await client.send("GET", f"{MATCHING}/references", params=query)).body
    assert (stand["embeddings"], stand["waiting"]) == (0, 1)
    assert (await made.build())["embeddings_created"] == 1
    assert (await made.match(job)).body["matched"] == 1
