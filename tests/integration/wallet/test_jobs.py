"""Holds that wait for a job: without a lease, until whoever keeps the job ends them."""

import asyncio
from uuid import uuid4

import pytest

from kit.database import Pool
from proto.errors import IdempotencyConflict, NotFound, ReservationEnded
from proto.ids import AccountId, JobId
from proto.wallet import Attach, Balance, Refund, Release, Reservation
from services.wallet.ledger import Ledger
from tests.integration.wallet.books import Replica, lapse, reserve, settle


@pytest.fixture
async def hold(ledger: Ledger, account: AccountId) -> Reservation:
    return await ledger.reserve(reserve(account, 30))


def attach(account: AccountId, hold: Reservation, job: JobId | None = None) -> Attach:
    return Attach(account=account, number=hold.number, job=job or JobId(uuid4()))


async def test_an_attached_hold_does_not_lapse(
    ledger: Ledger, pool: Pool, account: AccountId, hold: Reservation
) -> None:
    attached = await ledger.attach(attach(account, hold))
    assert (attached.number, attached.state, attached.available) == (hold.number, "held", 70)
    assert await pool.fetchval(
        "SELECT expires_at IS NULL FROM wallet.reservations WHERE number = $1", hold.number
    )
    assert await ledger.expire() == 0
    assert (await ledger.settle(settle(hold, account, 30))).consumed == 30


async def test_attaching_again_changes_nothing(
    ledger: Ledger, account: AccountId, hold: Reservation
) -> None:
    request = attach(account, hold)
    assert await ledger.attach(request) == await ledger.attach(request)


async def test_a_hold_waits_for_one_job_only(
    ledger: Ledger, account: AccountId, hold: Reservation
) -> None:
    await ledger.attach(attach(account, hold))
    with pytest.raises(IdempotencyConflict):
        await ledger.attach(attach(account, hold))


async def test_a_lapsed_hold_gets_no_job_though_the_sweep_has_not_come_by(
    ledger: Ledger, pool: Pool, account: AccountId, hold: Reservation
) -> None:
    await lapse(pool, hold)
    with pytest.raises(ReservationEnded) as caught:
        await ledger.attach(attach(account, hold))
    assert caught.value.state == "expired"


async def test_a_hold_that_has_ended_gets_no_job(
    ledger: Ledger, account: AccountId, hold: Reservation
) -> None:
    await ledger.refund(Refund(account=account, number=hold.number))
    with pytest.raises(ReservationEnded) as caught:
        await ledger.attach(attach(account, hold))
    assert caught.value.state == "refunded"


@pytest.mark.parametrize("number", [0, -1, 2**62, 2**64 - 1])
async def test_a_number_that_there_is_not_cannot_be_attached_or_ended(
    ledger: Ledger, account: AccountId, number: int
) -> None:
    for request in (
        ledger.attach(Attach(account=account, number=number, job=JobId(uuid4()))),
        ledger.refund(Refund(account=account, number=number)),
    ):
        with pytest.raises(NotFound):
            await request


async def test_another_accounts_hold_cannot_be_attached(ledger: Ledger, hold: Reservation) -> None:
    with pytest.raises(NotFound):
        await ledger.attach(attach(AccountId(uuid4()), hold))


async def test_attaching_and_lapsing_at_once_end_one_way(
    replicas: list[Replica], pool: Pool, account: AccountId
) -> None:
    for _ in range(10):
        ledger, other = (replica.ledger for replica in replicas)
        hold = await ledger.reserve(reserve(account, 5))
        await lapse(pool, hold)
        request = attach(account, hold)
        attached, _, swept = await asyncio.gather(
            ledger.attach(request),
            pool.execute(
                "UPDATE wallet.reservations SET expires_at = now() + interval '1 minute' "
                "WHERE number = $1 AND state = 'held' AND expires_at IS NOT NULL",
                hold.number,
            ),
            other.expire(),
            return_exceptions=True,
        )
        assert not isinstance(swept, BaseException)
        state = await pool.fetchval(
            "SELECT state FROM wallet.reservations WHERE number = $1", hold.number
        )
        if isinstance(attached, Reservation):
            assert state == "held"
        await ledger.refund(Refund(account=account, number=hold.number))
    assert await ledger.balance(account) == Balance(available=100, held=0)


async def test_a_batch_in_which_some_files_failed_gives_their_price_back_once(
    replicas: list[Replica], account: AccountId
) -> None:
    ledger = replicas[0].ledger
    hold = await ledger.reserve(reserve(account, 60, units=30))
    await ledger.attach(attach(account, hold))
    request = settle(hold, account, 2 * (30 - 7))
    outcomes = await asyncio.gather(*(replica.ledger.settle(request) for replica in replicas * 5))
    assert {(outcome.consumed, outcome.refunded) for outcome in outcomes} == {(46, 14)}
    assert await ledger.balance(account) == Balance(available=54, held=0)


async def test_a_hold_is_released_unless_another_job_has_it(
    ledger: Ledger, account: AccountId
) -> None:
    mine, others = JobId(uuid4()), JobId(uuid4())
    hold = await ledger.reserve(reserve(account, 10))
    await ledger.attach(Attach(account=account, number=hold.number, job=others))
    for job in (None, mine):
        with pytest.raises(IdempotencyConflict):
            await ledger.release(Release(account=account, number=hold.number, job=job))
    assert (await ledger.balance(account)).held == 10
    release = Release(account=account, number=hold.number, job=others)
    assert (await ledger.release(release)).refunded == 10
    assert (await ledger.release(release)).state == "refunded"
    assert (await ledger.balance(account)).held == 0


async def test_a_hold_that_waits_for_nothing_is_released(
    ledger: Ledger, account: AccountId
) -> None:
    hold = await ledger.reserve(reserve(account, 10))
    released = await ledger.release(Release(account=account, number=hold.number))
    assert (released.state, released.refunded) == ("refunded", 10)
    with pytest.raises(NotFound):
        await ledger.release(Release(account=AccountId(uuid4()), number=hold.number))
