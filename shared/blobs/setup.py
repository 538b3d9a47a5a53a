"""Creates the buckets: ``python -m shared.blobs.setup``. A second run changes nothing.

Reads S3_*, and CORS_ORIGINS and PUBLIC_URL for the origins whose pages may upload parts into the
sources bucket. Waits until S3 answers.
"""

import asyncio
import os
import sys
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from shared import settings
from shared.blobs.s3 import S3Store, s3_client
from shared.blobs.s3_wire import our_errors
from shared.errors import CinelogError
from shared.settings import Secret, Settings

_RETRY_SECONDS = 2.0

BucketName = Annotated[str, msgspec.Meta(min_length=3, max_length=63)]


class BucketSettings(Settings, frozen=True, kw_only=True):
    """The buckets, and the origins that may upload into the sources bucket directly."""

    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_access_key: Secret | None = None
    s3_secret_key: Secret | None = None
    s3_sources_bucket: BucketName
    s3_media_bucket: BucketName
    s3_archive_bucket: BucketName | None = None
    cors_origins: tuple[str, ...] = ()
    public_url: str | None = None

    @property
    def origins(self) -> list[str]:
        """Origins whose pages may upload: the site itself, and those that may call the API."""
        found = list(self.cors_origins)
        if self.public_url:
            site = urlsplit(self.public_url)
            found.append(f"{site.scheme}://{site.netloc}")
        return list(dict.fromkeys(found))


async def prepare(config: BucketSettings) -> None:
    """Create missing buckets and set CORS. Raises CinelogError if S3 does not answer or refuses."""
    async with s3_client(
        config.s3_endpoint, config.s3_region, config.s3_access_key, config.s3_secret_key
    ) as client:
        wanted = (config.s3_sources_bucket, config.s3_media_bucket, config.s3_archive_bucket)
        for bucket in filter(None, wanted):
            await S3Store(client, bucket).ensure_bucket()
        if config.origins:
            rule = {
                "AllowedOrigins": config.origins,
                "AllowedMethods": ["PUT"],
                "AllowedHeaders": ["*"],
                "ExposeHeaders": ["ETag"],
                "MaxAgeSeconds": 3600,
            }
            with our_errors(config.s3_sources_bucket):
                await client.put_bucket_cors(
                    Bucket=config.s3_sources_bucket, CORSConfiguration={"CORSRules": [rule]}
                )


async def run(config: BucketSettings) -> None:
    """Prepare the buckets, and retry until S3 answers."""
    while True:
        try:
            await prepare(config)
        except CinelogError as error:
            sys.stderr.write(f"waiting: {error}\n")
            sys.stderr.flush()
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


def main() -> None:
    """Read the environment and prepare."""
    asyncio.run(run(settings.load(BucketSettings, os.environ)))


if __name__ == "__main__":
    settings.run(main)
