"""The agent of peewee-async: a request from stdin, its reply to stdout, one JSON object a line.

The workloads are those of the crate `agent`, written as its documentation has them. What is read is checked each time.
"""

import asyncio
import itertools
import json
import sys
import time
from urllib.parse import parse_qs, urlsplit

import peewee
import peewee_async

ACCOUNTS = 1_000
SCALE = 1_000_000
NOTE = "written by a benchmark"

database = peewee_async.PooledPostgresqlDatabase(None)


class Base(peewee_async.AioModel):
    class Meta:
        database = database


class Account(Base):
    id = peewee.BigIntegerField(primary_key=True)
    balance = peewee.BigIntegerField()


class Entry(Base):
    id = peewee.BigAutoField()
    account = peewee.BigIntegerField()
    amount = peewee.BigIntegerField()
    note = peewee.CharField()


class Wide(Base):
    id = peewee.BigIntegerField(primary_key=True)
    account = peewee.BigIntegerField()
    name = peewee.CharField()
    note = peewee.CharField(null=True)
    amount = peewee.BigIntegerField()
    ratio = peewee.DoubleField()
    code = peewee.IntegerField()
    active = peewee.BooleanField()


class Refused(Exception):
    """Why the innermost block of H fails."""


async def write(job):
    task, key = job
    await Entry.aio_create(account=key, amount=task, note=NOTE)


async def balance(key):
    account = await Account.aio_get(Account.id == key)
    if account.balance // SCALE != key:
        raise ValueError(f"{account.balance} is not the balance of account {key}")


async def level(job, left):
    async with database.aio_atomic():
        await write(job)
        if left > 1:
            await level(job, left - 1)


async def hollow(left):
    async with database.aio_atomic():
        if left > 0:
            await hollow(left - 1)


async def select(job):
    await balance(job[1])


async def insert(job):
    async with database.aio_atomic():
        await write(job)


async def mixed(job):
    key = job[1]
    async with database.aio_atomic():
        await balance(key)
        await balance(key % ACCOUNTS + 1)
        await Account.update(balance=Account.balance + 1).where(Account.id == key).aio_execute()
        await write(job)


async def nested(job, depth):
    async with database.aio_atomic():
        await level(job, depth)


async def siblings(job, count):
    async with database.aio_atomic():
        for _ in range(count):
            async with database.aio_atomic():
                await write(job)


async def joined(job):
    """One after the other: its connection takes one query at a time."""
    async with database.aio_atomic():
        for steps in range(4):
            await balance((job[1] + steps - 1) % ACCOUNTS + 1)


async def caught(job):
    async with database.aio_atomic():
        await write(job)
        async with database.aio_atomic():
            await write(job)
            try:
                async with database.aio_atomic():
                    await write(job)
                    raise Refused
            except Refused:
                pass


async def read(wanted):
    rows = list(await Wide.select().order_by(Wide.id).limit(wanted).aio_execute())
    if len(rows) != wanted:
        raise ValueError(f"{len(rows)} rows read instead of {wanted}")
    for number in sorted({1, 2, 3, wanted // 2, wanted}):
        row = rows[number - 1]
        found = (row.id, row.account, row.name, row.note is None, row.amount, row.ratio, row.code, row.active)
        right = (
            number,
            number % 1000 + 1,
            f"name {number}",
            number % 3 == 0,
            number * 17,
            number / 8,
            number % 97,
            number % 2 == 0,
        )
        if found != right:
            raise ValueError(f"this is not row {number}: {found}")


def operation(workload):
    """The coroutine function of a workload, which takes a job."""
    simple = {"A": select, "B": insert, "C": mixed, "G": joined, "H": caught}
    if workload in simple:
        return simple[workload]
    if workload == "F":
        return lambda job: hollow(5)
    letter, number = workload[0], int(workload[1:] or {"E": 10, "R": 10_000}[workload])
    if letter == "R":
        return lambda job: read(number)
    return (lambda job: nested(job, number)) if letter == "D" else (lambda job: siblings(job, number))


def keys(task):
    """Keys of `account`, by Marsaglia's xorshift."""
    state = 0x9E3779B97F4A7C15 ^ ((task + 1) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF)
    while True:
        state ^= state << 13 & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 7
        state ^= state << 17 & 0xFFFFFFFFFFFFFFFF
        yield state % ACCOUNTS + 1


async def work(one, tasks, until, limit):
    """Runs so many tasks; returns how long each operation took, and what failed."""
    started = itertools.count()
    nanos, errors = [], []

    async def loop(task):
        for key in keys(task):
            if time.perf_counter_ns() >= until or next(started) >= limit:
                return
            began = time.perf_counter_ns()
            try:
                await one((task, key))
                nanos.append(time.perf_counter_ns() - began)
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")

    await asyncio.gather(*(loop(task) for task in range(tasks)))
    return nanos, errors


async def run(request, connections):
    one, tasks = operation(request["workload"]), request["tasks"]
    first = min(tasks, connections)
    warm, errors = await work(one, first, float("inf"), first)
    if errors:
        raise RuntimeError(errors[0])
    millis = request["millis"]
    until = time.perf_counter_ns() + millis * 1_000_000 if millis else float("inf")
    cpu, began = time.process_time_ns(), time.perf_counter_ns()
    nanos, errors = await work(one, tasks, until, float("inf") if millis else request["ops"])
    took = time.perf_counter_ns() - began
    nanos.sort()

    def at(part):
        return nanos[int(part * (len(nanos) - 1))] if nanos else 0

    figures = {
        "ops": len(nanos),
        "nanos": took,
        "warm": len(warm),
        "cpu": time.process_time_ns() - cpu,
        "median": at(0.5),
        "p99": at(0.99),
        "longest": at(1),
        "errors": len(errors),
    }
    if errors:
        figures["first_error"] = errors[0]
    return figures


async def close():
    if not database.deferred and database.is_connected:
        await database.aio_close()


async def answer(request, state):
    if request["do"] == "run":
        return {"figures": await run(request, state["connections"])}
    await close()
    if request["do"] == "open":
        url, state["connections"] = urlsplit(request["url"]), request["connections"]
        # By a unix socket the query tells where: a URL's host cannot be a path.
        named = {name: values[0] for name, values in parse_qs(url.query).items()}
        database.init(
            url.path.lstrip("/"),
            user=named.get("user", url.username),
            host=named.get("host", url.hostname),
            port=int(named.get("port", url.port or 5432)),
            max_connections=request["connections"],
        )
        await database.aio_connect()
        for workload in ("C", "G", "R10"):
            until = time.perf_counter_ns() + 60_000_000
            _, errors = await work(operation(workload), min(request["tasks"], state["connections"]), until, float("inf"))
            if errors:
                raise RuntimeError(errors[0])
    return "done"


async def main():
    loop, state = asyncio.get_running_loop(), {}
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            reply = await answer(json.loads(line), state)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


asyncio.run(main())
