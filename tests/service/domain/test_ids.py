import calendar
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from service.domain import ids

NOW = datetime(2026, 11, 20, 12, 30, 15, 123_000, tzinfo=UTC)
MOMENTS = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001  st.datetimes wants naive bounds
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(MOMENTS)
def test_new_uuid_is_a_version_7_of_rfc_9562(moment: datetime) -> None:
    value = ids.new_uuid(moment)

    assert value.version == 7
    assert value.variant == "specified in RFC 4122"
    assert (
        value.int >> 80
        == calendar.timegm(moment.utctimetuple()) * 1000 + moment.microsecond // 1000
    )


@given(MOMENTS, st.integers(1, 10**12))
def test_later_ids_sort_after_earlier_ones(moment: datetime, milliseconds: int) -> None:
    earlier = ids.new_uuid(moment)
    later = ids.new_uuid(moment + timedelta(milliseconds=milliseconds))

    assert earlier < later
    assert ids.show("esc", earlier) < ids.show("esc", later)
    assert earlier.bytes < later.bytes  # PostgreSQL's order


@given(MOMENTS)
def test_the_last_id_of_a_moment_ends_its_millisecond(moment: datetime) -> None:
    last = ids.last_uuid(moment)
    start = moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    assert last.version == 7
    assert ids.new_uuid(start) < last
    assert ids.new_uuid(start + timedelta(microseconds=999)) < last
    assert last < ids.new_uuid(start + timedelta(milliseconds=1))


def test_ids_of_one_millisecond_differ() -> None:
    assert len({ids.new_uuid(NOW) for _ in range(10_000)}) == 10_000


@given(st.uuids(), st.sampled_from([ids.ESCROW, ids.MILESTONE, ids.PAYMENT, ids.EFFECT]))
def test_a_shown_id_reads_back(value: UUID, prefix: str) -> None:
    shown = ids.show(prefix, value)

    assert shown == f"{prefix}_{str(value).replace('-', '')}"
    assert ids.parse(shown) == value


def test_prefixes_tell_the_kinds_apart() -> None:
    prefixes = {value for value in vars(ids).values() if isinstance(value, str) and len(value) == 3}

    known = "esc mst pay rel pyr pye pyo eff frz jrn rfn rcv ddl prp apr cbk evd evf opn dsp dse"
    assert prefixes == set(known.split())


def test_a_derived_id_is_the_same_again_and_another_for_another_name() -> None:
    base, other = ids.new_uuid(NOW), ids.new_uuid(NOW)

    assert ids.derive(base, "capture") == ids.derive(base, "capture")
    assert len({ids.derive(b, n) for b in (base, other) for n in ("capture", "cancel")}) == 4
