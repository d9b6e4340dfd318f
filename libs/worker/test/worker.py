"""A worker in Python that uses only nats-py: python3 worker.py [pool]. It implements what docs/worker-protocol.md requires and nothing else."""

import asyncio
import json
import os
import signal
import ssl
import sys
import time

import nats
from nats.js.api import AckPolicy, ConsumerConfig

POOL = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BATUTA_POOL", "conformance")
CONSUMER = f"{POOL}-normal"
SLOTS = 10


class Failure(Exception):
    def __init__(self, code, message, retryable):
        super().__init__(message)
        self.code, self.retryable = code, retryable


async def conformance(task):
    what = task.get("do")
    if what == "fail":
        raise Failure(task["code"], task["message"], task["retryable"])
    if what == "throw":
        raise RuntimeError("An error without a code.")
    if what == "wait":
        await asyncio.sleep(task["ms"] / 1000)
    return task.get("value")


AGENTS = {"conformance": conformance}


async def answered(nc, subject, payload):
    """Sends a request until it is answered."""
    data = json.dumps(payload).encode()
    while True:
        try:
            return json.loads((await nc.request(subject, data, timeout=1)).data)
        except (asyncio.TimeoutError, nats.errors.Error):
            if nc.is_closed:
                raise
            await asyncio.sleep(0.2)


async def keep(message):
    """Keeps a task ours: without a sign of life for 2 s, another worker gets it."""
    while True:
        await asyncio.sleep(0.7)
        await message.in_progress()


async def run(task):
    agent = AGENTS.get(task.get("agent"))
    if agent is None:
        raise Failure("agent_unknown", f"This worker has no agent {task.get('agent')}.", True)
    limit = task.get("timeoutMs", 0) / 1000 or None
    try:
        return await asyncio.wait_for(agent(task.get("input") or {}), limit)
    except asyncio.TimeoutError:
        raise Failure("timeout", "Out of time.", True) from None


async def serve(nc, message):
    try:
        task = json.loads(message.data)
        ids = {name: task[name] for name in ("executionId", "stepId", "attempt")}
    except (ValueError, KeyError, TypeError):
        # This message is not a task, and delivering it again would not change that.
        return await message.term()
    ids["token"] = task.get("token")
    subject = f"batuta.execution.{task.get('partition', 0)}"
    lease = asyncio.create_task(keep(message))
    try:
        if task.get("checkFirst") or task.get("dispatch", 1) > 1 or message.metadata.num_delivered > 1:
            check = await answered(nc, f"{subject}.check", ids)
            if not check.get("wanted"):
                return await message.ack()
            if check.get("held"):
                return await message.nak(delay=1)
        if task.get("reportStart"):
            await answered(nc, f"{subject}.heartbeat", ids)
        result = {**ids, "workerId": f"python-{os.getpid()}", "startedAt": int(time.time() * 1000)}
        try:
            result.update(ok=True, output=await run(task))
        except Exception as error:
            failure = {"code": getattr(error, "code", "agent_error"), "message": str(error)}
            result.update(ok=False, failure={**failure, "retryable": getattr(error, "retryable", True)})
        result["finishedAt"] = int(time.time() * 1000)
        await answered(nc, f"{subject}.result", {"results": [result]})
        await message.ack()
    finally:
        lease.cancel()


async def main():
    credentials = os.environ.get("NATS_CREDS")
    authority = os.environ.get("BATUTA_NATS_TLS_CA")
    nc = await nats.connect(
        os.environ.get("NATS_URL", "nats://127.0.0.1:4222"),
        user_credentials=credentials,
        tls=ssl.create_default_context(cafile=authority) if authority else None,
        inbox_prefix=f"_INBOX.pool.{POOL}".encode() if credentials else b"_INBOX",
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,
        allow_reconnect=True,
    )
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    running = set()
    queue = None
    while not stopping.is_set():
        try:
            if queue is None:
                config = ConsumerConfig(
                    durable_name=CONSUMER,
                    name=CONSUMER,
                    filter_subject=f"batuta.step.{POOL}.normal.>",
                    ack_policy=AckPolicy.EXPLICIT,
                    ack_wait=2,
                    max_ack_pending=20_000,
                    max_waiting=2_048,
                )
                await nc.jetstream().add_consumer("STEPS", config)
                queue = await nc.jetstream().pull_subscribe_bind(CONSUMER, "STEPS")
                print(f"serving the pool {POOL}", flush=True)
            for message in await queue.fetch(SLOTS - len(running), timeout=1):
                work = asyncio.create_task(serve(nc, message))
                running.add(work)
                work.add_done_callback(running.discard)
            if len(running) >= SLOTS:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.TimeoutError:
            # No message came. Check at once whether the consumer still exists.
            try:
                await nc.jetstream().consumer_info("STEPS", CONSUMER)
            except (asyncio.TimeoutError, nats.errors.Error):
                queue = None
        except nats.errors.Error as error:
            print(f"the queue cannot be read, trying again: {error}", file=sys.stderr, flush=True)
            queue = None
            await asyncio.sleep(0.5)
    if running:
        await asyncio.wait(running)
    # The server must have the acknowledgements before the connection ends.
    await nc.flush(timeout=5)
    await nc.close()


asyncio.run(main())
