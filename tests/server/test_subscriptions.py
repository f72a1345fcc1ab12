"""Subscriptions to `runs://{run_id}`: one poller per run reports each change of status, in both eras."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.client import Client, Transport
from mcp.server import Server
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import PromptsCapability, ResourcesCapability, ResourceUpdatedNotification, ToolsCapability
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.api import Run, connect
from runs_mcp.config.settings import Config
from runs_mcp.server import build_server
from runs_mcp.server.resources import subscriptions
from runs_mcp.server.resources.subscriptions import Session
from runs_mcp.server.runs import run_poller
from runs_mcp.server.runs.run_poller import RunPollers
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.runs.shared_state import OwnPollTurns, OwnRelay
from runs_mcp.server.runs.stream_hub import StreamHub
from tests.calls import PATIENT, call
from tests.http.service import connected, running
from tests.upstream import Upstream, reply, serving

pytestmark = [
    pytest.mark.usefixtures("quick_polls"),
    pytest.mark.anyio,
    pytest.mark.both_eras,
    pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed"),
]


class Subscriber:
    """A client of either era that can subscribe."""

    def __init__(self, server: Server[Any] | Transport, mode: str) -> None:
        self._send, self.updates = anyio.create_memory_object_stream[str](100)
        self.client = Client(server, mode=mode, message_handler=self._hear, client_info=PATIENT)

    async def _hear(self, message: Any) -> None:
        modern = self.client.protocol_version == "2026-07-28"  # whose updates `listen` yields
        if isinstance(message, ResourceUpdatedNotification) and not modern:
            await self._send.send(str(message.params.uri))

    @asynccontextmanager
    async def subscribed(self, uri: str) -> AsyncIterator[None]:
        """Subscribe to `uri` for the duration of the block."""
        async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:
            if self.client.protocol_version == "2026-07-28":
                subscription = await stack.enter_async_context(self.client.listen(resource_subscriptions=[uri]))

                async def hear() -> None:
                    async for event in subscription:
                        if isinstance(event, ResourceUpdated):
                            await self._send.send(event.uri)

                tasks.start_soon(hear)
            else:
                await self.client.subscribe_resource(uri)
                stack.push_async_callback(self.client.unsubscribe_resource, uri)
            yield
            tasks.cancel_scope.cancel()

    def close(self) -> None:
        """Stop collecting updates."""
        self._send.close()
        self.updates.close()


@pytest.fixture
async def subscriber(config: Config, mode: str) -> AsyncIterator[Subscriber]:
    """A client of either era of a server in front of the sandbox."""
    subscriber = Subscriber(build_server(config).mcp, mode)
    async with subscriber.client:
        yield subscriber
    subscriber.close()


async def test_the_server_announces_resource_subscriptions_and_no_list_changes(
    subscriber: Subscriber,
) -> None:
    said = subscriber.client.server_capabilities
    assert (said.prompts, said.tools) == (PromptsCapability(list_changed=False), ToolsCapability(list_changed=False))
    assert said.resources == ResourcesCapability(subscribe=True, list_changed=False)


async def test_a_subscriber_is_notified_of_the_end_of_a_run_and_reads_its_result(subscriber: Subscriber) -> None:
    client = subscriber.client
    created = await call(
        client, "create_run", interaction="SlowWriter", data={"chunks": 20, "delay_ms": 50}, wait=False
    )
    run_id = created.structured["id"]
    async with subscriber.subscribed(f"runs://{run_id}"):
        status = ""
        while status != "completed":
            assert await subscriber.updates.receive() == f"runs://{run_id}"
            status = (await call(client, "get_run", run_id=run_id)).structured["status"]


@asynccontextmanager
async def polled_until(ends: anyio.Event) -> AsyncIterator[tuple[RunPollers, Upstream, list[str]]]:
    """RunPollers of an API whose one run is processing until `ends`, the API, and the published URIs."""

    async def run(request: Request) -> Response:
        return await reply({"id": "r1", "status": "completed" if ends.is_set() else "processing"})(request)

    async with serving({"GET /runs/r1": run}) as upstream, connect(upstream.api) as runs:
        bus, published = InMemorySubscriptionBus(), list[str]()
        bus.subscribe(lambda event: published.append(event.uri) if isinstance(event, ResourceUpdated) else None)
        async with anyio.create_task_group() as tasks:
            yield (
                RunPollers(runs, StreamHub(runs, tasks, OwnRelay(), stall_s=30), tasks, bus, OwnPollTurns()),
                upstream,
                published,
            )


async def test_all_subscribers_of_a_run_share_a_poller() -> None:
    ends = anyio.Event()
    async with polled_until(ends) as (pollers, upstream, published):
        async with pollers.polling({"runs://r1": "r1", "runs://r1/result": "r1"}):
            async with pollers.polling({"runs://r1": "r1"}):
                assert upstream.count("GET /runs/r1") == 1
            ends.set()
            while len(published) < 2:
                await anyio.lowlevel.checkpoint()
            polls = upstream.count("GET /runs/r1")
        assert published == ["runs://r1", "runs://r1/result"]
    assert upstream.count("GET /runs/r1") == polls  # the run has ended: it is not polled again


async def test_polling_stops_after_the_last_unsubscribe() -> None:
    async with (
        polled_until(anyio.Event()) as (pollers, upstream, published),
        pollers.polling({"runs://r1": "r1"}),
    ):
        async with pollers.polling({"runs://r1": "r1"}):
            pass
        polls = upstream.count("GET /runs/r1")
        while upstream.count("GET /runs/r1") == polls:  # polled again for the other subscriber
            await anyio.lowlevel.checkpoint()
    assert published == []  # the block has ended, so no poller remains in the task group


async def test_the_end_of_a_connection_ends_its_subscriptions() -> None:
    with anyio.fail_after(10):  # a remaining poller would keep the block from ending
        async with polled_until(anyio.Event()) as (pollers, _, _), anyio.create_task_group() as connection:
            session = Session(pollers, connection)
            await session.subscribe("r1", "runs://r1")
            await session.subscribe("r1", "runs://r1")
            assert "runs://r1" in session
            connection.cancel_scope.cancel()
    assert "runs://r1" not in session


async def test_a_client_may_unsubscribe_before_the_api_has_answered_the_first_poll() -> None:
    async with (
        serving({"GET /runs/r1": hang}) as upstream,
        connect(upstream.api) as runs,
        anyio.create_task_group() as tasks,
        anyio.create_task_group() as connection,
    ):
        hub = StreamHub(runs, tasks, OwnRelay(), stall_s=30)
        session = Session(RunPollers(runs, hub, tasks, InMemorySubscriptionBus(), OwnPollTurns()), connection)
        async with anyio.create_task_group() as requests:
            requests.start_soon(session.subscribe, "r1", "runs://r1")
            while not upstream.asked:
                await anyio.lowlevel.checkpoint()
            session.unsubscribe("runs://r1")
    assert "runs://r1" not in session


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "runs://", "runs://a/b/c", "runs://../x", "runs://nowhere"])
async def test_only_runs_can_be_subscribed_to(config: Config, uri: str) -> None:
    async with Client(build_server(config).mcp, mode="legacy", client_info=PATIENT) as client:
        with pytest.raises(MCPError, match=r"cannot be subscribed to|There is no run"):
            await client.subscribe_resource(uri)


async def test_the_subscriptions_of_a_connection_and_of_a_caller_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MAX_SUBSCRIPTIONS", 2)
    monkeypatch.setattr(subscriptions, "MAX_CALLER_SUBSCRIPTIONS", 3)
    replies = {f"GET /runs/r{number}": reply({"id": f"r{number}", "status": "created"}) for number in range(4)}
    async with (
        serving(replies) as api,
        running(Config(api=api.api)) as at,
        connected(at, "legacy") as first,
        connected(at, "legacy") as second,
    ):
        for uri in ("runs://r0", "runs://r0", "runs://r1"):
            await first.subscribe_resource(uri)
        with pytest.raises(MCPError, match="This connection has 2 subscriptions; unsubscribe first"):
            await first.subscribe_resource("runs://r2")
        await second.subscribe_resource("runs://r2")
        with pytest.raises(MCPError, match="This caller has 3 subscriptions"):
            await second.subscribe_resource("runs://r3")
        await first.unsubscribe_resource("runs://r0")
        await second.subscribe_resource("runs://r3")


class SlowToLeave(OwnRelay):
    """A relay that passes on the end of a run once `left` is set."""

    def __init__(self) -> None:
        self.left = anyio.Event()

    @asynccontextmanager
    async def leading(self, follower: RunStream) -> AsyncIterator[None]:
        yield
        await self.left.wait()


async def test_a_run_is_polled_at_intervals_after_its_follower_has_given_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("FIRST_POLL_S", "LONGEST_POLL_S"):
        monkeypatch.setattr(run_poller, pause, 3_600)
    processing, asked_by_hub = reply({"id": "r1", "status": "processing"}), anyio.Event()

    async def to_hub(request: Request) -> Response:
        await asked_by_hub.wait()
        return await processing(request)

    relay = SlowToLeave()
    async with (
        serving({"GET /runs/r1": [to_hub, processing], "GET /runs/r2": processing}) as upstream,
        connect(upstream.api) as runs,
        anyio.create_task_group() as tasks,
    ):
        hub = StreamHub(runs, tasks, relay, stall_s=30)
        follower = hub.follow(Run({"id": "r1"}))
        while not upstream.asked:
            await anyio.lowlevel.checkpoint()
        async with RunPollers(runs, hub, tasks, InMemorySubscriptionBus(), OwnPollTurns()).polling({"runs://r1": "r1"}):
            asked_by_hub.set()
            await follower.ended.wait()
            for _ in range(20):
                await runs.get_run("r2")
            assert upstream.count("GET /runs/r1") == 3  # by the hub, at the start, and at the end of the follower
        relay.left.set()


async def hang(_: Request) -> Response:
    await anyio.sleep_forever()
    raise AssertionError


async def test_a_subscription_begins_although_the_api_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_poller, "LONGEST_FIRST_POLL_S", 0.1)

    names = [f"r{number}" for number in range(20)]
    async with (
        serving({f"GET /runs/{name}": hang for name in names}) as upstream,
        connect(upstream.api) as runs,
        anyio.create_task_group() as tasks,
    ):
        bus, hub = InMemorySubscriptionBus(), StreamHub(runs, tasks, OwnRelay(), stall_s=30)
        pollers = RunPollers(runs, hub, tasks, bus, OwnPollTurns())
        with anyio.fail_after(10):
            async with pollers.polling({f"runs://{name}": name for name in names}):
                while {*upstream.asked} != {f"GET /runs/{name}" for name in names}:
                    await anyio.lowlevel.checkpoint()
