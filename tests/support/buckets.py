"""Two buckets of one's own."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from msgspec import Struct

from deploy.local.parts import Urls


class Buckets(Struct, frozen=True):
    """How to reach the S3 server, and the names of two empty buckets."""

    endpoint: str
    region: str
    access_key: str
    secret_key: str
    sources: str
    media: str

    def client(self) -> Any:
        """A plain blocking client, for looking at what a test left there.

        All tests of a process have the same one: making one takes as long as a few requests.
        """
        return _client(self.endpoint, self.region, self.access_key, self.secret_key)

    def keys(self, bucket: str) -> list[str]:
        """Every key in a bucket, sorted."""
        return sorted(_keys(self.client(), bucket))


@contextmanager
def own_buckets(urls: Urls) -> Iterator[Buckets]:
    """Two fresh buckets, emptied and removed at the end."""
    name = f"test-{uuid.uuid4().hex}"
    buckets = Buckets(
        endpoint=urls.s3_endpoint,
        region=urls.s3_region,
        access_key=urls.s3_access_key,
        secret_key=urls.s3_secret_key,
        sources=f"{name}-sources",
        media=f"{name}-media",
    )
    client = buckets.client()
    both = (buckets.sources, buckets.media)
    for bucket in both:
        client.create_bucket(Bucket=bucket)
    try:
        yield buckets
    finally:
        for bucket in both:
            for key in _keys(client, bucket):
                client.delete_object(Bucket=bucket, Key=key)
            client.delete_bucket(Bucket=bucket)


@cache
def _client(endpoint: str, region: str, access_key: str, secret_key: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(s3={"addressing_style": "path"}, proxies={}, max_pool_connections=32),
    )


def _keys(client: Any, bucket: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]
