"""Replicas that share a real Redis. Run by name; needs `redis-server`, which CI installs."""

import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import CLIENT_CAPABILITIES_META_KEY
from pydantic import SecretStr
from redis.asyncio import Redis as Client
from starlette.requests import Request
from starlette.responses import Response

from runs_mcp.api import AuthenticationError, NotFoundError, RunsApiError
from runs_mcp.cli.check import configuration
from runs_mcp.cli.check.findings import Finding, Outcome
from runs_mcp.cli.check.redis_connection import redis as check_of_redis
from runs_mcp.cli.check.runner import examine
from runs_mcp.config.http_settings import BearerAuthSettings
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config, CreateLimitSettings, ProfileSettings
from runs_mcp.http.app import build_service
from runs_mcp.http.auth import keys
from runs_mcp.redis.connection import DEADLINE_S, MOST_AT_ONCE, CircuitBreaker, GuardedRedis
from runs_mcp.redis.leases import Leases
from runs_mcp.redis.poll_turns import RedisPollTurns
from runs_mcp.redis.request_keys import RedisRequestKeys
from runs_mcp.redis.request_state import SharedKeyCodec
from runs_mcp.redis.start_counts import RedisStartCounts
from runs_mcp.redis.stream_appender import Entry, StreamAppender
from runs_mcp.redis.stream_relay import RedisRelay
from runs_mcp.server.create.create_limit import CreateLimit, CreateLimitError
from runs_mcp.server.create.idempotent_create import LostCreateError, RequestKeyConflictError
from runs_mcp.server.runs.run_stream import RunStream
from runs_mcp.server.runs.shared_state import KeyedRun
from tests import upstream
from tests.calls import Answer, Notifications, call
from tests.deploy.redis_server import Redis, redis_server
from tests.http.service import META, MODERN, Running, bearer, configured, connected, running
from tests.ports import free_ports
from tests.ui.conftest import admitted
from tests.upstream import CLOSE, Replies, Upstream, chunk, events, reply

pytestmark = pytest.mark.anyio

CREATE, GET, STREAM = "POST /runs", "GET /runs/r1", "GET /runs/r1/stream"
CREATED = {"id": "r1", "status": "created"}
PROCESSING = {"id": "r1", "status": "processing"}
DONE = {"id": "r1", "status": "completed", "result": "one two three"}
TEXT = DONE["result"]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    """A separate Redis for each test."""
    async with redis_server(tmp_path) as started:
        yield started


def sharing(api: Upstream, redis_url: str, **http: Any) -> Config:
    """The configuration of a replica in front of `api`."""
    config = configured(api, **http)
    server = config.server.model_copy(update={"redis_url": SecretStr(redis_url)})
    return config.model_copy(update={"server": server})


def limited(config: Config, **limit: int) -> Config:
    """The configuration with a limit of started runs."""
    server = config.server.model_copy(update={"create_limit": CreateLimitSettings.model_validate(limit)})
    return config.model_copy(update={"server": server})


