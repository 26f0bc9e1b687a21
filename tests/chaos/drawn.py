"""What a seed has to do with."""

from typing import NamedTuple

from tests.chaos.amendments import Amendments
from tests.chaos.approvals import Approvals
from tests.chaos.chargebacks import Chargebacks
from tests.chaos.currencies import Currencies
from tests.chaos.deadlines import Deadlines
from tests.chaos.disputes import Disputes
from tests.chaos.refunds import Refunds
from tests.chaos.splits import Splits


class Drawn(NamedTuple):
    """What is drawn of a seed before it begins."""

    currencies: Currencies
    refunds: Refunds
    splits: Splits
    deadlines: Deadlines
    amendments: Amendments
    approvals: Approvals
    chargebacks: Chargebacks
    disputes: Disputes
