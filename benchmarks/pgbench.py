"""The floor of a release in the database: pgbench writes the same rows, statement by statement."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

from benchmarks.fixture import PAYEES, sql_account, sql_id, sql_journal, sql_payable
from benchmarks.jobs import Answer
from benchmarks.samples import MICRO

# Every transaction releases its own escrow, number n. New rows get numbers above all of those.
_N, _PAYEE_N = "(:n::bigint)", f"(:n::bigint % {PAYEES})"
_NEW = "(:n::bigint + 1000000000)"
_RELEASED, _TRANSFER = f"({_NEW} * 2)", f"({_NEW} * 2 + 1)"
_ESCROW, _MILESTONE, _PAYMENT = (sql_id(kind, _N) for kind in ("escrow", "milestone", "payment"))
_PAYEE, _PAYABLE = sql_id("payee", _PAYEE_N), sql_payable(_PAYEE_N)
_HELD, _FEE_HELD = sql_account("held", _N), sql_account("fee_held", _N)

SCRIPT = f"""\
\\set i :i + 1
\\set n :first + :client_id * :each + :i - 1
BEGIN;
SELECT response FROM operations WHERE tenant_id = 'default' AND caller = 'bench'
    AND kind = 'release_milestone' AND key = 'key-' || :n::bigint;
SELECT * FROM escrows WHERE tenant_id = 'default' AND escrow_id = {_ESCROW};
SELECT * FROM milestones WHERE tenant_id = 'default'
    AND escrow_id = {_ESCROW};
SELECT * FROM payments WHERE tenant_id = 'default'
    AND escrow_id = {_ESCROW};
SELECT * FROM releases WHERE tenant_id = 'default'
    AND escrow_id = {_ESCROW};
SELECT * FROM payees WHERE tenant_id = 'default'
    AND payee_id = {_PAYEE};
INSERT INTO operations VALUES ('default', {sql_id("operation", _NEW)}, 'release_milestone',
    'bench', 'payer', 'key-' || :n::bigint, decode(repeat('ab', 32), 'hex'),
    decode(repeat('ab', 416), 'hex'), {_ESCROW}, 2,
    '[["mst","FUNDED","RELEASING"],["rel","","WAITING"],["rel","WAITING","IN_FLIGHT"]]', '', '',
    now());
UPDATE escrows SET version = 2, updated_at = now() WHERE tenant_id = 'default'
    AND escrow_id = {_ESCROW} AND version = 1;
UPDATE milestones SET state = 'RELEASING', released_minor = 10000 WHERE tenant_id = 'default'
    AND escrow_id = {_ESCROW};
INSERT INTO releases VALUES ('default', {sql_id("operation", _RELEASED)},
    {_ESCROW}, {_MILESTONE},
    {_PAYEE}, {_PAYMENT}, 10000, 8000,
    'USD', 'IN_FLIGHT', {sql_id("operation", _TRANSFER)}, now(), now(), now(), 0);
INSERT INTO effects VALUES ('default', {sql_id("operation", _TRANSFER)}, 1, 'create_transfer',
    'PLANNED', 1, {sql_id("operation", _RELEASED)}, {_ESCROW},
    {_PAYEE}, NULL,
    jsonb_build_object('amount', 8000, 'filler', repeat('x', 376)), now(), now(), now(), 0, NULL,
    NULL, NULL, '{{}}');
INSERT INTO journals VALUES ('default', {sql_journal(_RELEASED)}, 'released', 'release',
    'rel-' || :n::bigint, 'USD', {_ESCROW},
    {sql_id("operation", _NEW)}, now(), now());
INSERT INTO entries VALUES
    ('default', {sql_journal(_RELEASED)}, 1, 'platform',
        {_HELD}, 'USD', 10000),
    ('default', {sql_journal(_RELEASED)}, 2, 'platform',
        {_FEE_HELD}, 'USD', 500),
    ('default', {sql_journal(_RELEASED)}, 3, 'platform',
        {_PAYABLE}, 'USD', -8000),
    ('default', {sql_journal(_RELEASED)}, 4, 'platform', 'rev:service_fee', 'USD', -2000),
    ('default', {sql_journal(_RELEASED)}, 5, 'platform', 'rev:platform_fee', 'USD', -500);
