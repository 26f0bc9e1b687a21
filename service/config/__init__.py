"""The service's settings, from the environment. All that is wrong with them is named at once.

Every variable begins with ESCROW_ and is the field's name in capitals: ESCROW_DATABASE_URL. The
keys for Stripe come from ESCROW_TENANTS_FILE, or, when there is only the one tenant ``default``,
from STRIPE_SECRET_KEY (or STRIPE_SECRET_KEY_FILE) and STRIPE_API_BASE.
"""

from service.config.auth import check_auth
from service.config.loading import Config, load_config, load_settings
from service.config.reading import ConfigError, read_settings
from service.config.settings import DatabaseRole, Settings
from service.config.tenants import DefaultTenant, Tenant, TenantEntry, TenantName, load_tenants

__all__ = [
    "Config",
    "ConfigError",
    "DatabaseRole",
    "DefaultTenant",
    "Settings",
    "Tenant",
    "TenantEntry",
    "TenantName",
    "check_auth",
    "load_config",
    "load_settings",
    "load_tenants",
    "read_settings",
]
