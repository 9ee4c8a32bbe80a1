"""A client of `tallylight.v1` (`docs/protocol.md`): what `tallylight chat` and the load testers speak with the gateway.

It is also the model for other people's clients. From the inside out: `view` (pure: what a chat looks like after each
frame), `backoff` (pure: when to come back), `wire` (one websocket), `connection` (hello, requests, heartbeat), `link`
(a connection that comes back), `tickets` (who is connecting), `chat` (a chat that survives its connections). It needs
`websockets`, `msgspec` and `httpx2`.

    address = Address("https://chat.example")
    async with Tickets(address.url, api_key) as tickets, asyncio.TaskGroup() as tasks:
        chat = Chat(address, "deep-sea-lab", tickets, listener=MyListener())
        tasks.create_task(chat.run())
        await chat.send("Who is Dr Button?")
        ...
        chat.close()
"""