INSERT INTO journals VALUES ('default', {sql_journal(_TRANSFER)}, 'transfer_requested',
    'effect', 'eff-' || :n::bigint, 'USD', {_ESCROW},
    {sql_id("operation", _NEW)}, now(), now());
INSERT INTO entries VALUES
    ('default', {sql_journal(_TRANSFER)}, 1, 'platform',
        {_PAYABLE}, 'USD', 8000),
    ('default', {sql_journal(_TRANSFER)}, 2, 'platform', 'liab:transfers_in_flight', 'USD',
        -8000);
UPDATE balances SET balance_minor = balance_minor - 10000 WHERE tenant_id = 'default'
    AND account = {_HELD} AND currency = 'USD';
UPDATE balances SET balance_minor = balance_minor - 500 WHERE tenant_id = 'default'
    AND account = {_FEE_HELD} AND currency = 'USD';
INSERT INTO balances VALUES ('default', {_PAYABLE}, 'USD', 0)
    ON CONFLICT ON CONSTRAINT balances_pkey DO UPDATE SET balance_minor = balances.balance_minor;
COMMIT;
"""
LITERAL = re.compile(r"'[^']*'")
FAILED = re.compile(r"number of failed transactions: ([0-9]+)")
WARM_UP_SHARE = 10  # a client prepares statements in the first tenth, which is not counted


class PgbenchFailed(Exception):
    """pgbench could not run the script. The message is the end of its output."""


def write_script(folder: Path) -> Path:
    script = folder / "release.pgbench"
    # pgbench would take the colons in the names of accounts for variables of its own.
    script.write_text(LITERAL.sub(lambda found: found[0].replace(":", ":' || '"), SCRIPT))
    return script


async def run_pgbench(
    pgbench: Path, script: Path, dsn: str, *, first: int, clients: int, each: int
) -> Answer:
    """Releases ``clients`` x ``each`` escrows, each at least 2: transactions per second and the
    latencies of all transactions, when every client has prepared its statements.

    Raises:
        PgbenchFailed: it, or one of its transactions, failed.
    """
    with tempfile.TemporaryDirectory(dir=script.parent) as folder:
        arguments = ["-n", "-M", "prepared", "-f", str(script), "-c", str(clients), "-j", "2"]
        arguments += ["-t", str(each), "-l", f"--log-prefix={folder}/log"]
        arguments += ["-D", f"first={first}", "-D", f"each={each}", "-D", "i=0", dsn]
        process = await asyncio.create_subprocess_exec(
            *(str(pgbench), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        failed = FAILED.search(output.decode())
        if process.returncode or failed is None or int(failed[1]):
            raise PgbenchFailed(errors.decode()[-800:] or output.decode()[-800:])
        return read_logs(Path(folder))


def read_logs(folder: Path) -> Answer:
    """The rate and the latencies of what counts, by pgbench's logs of one run.

    A line has the client, the number and the microseconds of a transaction, the number of the
    script, and when it ended in seconds and microseconds.
    """
    of_clients: dict[str, list[tuple[float, float]]] = {}
    for log in folder.iterdir():
        for line in log.read_text().splitlines():
            client, _, took_us, _, end_s, end_us = line.split()
            end = int(end_s) + int(end_us) / MICRO
            of_clients.setdefault(client, []).append((end, int(took_us) / MICRO))
    per_s, latencies_s = 0.0, []
    for transactions in of_clients.values():
        warm = max(len(transactions) // WARM_UP_SHARE, 1)
        counted = transactions[warm:]
        per_s += len(counted) / (counted[-1][0] - transactions[warm - 1][0])
        latencies_s += [took_s for _, took_s in counted]
    return {"per_s": per_s, "latencies_s": latencies_s}
