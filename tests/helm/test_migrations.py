"""The schema is there before the pods that need it."""

from tests.helm.chart import nested, render_variant

MIGRATION = ("migrate-serviceaccount", "migrate-networkpolicy", "migrate-job")


def test_migrations_run_before_an_install_and_an_upgrade() -> None:
    objects = render_variant("minimal")

    for name in MIGRATION:
        annotations = objects[name]["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        # a failed one stays for its log, until the next takes its place
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


def test_what_the_job_needs_is_made_before_it() -> None:
    """Nothing else of the release exists by then."""
    objects = render_variant("minimal")
    account, policy, job = (
        int(objects[name]["metadata"]["annotations"]["helm.sh/hook-weight"]) for name in MIGRATION
    )
    spec = objects["migrate-job"]["spec"]["template"]["spec"]

    assert max(account, policy) < job
    assert "volumes" not in spec
    assert spec["serviceAccountName"] == objects["migrate-serviceaccount"]["metadata"]["name"]


def test_nothing_but_the_migrations_is_a_hook() -> None:
    for name, item in render_variant("everything").items():
        hook = "helm.sh/hook" in item["metadata"].get("annotations", {})
        assert hook == (name in MIGRATION)


def test_migrations_can_be_left_to_somebody_else() -> None:
    objects = render_variant("minimal", nested("migrations.enabled", value=False))

    assert not objects.keys() & set(MIGRATION)
