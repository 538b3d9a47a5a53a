"""Growing the disk of a bundled part, which Kubernetes does not do for a StatefulSet by itself.

The claim grows; then the StatefulSet, whose claim template cannot be changed, is deleted without
its pod, and `helm upgrade` makes it anew with the new size. The pod runs on all the while.
"""

import json
from typing import Final

from services.operator.kubectl import Kubectl, NotDone

# The value that names the size, by part.
VALUES: Final = {
    "postgresql": "postgresql.bundled.storage",
    "rabbitmq": "rabbitmq.bundled.storage",
    "seaweedfs": "s3.bundled.storage",
    "valkey": "redis.bundled.storage",
}


def grow(kubectl: Kubectl, release: str, part: str, size: str) -> str:
    """Grow the claim of ``part`` to ``size``, such as 40Gi; returns the value to set then.

    The same twice does no harm. Raises NotDone.
    """
    chosen = f"app.kubernetes.io/instance={release},app.kubernetes.io/component={part}"
    asked = ("--selector", chosen, "--output", "json")
    claims = json.loads(kubectl("get", "persistentvolumeclaims", *asked))["items"]
    if len(claims) != 1:
        raise NotDone(f"{part} of {release} has {len(claims)} disks, not one")
    (claim,) = claims
    _check_class(kubectl, claim["spec"].get("storageClassName", ""))
    sets = json.loads(kubectl("get", "statefulsets", *asked))["items"]
    for found in sets:
        policy = found["spec"].get("persistentVolumeClaimRetentionPolicy", {})
        if policy.get("whenDeleted") == "Delete":
            raise NotDone(
                "the disk would go with the StatefulSet: first set "
                "persistence.deleteOnUninstall=false"
            )
    patch = json.dumps({"spec": {"resources": {"requests": {"storage": size}}}})
    kubectl("patch", "persistentvolumeclaim", claim["metadata"]["name"], "--patch", patch)
    for found in sets:
        kubectl("delete", "statefulset", found["metadata"]["name"], "--cascade=orphan")
    return f"{VALUES[part]}={size}"


def _check_class(kubectl: Kubectl, name: str) -> None:
    found = json.loads(kubectl("get", "storageclass", name, "--output", "json"))
    if not found.get("allowVolumeExpansion"):
        raise NotDone(f"disks of the StorageClass {name} do not grow: allowVolumeExpansion is off")
