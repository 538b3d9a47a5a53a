"""A backup, its test, and a restore into an empty namespace, as docs/kubernetes.md has them."""

import time

from tests.cluster.installing import helm_test
from tests.cluster.release import NAME, Failed, Release, run
from tests.cluster.visits import upload_and_play
from tests.e2e.people import PASSWORD, SMALL, sign_up


def backup(release: Release) -> str:
    """By hand, then the test that it can be restored."""
    upload_and_play(release)
    began = time.monotonic()
    release.run_job(f"{NAME}-backup", f"backup-{int(began)}")
    made = time.monotonic() - began
    said = release.run_job(f"{NAME}-restore-test", f"restore-test-{int(began)}", 1200)
    tested = time.monotonic() - began - made
    return f"made in {made:.0f} s, tested in {tested:.0f} s: {said.strip().splitlines()[-1]}"


def restore(release: Release) -> str:
    """What was uploaded before the backup is there after namespace and disks are gone."""
    with sign_up(release.url()) as person:
        job = person.upload(SMALL)
        if person.finish(job)["status"] != "completed":
            raise Failed(f"the upload did not complete: {person.job(job)}")
        name = person.name
    began = time.monotonic()
    release.run_job(f"{NAME}-backup", f"backup-{int(began)}")
    secrets = release.kubectl(
        "get", f"secret/{NAME}-secrets", "secret/cinelog-backup", "-o", "json"
    )
    run("helm", "uninstall", NAME, "--namespace", release.namespace, "--wait")
    release.kubectl("delete", "jobs,pods,persistentvolumeclaims,secrets", "--all", "--wait=true")

    lost = time.monotonic()
    release.kubectl("apply", "--filename", "-", given=secrets)
    release.install()
    release.upgrade("--set", "stopped=true")
    release.run_job(f"{NAME}-restore", "restore", 1200)
    release.upgrade()
    took = time.monotonic() - lost
    helm_test(release)
    with sign_up(release.url()) as visitor:
        if not visitor.plays(job):
            raise Failed("the video of before does not play")
        login = {"username": name, "password": PASSWORD}
        answer = visitor.client.post("/api/v1/auth/login", json=login)
        if not answer.is_success:
            raise Failed(f"the account of before cannot log in: {answer.text}")
    return f"restored in {took:.0f} s"
