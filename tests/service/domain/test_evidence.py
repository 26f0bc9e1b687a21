"""Evidence fits into Stripe's limits, whatever the records hold."""

import pytest

from service.domain.evidence import LEFT_OUT, shortened


@pytest.mark.parametrize("most", [40, 60, 200, 1_000])
def test_what_is_too_long_keeps_its_begin_and_its_end(most: int) -> None:
    lines = [f"line {number}" for number in range(1, 101)]

    text = shortened(lines, most)

    assert len(text) <= most
    shown = text.splitlines()
    if most == 1_000:
        assert shown == lines
        return
    place = next(n for n, line in enumerate(shown) if line.startswith("["))
    first, last = shown[:place], shown[place + 1 :]
    assert first == lines[: len(first)]
    assert last == lines[len(lines) - len(last) :]
    assert shown[place] == LEFT_OUT.format(100 - len(first) - len(last))
    assert len(text) + len(lines[50]) + 4 > most or not first


def test_a_line_that_does_not_fit_is_left_out() -> None:
    assert shortened(["x" * 100], 50) == LEFT_OUT.format(1)
