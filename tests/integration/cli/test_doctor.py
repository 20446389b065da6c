"""Each thing that can be wrong is made wrong, and the doctor says which it is and what mends it."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import psutil
import pytest
from nats.js.api import StreamConfig

from cli import migrating, nats, ports, postgres
from cli.doctoring import bus, databases, models, storing
from cli.doctoring.findings import Finding, Report
from cli.doctoring.patient import Patient, in_environment
from cli.progress import Progress
from cli.supervisor import Supervisor
from kit import database
from kit.bus import Bus
from kit.events import EVENTS
from kit.streams import declare_stream
from tests.running import RunningStack, run, temporary_home


async def seen(found: AsyncIterator[Finding]) -> dict[str, Finding]:
    """Return findings by what they are about; of several, the worst."""
    by_name: dict[str, Finding] = {}
    async for finding in found:
        if finding.what not in by_name or finding.verdict == "fix":
            by_name[finding.what] = finding
    return by_name


def told(**environment: str) -> Patient:
    return in_environment(environment, ())


# a stack that runs


def report(stack: RunningStack) -> tuple[int, Report]:
    done = stack.run("doctor", "--json")
    return done.returncode, msgspec.json.decode(done.stdout, type=Report)


def test_a_healthy_stack_needs_nothing(stack: RunningStack) -> None:
    done = stack.run("doctor")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1].startswith("0 to fix")
    code, said = report(stack)
    assert (code, said.ok) == (0, True)
    areas = {finding.area for finding in said.findings}
    assert areas == {
        "settings",
        "connections",
        "versions",
        "migrations",
        "models",
        "clock",
        "disk",
        "machine",
    }
    assert [each for each in said.findings if each.verdict == "skipped"] == []


def test_no_secret_is_printed(stack: RunningStack) -> None:
    printed = stack.run("doctor").stdout + stack.run("doctor", "--json").stdout
    hidden = {stack.card.password, stack.at.secret("postgres"), (stack.home / "secret").read_text()}
    hidden |= {stack.at.secret(f"nats {user}") for user in (nats.OPERATOR, *nats.MAY_SAY)}
    hidden |= {stack.at.secret(purpose) for purpose in ("files", "sealing")}
    assert [each for each in hidden if each in printed] == []


def test_a_service_that_hangs_is_named(stack: RunningStack) -> None:
    wallet = psutil.Process(stack.card.pids["wallet"])
    wallet.suspend()
    try:
        done = stack.run("doctor")
        code, said = report(stack)
    finally:
        wallet.resume()
    assert (code, said.ok, done.returncode) == (1, False, 1)
    assert done.stderr == "Something must be fixed.\n"
    (wrong,) = [each for each in said.findings if each.verdict == "fix"]
    assert (wrong.what, wrong.said) == ("wallet", "does not say how it is")
    assert "logs/wallet.log" in wrong.fix


def test_where_nothing_runs_the_machine_is_looked_at() -> None:
    with temporary_home() as home:
        done = run("doctor", home=home)
    assert "nothing runs in" in done.stdout
    assert "each as pinned" in done.stdout
    assert done.returncode == 0, done.stdout


def test_one_service_is_looked_at_by_its_environment() -> None:
    with temporary_home() as home:
        done = run("doctor", "--service=presets", home=home, DATABASE_URL="postgresql://nowhere")
    assert done.returncode == 1
    assert "NATS_URL is not set: Where the message bus is" in done.stdout


@pytest.mark.parametrize("service", ["wallet", "facereader", "gateway"])
def test_nothing_is_wrong_with_a_service_seen_from_where_it_runs(
    stack: RunningStack, service: str
) -> None:
    """As in its pod: with its own settings, and with its rights on the bus."""
    told = psutil.Process(stack.card.pids[service]).environ()
    with temporary_home() as home:
        done = run("doctor", f"--service={service}", "--json", home=home, **told)
    said = msgspec.json.decode(done.stdout, type=Report)
    assert [each for each in said.findings if each.verdict == "fix"] == [], done.stderr
    seen = {(each.area, each.what): each.verdict for each in said.findings}
    assert seen["settings", service] == "ok"
    assert seen["connections", f"nats as {service}"] == "ok"
    assert (("migrations", service) in seen) is (service == "wallet")
    assert (seen.get(("models", "models")) == "skipped") is (service != "facereader")


# the bus


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[nats.Nats]:
    """A bus on which no service runs."""
    keeper = Supervisor(Progress(), on_change=lambda: None)
    with temporary_home() as home:
        (port,) = ports.free(1)
        server = nats.Nats(home, port)
        await keeper.start([server.program()])
        yield server
        await keeper.stop()


async def test_a_wrong_password_of_the_bus_is_told_from_a_server_that_is_away(
    server: nats.Nats,
) -> None:
    wrong = server.url().replace(":", ":x", 2).replace("nats:x", "nats:")
    found = (await seen(bus.look(told(NATS_URL=wrong))))["nats"]
    assert (found.verdict, found.said) == (
        "fix",
        f"127.0.0.1:{server.port} does not let operator in: name or password is wrong",
    )
    assert server.url().split(":")[2].partition("@")[0] not in found.said + found.fix
    (free,) = ports.free(1)
    found = (await seen(bus.look(told(NATS_URL=f"nats://operator:pw@127.0.0.1:{free}"))))["nats"]
    assert (found.verdict, found.said) == ("fix", f"127.0.0.1:{free} does not answer")


async def test_each_user_of_the_bus_is_tried(server: nats.Nats) -> None:
    right = server.home.secret("nats qr")
    looked_at = told(NATS_URL=server.url(), NATS_PASSWORD_WALLET="wrong", NATS_PASSWORD_QR=right)
    found = await seen(bus.look(looked_at))
    assert found["nats as qr"].verdict == "ok"
    assert found["nats as wallet"].verdict == "fix"
    assert "does not let wallet in" in found["nats as wallet"].said


async def test_services_that_are_not_there_are_named(server: nats.Nats) -> None:
    found = await seen(bus.look(told(NATS_URL=server.url())))
    assert (found["facecrop"].verdict, found["facecrop"].said) == (
        "fix",
        "does not answer on the bus",
    )


async def test_a_server_without_tls_is_told_from_one_that_is_away(server: nats.Nats) -> None:
    url = server.url().replace("nats://", "tls://")
    found = (await seen(bus.look(told(NATS_URL=url))))["nats"]
    assert "offers no TLS" in found.said


async def test_a_stream_that_is_not_as_asked_is_found(server: nats.Nats) -> None:
    operator = await Bus.connect(server.url(), "test")
    jetstream = operator.client.jetstream()
    await jetstream.add_stream(StreamConfig(name=EVENTS.name, subjects=EVENTS.subjects, max_age=60))
    try:
        found = (await seen(bus.look(told(NATS_URL=server.url()))))["stream EVENTS"]
        assert found.verdict == "fix"
        assert "max_age: asked for 259200, has 60" in found.said
        await jetstream.delete_stream(str(EVENTS.name))
        found = (await seen(bus.look(told(NATS_URL=server.url()))))["stream EVENTS"]
        assert (found.verdict, found.said) == ("warning", "is not there yet")
        await declare_stream(jetstream, EVENTS)
        everything = [each async for each in bus.look(told(NATS_URL=server.url()))]
        clock = [each for each in everything if each.area == "clock"]
        assert [(each.what, each.verdict) for each in clock] == [("nats", "ok")]
        (stream,) = await jetstream.streams_info()
        assert stream.state.consumer_count == 0, "what was asked with is gone"
    finally:
        await jetstream.delete_stream(str(EVENTS.name))
        await operator.close()


async def test_a_server_without_jetstream_is_found() -> None:
    (port,) = ports.free(1)
    process = await asyncio.create_subprocess_exec(
        nats._binary(),
        "--addr",
        "127.0.0.1",
        "--port",
        str(port),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20):
            while not await _listens(port):  # noqa: ASYNC110 - another program is waited for
                await asyncio.sleep(0.05)
        found = (await seen(bus.look(told(NATS_URL=f"nats://127.0.0.1:{port}"))))["nats"]
    finally:
        process.terminate()
        await process.wait()
    assert (found.verdict, found.said.partition(":")[0]) == ("fix", "JetStream is off")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


# PostgreSQL


async def test_what_is_wrong_with_the_way_to_postgresql_is_told(
    postgres_server: postgres.Postgres,
) -> None:
    url = postgres_server.url("postgres")
    (free,) = ports.free(1)
    wrong = {
        url.replace(postgres_server.password, "wrong"): "does not let darkroom in",
        postgres_server.url("no_such"): "has no database no_such",
        url.replace(f":{postgres_server.port}/", f":{free}/"): "does not answer",
    }
    for each, sentence in wrong.items():
        found = (await seen(databases.look(told(DATABASE_URL=each))))["postgresql"]
        assert found.verdict == "fix"
        assert sentence in found.said
        assert postgres_server.password not in found.said + found.fix


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def fresh_url(postgres_server: postgres.Postgres) -> AsyncIterator[str]:
    name = f"doctor_{secrets.token_hex(6)}"
    await postgres_server.create(name)
    yield postgres_server.url(name)
    await postgres_server.drop(name)


async def test_migrations_that_wait_were_edited_or_are_from_the_future_are_told_apart(
    fresh_url: str,
) -> None:
    looked_at = told(DATABASE_URL=fresh_url)
    found = await seen(databases.look(looked_at))
    assert (found["presets"].verdict, found["presets"].said.partition(":")[0]) == (
        "warning",
        "1 not applied yet",
    )
    await database.migrate(fresh_url, "presets", migrating.schema("presets"))
    found = await seen(databases.look(looked_at))
    assert (found["presets"].verdict, found["presets"].said) == ("ok", "1 applied, none waits")
    await execute(
        fresh_url, "INSERT INTO public.migrations VALUES ('presets', '0009_later.sql', 'x')"
    )
    found = await seen(databases.look(looked_at))
    assert "0009_later.sql was applied by a newer version" in found["presets"].said
    await execute(fresh_url, "UPDATE public.migrations SET checksum = 'of another text'")
    found = await seen(databases.look(looked_at))
    assert found["presets"].verdict == "fix"
    assert "was edited after it was applied" in found["presets"].said


async def test_an_edited_file_is_found(fresh_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "schema"
    shutil.copytree(migrating.schema("presets"), folder)
    await database.migrate(fresh_url, "presets", folder)
    (file,) = folder.glob("*.sql")
    file.write_text(file.read_text() + "\n-- a word more\n")
    connection = await asyncpg.connect(fresh_url)
    stands = await database.standing(connection, "presets", folder)
    await connection.close()
    assert (stands.edited, stands.pending, stands.unknown) == ([file.name], [], [])


async def test_a_role_without_rights_is_found(
    fresh_url: str, postgres_server: postgres.Postgres
) -> None:
    name = f"poor_{secrets.token_hex(4)}"
    await execute(fresh_url, f"CREATE ROLE {name} LOGIN PASSWORD 'pw'", "CREATE SCHEMA presets")
    url = fresh_url.replace(f"darkroom:{postgres_server.password}@", f"{name}:pw@")
    try:
        found = [each async for each in databases.look(told(DATABASE_URL=url))]
    finally:
        await execute(fresh_url, f"DROP ROLE {name}")
    wrong = [each.said for each in found if each.verdict == "fix"]
    assert f"{name} may not make tables in" in wrong[0]
    assert wrong[1] == f"{name} may not use the schema presets, which another role made"


async def test_a_server_that_may_forget_tokens_is_found(fresh_url: str) -> None:
    database_name = fresh_url.rpartition("/")[2]
    await execute(fresh_url, f'ALTER DATABASE "{database_name}" SET synchronous_commit = off')
    found = (await seen(databases.look(told(DATABASE_URL=fresh_url))))["postgresql"]
    assert (found.verdict, found.said) == (
        "fix",
        "synchronous_commit is off: tokens that were booked may be gone after a crash",
    )


async def test_a_superuser_is_warned_of_where_the_server_is_not_ours(fresh_url: str) -> None:
    found = (await seen(databases.look(told(DATABASE_URL=fresh_url))))["postgresql"]
    assert (found.verdict, found.said.partition(":")[0]) == (
        "warning",
        "darkroom is a superuser",
    )


# storage and models


async def test_storage_is_written_read_and_left_as_it_was(tmp_path: Path) -> None:
    found = (await seen(storing.look(told(STORAGE_URL=tmp_path.as_uri()))))["storage"]
    assert found.verdict == "ok"
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [("/nowhere/at/all", "is not there"), ("/proc", "cannot be written to")],
)
async def test_storage_that_takes_nothing_is_found(folder: str, sentence: str) -> None:
    found = (await seen(storing.look(told(STORAGE_URL=f"file://{folder}"))))["storage"]
    assert found.verdict == "fix"
    assert sentence in found.said
    assert not await asyncio.to_thread(os.path.exists, "/nowhere")


async def test_a_triton_that_is_away_is_found() -> None:
    (free,) = ports.free(1)
    found = (await seen(models.look(told(TRITON_URL=f"127.0.0.1:{free}"))))["triton"]
    assert (found.verdict, found.said) == ("fix", f"127.0.0.1:{free} does not answer")


async def test_each_model_is_asked(triton_url: str) -> None:
    found = await seen(models.look(told(TRITON_URL=triton_url, UPSCALER="upscaler")))
    assert found["triton"].verdict == "ok"
    assert (found["upscaler"].verdict, found["upscaler"].said) == (
        "fix",
        "gives no answer to a blank picture (ModelRefused)",
    )