@asynccontextmanager
async def replicas(config: Config, number: int) -> AsyncIterator[list[Running]]:
    """Run `number` replicas in this process, which share nothing but Redis."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(config)) for _ in range(number)]


class Heard(Notifications):
    """Notifications that set an event at the first text."""

    def __init__(self) -> None:
        super().__init__()
        self.something = anyio.Event()

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        await super().__call__(progress, total, message)
        if message:
            self.something.set()


class Agent:
    """An agent that follows run r1 at one replica and keeps the answer."""

    def __init__(self) -> None:
        self.progress = Heard()
        self.answer: Answer | None = None

    async def follow(self, at: Running, mode: str) -> None:
        """Follow the run to its end."""
        async with connected(at, mode) as client:
            self.answer = await call(client, "stream_run", run_id="r1", progress=self.progress)


def until(event: anyio.Event, before: Any, after: Any) -> Callable[[Request], Any]:
    """Return a reply that is `before` until `event` is set, and `after` from then on."""

    async def answer(request: Request) -> Response:
        return await reply(after if event.is_set() else before)(request)

    return answer


async def test_followers_on_all_replicas_share_a_stream_of_the_api(redis: Redis, mode: str) -> None:
    more, ended = anyio.Event(), anyio.Event()
    agents = [Agent() for _ in range(6)]

    async def stream(request: Request) -> Response:
        started.set()
        return await events(chunk("one "), chunk("two "), more, chunk("three"), CLOSE)(request)

    started = anyio.Event()
    replies: Replies = {GET: until(ended, PROCESSING, DONE), STREAM: stream, CREATE: reply(CREATED)}
    async with upstream.serving(replies) as api, replicas(sharing(api, redis.url), 3) as services:
        async with connected(services[0], mode) as client, anyio.create_task_group() as tasks:
            await call(client, "create_run", interaction="i", wait=False)
            await started.wait()
            for number, agent in enumerate(agents):
                tasks.start_soon(agent.follow, services[number % 3], mode)
            for agent in agents:
                await agent.progress.something.wait()  # each has heard the beginning
            ended.set()
            more.set()
        assert api.count(STREAM) == 1
    for agent in agents:
        assert agent.answer
        assert (agent.progress.text, agent.answer.structured["result"]) == (TEXT, TEXT)


async def test_the_dashboard_receives_the_text_that_a_replica_reads(redis: Redis, tmp_path: Path) -> None:
    never, started = anyio.Event(), anyio.Event()

    async def stream(request: Request) -> Response:
        started.set()
        return await events(chunk("one "), never)(request)

    replies: Replies = {GET: until(never, PROCESSING, DONE), STREAM: stream, CREATE: reply(CREATED)}
    async with upstream.serving(replies) as api, running(sharing(api, redis.url)) as replica:
        settings = {"base_url": f"{api.url}/api/v1", "auth": {"value": upstream.TOKEN}}
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"api": settings, "server": {"redis_url": redis.url}}), encoding="utf-8")
        async with connected(replica, MODERN) as client:
            await call(client, "create_run", interaction="i", wait=False)
            await started.wait()
        async with admitted("--config", str(file)) as dashboard, dashboard.client() as page:
            text = ""
            with anyio.fail_after(30):
                while not text:
                    text = (await call(page, "stream_run", run_id="r1", wait=False)).structured["text"]
        assert text == "one "
        assert api.count(STREAM) == 1


async def test_the_text_outlives_the_replica_that_read_it(redis: Redis) -> None:
    never, ended, agent = anyio.Event(), anyio.Event(), Agent()
    replies: Replies = {
        CREATE: reply(CREATED),
        GET: until(ended, PROCESSING, DONE),
        STREAM: events(chunk("one "), chunk("two "), never),
    }
    async with upstream.serving(replies) as api:
        config = sharing(api, redis.url)
        async with running(config) as other, anyio.create_task_group() as tasks, AsyncExitStack() as leading:
            leader = await leading.enter_async_context(running(config))
            async with connected(leader, "auto") as client:
                await call(client, "create_run", interaction="i", wait=False)
            tasks.start_soon(agent.follow, other, "auto")
            await agent.progress.something.wait()
            ended.set()
            await leading.aclose()
        never.set()
        assert api.count(STREAM) == 1
    assert agent.answer
    assert (agent.progress.text, agent.answer.structured["result"]) == (TEXT, TEXT)


async def test_a_stream_without_text_is_not_opened_again_after_the_replica_that_read_it(redis: Redis) -> None:
    never, opened, followed, agent = anyio.Event(), anyio.Event(), anyio.Event(), Agent()

    async def stream(request: Request) -> Response:
        opened.set()
        return await events(never)(request)

    replies: Replies = {CREATE: reply(CREATED), GET: until(followed, CREATED, DONE), STREAM: stream}
    async with upstream.serving(replies) as api:
        config = sharing(api, redis.url)
        async with running(config) as other, anyio.create_task_group() as tasks, AsyncExitStack() as leading:
            leader = await leading.enter_async_context(running(config))
            async with connected(leader, "auto") as client:
                await call(client, "create_run", interaction="i", wait=False)
            await opened.wait()
            tasks.start_soon(agent.follow, other, "auto")
            async with Client.from_url(redis.url) as client_of_redis:
                with anyio.fail_after(30):
                    while not [name async for name in client_of_redis.scan_iter("*:woken:*")]:
                        await anyio.lowlevel.checkpoint()
            followed.set()
            await leading.aclose()
        never.set()
        assert api.count(STREAM) == 1
    assert agent.answer
    assert agent.answer.structured["result"] == TEXT


async def test_the_lease_of_a_dead_replica_tells_that_a_run_was_led(redis: Redis) -> None:
    async with GuardedRedis.connect(redis.url) as client:
        await client.set("place:lead:r1", "a dead replica")
        relay = RedisRelay(client, Leases(client, "place"), "place")
        assert [await relay.read(RunStream(run_id)) for run_id in ("r1", "r2")] == ["successor", "leader"]


async def test_a_request_key_creates_a_single_run_across_replicas(redis: Redis) -> None:
    asked, both = anyio.Event(), list[Answer]()

    async def create(request: Request) -> Response:
        asked.set()
        await anyio.sleep(0.1)  # the other replica asks before this reply
        return await reply(DONE)(request)

    async def ask(at: Running) -> None:
        async with connected(at, "auto") as client:
            both.append(await call(client, "create_run", interaction="i", request_key="k"))

    replies: Replies = {CREATE: create, GET: reply(DONE), "GET /runs": reply([])}  # an outdated list
    async with upstream.serving(replies) as api, replicas(sharing(api, redis.url), 2) as services:
        async with anyio.create_task_group() as tasks:
            for one in services:
                tasks.start_soon(ask, one)
        assert api.count(CREATE) == 1
    assert [answer.structured["id"] for answer in both] == ["r1", "r1"]


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("no interaction", status=404),
        AuthenticationError("no access", status=401),
        RunsApiError("no answer"),
        LostCreateError("tag", RunsApiError("no answer"), searched=True),
        RequestKeyConflictError("r1"),
        ValueError("a flaw"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_of_a_create_with_a_request_key_arrives_unchanged(redis: Redis, error: Exception) -> None:
    async with GuardedRedis.connect(redis.url) as client:
        keys_of_replicas = [RedisRequestKeys(client, "place") for _ in range(2)]
        for request_keys in keys_of_replicas:  # the second acquires the lock that the first has released
            with pytest.raises(type(error)) as raised:
                async with request_keys.held("k"):
                    raise error
            assert raised.value is error


async def test_a_replica_finds_the_run_of_a_request_key_itself_if_redis_has_lost_it(redis: Redis) -> None:
    async with GuardedRedis.connect(redis.url) as client:
        request_keys, run = RedisRequestKeys(client, "place"), KeyedRun("r1", "request")
        await request_keys.keep("k", run)
        assert await RedisRequestKeys(client, "place").find("k") == run
        await client.flushall()
        assert await request_keys.find("k") == run


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
async def test_a_request_key_does_not_change_the_message_of_an_error(redis: Redis, status: int) -> None:
    failed = reply({"message": "no such thing"}, status)
    replies: Replies = {CREATE: failed, "GET /runs": reply([]), "GET /interactions/resolve/i": failed}
    async with upstream.serving(replies) as api:
        messages = []
        for config in (sharing(api, redis.url), configured(api)):
            async with running(config) as at, connected(at, "auto") as client:
                answer = await call(client, "create_run", interaction="i", request_key="k")
                assert answer.failed
                messages.append(answer.text.partition(" (Request ")[0])
    assert messages[0] == messages[1]


async def test_rate_limits_count_requests_to_all_replicas(redis: Redis) -> None:
    replies: Replies = {"GET /runs": reply([])}
    async with upstream.serving(replies) as api, replicas(sharing(api, redis.url, rate_limit=4), 2) as services:
        statuses = [(await services[number % 2].ask("tools/list")).status_code for number in range(6)]
        [refused] = {(await one.ask("tools/list")).headers["retry-after"] for one in services}
    assert statuses == [200] * 4 + [429] * 2
    assert 1 <= int(refused) <= 15


async def created(at: Running) -> Answer:
    async with connected(at, "auto") as client:
        return await call(client, "create_run", interaction="i", wait=False)


ENDED: Replies = {CREATE: reply(DONE)}


async def test_runs_that_all_replicas_start_count_together(redis: Redis) -> None:
    async with upstream.serving(ENDED) as api:
        config = limited(sharing(api, redis.url), per_hour=3)
        async with replicas(config, 2) as services:
            answers = [await created(services[number % 2]) for number in range(5)]
        assert api.count(CREATE) == 3
    assert [one.failed for one in answers] == [False, False, False, True, True]
    assert "server.create_limit.per_hour" in answers[-1].text
    assert " UTC, in 6" in answers[-1].text


async def test_runs_started_at_once_never_exceed_the_limit(redis: Redis) -> None:
    limit, taken = CreateLimitSettings(per_hour=30, per_day=20), []

    async def take(counts: RedisStartCounts) -> None:
        taken.append(await counts.take(limit))

    async with Client.from_url(redis.url, decode_responses=True) as client:
        replica_counts = [RedisStartCounts(client, "place") for _ in range(4)]
        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(take, replica_counts[number % 4])
        minutes = [minute for minute in taken if minute is not None]
        assert len(minutes) == 20
        await replica_counts[0].give_back(minutes[0])
        _, counts = await replica_counts[1].read()
    assert sum(counts.values()) == 19


async def test_a_replica_remembers_the_runs_that_it_started_if_redis_loses_its_data(redis: Redis) -> None:
    async with Client.from_url(redis.url, decode_responses=True) as client:
        limit = CreateLimit(CreateLimitSettings(per_day=2), RedisStartCounts(client, "place"))
        for _ in range(2):
            await limit.take()
        await client.flushall()
        with pytest.raises(CreateLimitError), anyio.fail_after(10):
            await limit.take()
        assert await client.hvals("place:started") in ([], ["0"])


async def test_without_redis_a_replica_counts_its_own_runs(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        upstream.serving(ENDED) as api,
        replicas(limited(sharing(api, redis.url), per_hour=3), 2) as [first, second],
    ):
        before = [await created(first), await created(second)]
        redis.process.kill()
        await redis.process.wait()
        after = [await created(first) for _ in range(3)]
    assert [one.failed for one in [*before, *after]] == [False, False, False, False, True]
    assert "this replica continues alone" in caplog.text


async def test_a_change_is_notified_by_every_replica(redis: Redis) -> None:
    ended, told, listening = anyio.Event(), list[str](), list[int]()
    replies: Replies = {GET: until(ended, PROCESSING, DONE)}

    async def listen(at: Running, number: int) -> None:
        async with (
            connected(at, "auto") as client,
            client.listen(resource_subscriptions=["runs://r1"]) as subscription,
        ):
            listening.append(number)
            async for event in subscription:
                assert isinstance(event, ResourceUpdated)
                told.append(f"{number} {event.uri}")
                return

    async with (
        upstream.serving(replies) as api,
        replicas(sharing(api, redis.url), 3) as services,
        anyio.create_task_group() as tasks,
    ):
        for number, one in enumerate(services):
            tasks.start_soon(listen, one, number)
        while len(listening) < 3:
            await anyio.lowlevel.checkpoint()
        ended.set()
    assert sorted(told) == [f"{number} runs://r1" for number in range(3)]


async def test_a_polling_replica_notifies_changes_of_parts_that_others_watch(redis: Redis) -> None:
    watched, told, ended = ["runs://r1", "runs://r1/result"], list[str](), anyio.Event()
    listening = {uri: anyio.Event() for uri in watched}

    async def listen(at: Running, uri: str) -> None:
        async with connected(at, "auto") as client, client.listen(resource_subscriptions=[uri]) as subscription:
            listening[uri].set()
            async for event in subscription:
                assert isinstance(event, ResourceUpdated)
                told.append(event.uri)
                return

    async with (
        upstream.serving({GET: until(ended, PROCESSING, DONE)}) as api,
        replicas(sharing(api, redis.url), 2) as services,
        anyio.create_task_group() as tasks,
    ):
        for one, uri in zip(services, watched, strict=True):
            tasks.start_soon(listen, one, uri)
        for event in listening.values():
            await event.wait()
        ended.set()
    assert sorted(told) == watched


async def test_replicas_take_turns_polling_a_run_and_share_the_result(redis: Redis) -> None:
    async with Client.from_url(redis.url, decode_responses=True) as client:
        first, second = RedisPollTurns(client, "here"), RedisPollTurns(client, "here")
        assert [await one.due("r1", 60) for one in (first, second)] == [True, False]
        seen = [(first, "processing"), (second, "processing"), (second, "completed"), (first, "completed")]
        assert [await one.changed("r1", status) for one, status in seen] == [False, False, True, False]


async def test_a_question_of_a_replica_may_be_answered_to_another(redis: Redis) -> None:
    replies: Replies = {CREATE: reply(DONE)}
    async with upstream.serving(replies) as api:
        config = sharing(api, redis.url)
        confirming = config.model_copy(update={"server": config.server.model_copy(update={"confirm_create": True})})
        async with replicas(confirming, 2) as services:
            question = await asked(services[0])
            [key] = question["inputRequests"]
            said = {key: {"action": "accept", "content": {key: "yes"}}}
            answer = await asked(services[1], inputResponses=said, requestState=question["requestState"])
            assert answer["structuredContent"]["id"] == "r1"
        assert api.count(CREATE) == 1


async def test_replicas_agree_on_a_new_key_for_questions_after_redis_has_lost_it(redis: Redis) -> None:
    async with Client.from_url(redis.url, decode_responses=True) as client:
        old, other, new = (SharedKeyCodec(client, "key") for _ in range(3))
        for codec in (old, other):
            await codec.fetch()
        asked_before = old.seal(b"a question")
        await client.flushall()
        for codec in (new, old, other):
            await codec.fetch()
        for sealing in (old, other, new):
            sealed = sealing.seal(b"a question")
            assert [codec.unseal(sealed) for codec in (old, other, new)] == [b"a question"] * 3
        assert [codec.unseal(asked_before) for codec in (old, other)] == [b"a question"] * 2


async def asked(at: Running, **answers: Any) -> dict[str, Any]:
    """Send a create that must be confirmed, and return the answer. A real client would ask the same replica again."""
    meta = {**META, CLIENT_CAPABILITIES_META_KEY: {"elicitation": {"form": {}}}}
    params = {"name": "create_run", "arguments": {"interaction": "i"}, "_meta": meta, **answers}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "create_run"}
    answer = await at.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, **headers)
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    result: dict[str, Any] = json.loads(lines[-1] if lines else answer.text)["result"]
    return result


async def test_profiles_share_nothing(redis: Redis, tmp_path: Path) -> None:
    replies: Replies = {CREATE: [reply({**DONE, "id": "a"}), reply({**DONE, "id": "b"})], "GET /runs": reply([])}
    file = tmp_path / "keys.json"
    caller_keys = {name: keys.add(file, name, ("runs:read", "runs:create")) for name in ("one", "other")}
    async with upstream.serving(replies) as api:
        auth = BearerAuthSettings(kind="bearer", keys_file=file)
        config = sharing(api, redis.url, auth=auth).model_copy(
            update={"profiles": {name: ProfileSettings(callers=(name,)) for name in caller_keys}}
        )
        made = []
        async with running(config) as at:
            for key in caller_keys.values():
                async with connected(at, "auto", bearer(key)) as client:
                    made.append((await call(client, "create_run", interaction="i", request_key="k")).structured["id"])
    assert made == ["a", "b"]


async def test_without_redis_each_replica_works_alone(redis: Redis) -> None:
    replies: Replies = {
        CREATE: reply(CREATED),
        GET: [reply(CREATED), reply(DONE)],
        STREAM: events(chunk("one two three"), CLOSE),
        "GET /runs": reply([]),
    }
    async with upstream.serving(replies) as api, running(sharing(api, redis.url, rate_limit=100)) as at:
        redis.process.kill()
        await redis.process.wait()
        progress = Notifications()
        async with connected(at, "auto") as client:
            answer = await call(client, "create_run", interaction="i", request_key="k", progress=progress)
    assert (answer.structured["result"], progress.text) == (TEXT, TEXT)


async def test_a_hung_redis_delays_a_single_request_and_is_used_again_after_it_recovers(redis: Redis) -> None:
    replies: Replies = {CREATE: reply(DONE), GET: reply(DONE), "GET /runs": reply([])}
    async with upstream.serving(replies) as api, running(sharing(api, redis.url, rate_limit=1_000)) as at:
        circuit = circuit_of(at)
        async with connected(at, "auto") as client:
            redis.process.send_signal(signal.SIGSTOP)
            with anyio.fail_after(10 * DEADLINE_S):  # without the circuit breaker, each of 30 commands had a deadline
                for number in range(10):
                    answer = await call(client, "create_run", interaction="i", request_key=f"k{number}")
                    assert not answer.failed
            assert circuit.open
            redis.process.send_signal(signal.SIGCONT)
            with anyio.fail_after(30):
                while circuit.open:
                    await anyio.lowlevel.checkpoint()
            await call(client, "create_run", interaction="i", request_key="again")
    async with Client.from_url(redis.url, decode_responses=True) as kept:
        assert [name async for name in kept.scan_iter("*created*")]


async def test_commands_of_a_burst_share_a_few_connections(redis: Redis) -> None:
    async def set_key(number: int) -> None:
        await client.set(f"k{number}", "1")

    async with GuardedRedis.connect(redis.url) as client, anyio.create_task_group() as tasks:
        for number in range(10 * MOST_AT_ONCE):
            tasks.start_soon(set_key, number)
    assert not client.circuit.open
    async with Client.from_url(redis.url) as counting:
        assert await counting.dbsize() == 10 * MOST_AT_ONCE
        assert (await counting.info("stats"))["total_connections_received"] <= MOST_AT_ONCE + 2


async def test_entries_that_wait_together_reach_their_streams_in_order(redis: Redis) -> None:
    ids: dict[str, list[str | None]] = {f"s{number}": [] for number in range(50)}

    async def write(appender: StreamAppender, stream: str) -> None:
        for number in range(10):
            ids[stream].append(await appender.append(Entry(stream, {"number": str(number)}, kept_s=60)))

    async with GuardedRedis.connect(redis.url) as client:
        appender = StreamAppender(client)
        async with anyio.create_task_group() as running_appender:
            running_appender.start_soon(appender.run)
            async with anyio.create_task_group() as writers:
                for stream in ids:
                    writers.start_soon(write, appender, stream)
            running_appender.cancel_scope.cancel()
        for stream, known in ids.items():
            assert await client.xrange(stream) == [(known[number], {"number": str(number)}) for number in range(10)]
            assert 0 < await client.ttl(stream) <= 60


async def test_entries_are_given_up_if_redis_fails(redis: Redis) -> None:
    async with GuardedRedis.connect(redis.url) as client:
        redis.process.kill()
        await redis.process.wait()
        appender = StreamAppender(client)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(appender.run)
            assert [await appender.append(Entry("s", {"number": "1"})) for _ in range(2)] == [None, None]
            tasks.cancel_scope.cancel()


async def test_a_replica_starts_without_redis_and_joins_the_others_once_it_answers(tmp_path: Path) -> None:
    [port] = free_ports(1)
    async with (
        upstream.serving({"GET /runs": reply([])}) as api,
        running(sharing(api, f"redis://127.0.0.1:{port}/0", rate_limit=4)) as at,
    ):
        circuit = circuit_of(at)
        assert (await at.ask("tools/list")).status_code == 200
        assert circuit.open
        async with redis_server(tmp_path, port=port) as redis:
            with anyio.fail_after(30):
                while circuit.open:
                    await anyio.lowlevel.checkpoint()
            async with running(sharing(api, redis.url, rate_limit=4)) as other:
                both = [(await (at, other)[number % 2].ask("tools/list")).status_code for number in range(6)]
    assert both == [200] * 4 + [429] * 2


def circuit_of(at: Running) -> CircuitBreaker:
    """Return the circuit breaker of a replica."""
    [server] = at.service.servers
    relay = server.lifespan._shared.relay
    assert isinstance(relay, RedisRelay)
    return relay._redis.circuit


async def test_scripts_and_keys_work_on_a_cluster(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--cluster-enabled", "yes") as redis:
        async with Client.from_url(redis.url) as client:
            await client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")  # type: ignore[no-untyped-call]
            with anyio.fail_after(30):
                while "cluster_state:ok" not in str(
                    await client.execute_command("CLUSTER", "INFO")  # type: ignore[no-untyped-call]
                ):
                    await anyio.lowlevel.checkpoint()
        replies: Replies = {
            CREATE: reply(CREATED),
            GET: [reply(CREATED), reply(DONE)],
            STREAM: events(chunk("one two three"), CLOSE),
            "GET /runs": reply([]),
        }
        async with (
            upstream.serving(replies) as api,
            replicas(limited(sharing(api, redis.url, rate_limit=100), per_day=2), 2) as services,
        ):
            async with connected(services[0], "auto") as client:
                first = await call(client, "create_run", interaction="i", request_key="k")
            async with connected(services[1], "auto") as client:
                again = await call(client, "create_run", interaction="i", request_key="k")
            assert not any(circuit_of(at).open for at in services)
            assert api.count(CREATE) == 1
    assert (first.structured["id"], again.structured["id"]) == ("r1", "r1")


async def test_a_redis_url_that_cannot_work_is_rejected_at_start_without_its_password() -> None:
    async with upstream.serving({}) as api:
        config = sharing(api, "redis://:hidden@127.0.0.1:1/0?socket_timeout=soon")
        with pytest.raises(ConfigError, match=r"server\.redis_url: Redis cannot be used") as refused:
            build_service(config, host="127.0.0.1")
    assert "hidden" not in str(refused.value)
    assert "hidden" not in repr(config)


async def test_check_names_the_redis_that_answers(redis: Redis, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"server": {"redis_url": redis.url}}), encoding="utf-8")
    found: dict[str, Finding] = {}
    await examine(file, on_finding=found.__setitem__, checks=[configuration.configuration, check_of_redis])
    assert found["redis"].outcome is Outcome.OK
    assert found["redis"].text == f"Redis {found['redis'].facts['version']} answers"
