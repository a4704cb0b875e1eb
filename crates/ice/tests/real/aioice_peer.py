"""aioice as the other agent: `aioice_peer.py ROLE SERVER`, signaling by lines on standard input and output."""

import asyncio
import sys

import aioice

DATA = b"\x80 data of aioice"


def tell(line):
    print(line, flush=True)


async def main():
    controlling = sys.argv[1] == "controlling"
    server = (sys.argv[2], 3478)
    connection = aioice.Connection(
        ice_controlling=controlling,
        stun_server=server,
        turn_server=server,
        turn_username="ann",
        turn_password="secret",
        use_ipv6=False,
    )
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await connection.gather_candidates()
    tell(f"parameters {connection.local_username} {connection.local_password} ice2")
    for candidate in connection.local_candidates:
        tell("candidate " + candidate.to_sdp())
    tell("end")

    known = asyncio.Event()

    async def hear():
        while line := (await reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            if verb == "parameters":
                connection.remote_username, connection.remote_password = rest.split(" ")[:2]
                known.set()
            elif verb == "candidate":
                await connection.add_remote_candidate(aioice.Candidate.from_sdp(rest))
            elif verb == "end":
                await connection.add_remote_candidate(None)

    listening = asyncio.create_task(hear())
    await known.wait()
    await connection.connect()
    received = 0

    async def receive():
        nonlocal received
        while True:
            await connection.recv()
            received += 1

    receiving = asyncio.create_task(receive())
    sent = 0
    while received < 20 or sent < 60:
        await connection.send(DATA)
        sent += 1
        await asyncio.sleep(0.02)
    pair = connection._nominated[1]
    tell(f"done {pair.local_candidate.type} {pair.remote_candidate.type}")
    await asyncio.sleep(1)
    receiving.cancel()
    listening.cancel()


asyncio.run(main())
