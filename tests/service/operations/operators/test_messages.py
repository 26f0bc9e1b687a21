"""What operators see names everything that there is."""

from service.domain.records.effect import EffectKind
from service.operations.operators.messages import SUBJECTS


def test_every_kind_of_effect_says_what_it_is_for() -> None:
    assert set(SUBJECTS) == set(EffectKind)
