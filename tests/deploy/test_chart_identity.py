"""A storage that knows pods by their service accounts: no key of S3 is in the namespace."""

import pytest

from deploy.needs import table
from tests.support.charts import Manifest, containers, of_kind, pods, refusal, render

AGENT = "169.254.170.23/32"
ROLE = "arn:aws:iam::1:role/cinelog"
# `--set` takes a dot within a key with a backslash before it.
NOTE = r"eks\.amazonaws\.com/role-arn"
ON = {
    "s3.mode": "external",
    "s3.external.endpoint": "https://s3.eu-central-1.amazonaws.com",
    "s3.external.keys": "false",
    "networkPolicy.externalCidrs[0]": "52.219.0.0/16",
    "networkPolicy.identityTo[0].ipBlock.cidr": AGENT,
    f"defaults.serviceAccountAnnotations.{NOTE}": ROLE,
    f"setup.serviceAccountAnnotations.{NOTE}": ROLE,
}
OFF = {key.replace(".", "__"): value for key, value in ON.items() if "ccount" not in key}


def made() -> list[Manifest]:
    return render(sets=ON)


def allowed(policy: Manifest) -> set[str]:
    """The networks that a pod may go to."""
    return {
        to["ipBlock"]["cidr"]
        for rule in policy["spec"]["egress"]
        for to in rule.get("to", ())
        if "ipBlock" in to
    }


def test_no_pod_is_given_a_key() -> None:
    given = {
        variable["name"]
        for pod in pods(made()).values()
        for container in containers(pod)
        for variable in container.get("env", ())
    }
    assert "S3_ENDPOINT" in given
    assert {"S3_ACCESS_KEY", "S3_SECRET_KEY"}.isdisjoint(given)


def test_every_account_that_reaches_the_storage_says_who_it_is() -> None:
    accounts = of_kind(made(), "ServiceAccount")
    reaching = [name for name, needs in table().processes.items() if "s3" in needs.reaches]
    for name in (*reaching, "setup"):
        assert ROLE in accounts[f"cinelog-{name}"]["metadata"]["annotations"].values(), name


def test_only_what_reaches_the_storage_may_ask_for_keys() -> None:
    policies = of_kind(made(), "NetworkPolicy")
    asking = {name for name, policy in policies.items() if AGENT in allowed(policy)}
    reaching = {
        name for name, needs in table().processes.items() if "s3" in needs.reached(archived=True)
    }
    assert asking == {f"cinelog-{name}" for name in reaching | {"setup"}}


def test_a_backup_without_keys_may_ask_for_them() -> None:
    backup = {
        "backup.enabled": "true",
        "backup.target": "s3://backups/cinelog",
        "backup.existingSecret": "mine",
        "backup.toCidrs[0]": "52.219.0.0/16",
        "backup.s3Keys": "false",
        "networkPolicy.identityTo[0].ipBlock.cidr": AGENT,
    }
    policies = of_kind(render(sets=backup), "NetworkPolicy")
    asking = {name for name, policy in policies.items() if AGENT in allowed(policy)}
    assert asking == {"cinelog-backup", "cinelog-restore", "cinelog-restore-test"}


@pytest.mark.parametrize("left_out", ["networkPolicy__identityTo[0]__ipBlock__cidr"])
def test_who_gives_keys_must_be_named(left_out: str) -> None:
    without = {key: value for key, value in OFF.items() if key != left_out}
    assert "networkPolicy.identityTo" in refusal(**without)


def test_with_keys_a_secret_must_be_named() -> None:
    assert "s3.external.existingSecret" in refusal(**{**OFF, "s3__external__keys": "true"})
