"""The countries in which Stripe Connect makes accounts that can be paid, as ISO 3166-1 alpha-2."""

from __future__ import annotations

# Where Stripe itself operates: full accounts, local payouts.
_LOCAL = """
    AE AT AU BE BG BR CA CH CY CZ DE DK EE ES FI FR GB GI GR HK HR HU IE IN IT JP LI LT LU LV MT MX
    MY NL NO NZ PL PT RO SE SG SI SK TH US
"""
# Where a payee is paid across the border, under the recipient service agreement.
_CROSS_BORDER = """
    AG AL AM AO AR AZ BA BD BH BJ BN BO BS BT BW CI CL CO CR DO DZ EC EG ET GA GH GM GT GY ID IL IS
    JM JO KE KH KR KW KZ LA LC LK MA MC MD MG MK MN MO MU MZ NA NE NG OM PA PE PH PK PY QA RS RW SA
    SM SN SV TN TR TT TW TZ UY UZ VN ZA
"""

COUNTRIES = frozenset(_LOCAL.split() + _CROSS_BORDER.split())
