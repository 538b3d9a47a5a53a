"""The buckets of a new installation, and who may upload to them from a browser."""

import asyncio

from shared.blobs.setup import BucketSettings, run
from tests.support.buckets import Buckets

ORIGIN = "https://video.example.com"


async def test_buckets_are_made_once_and_let_the_site_upload(s3: Buckets) -> None:
    config = BucketSettings(
        s3_endpoint=s3.endpoint,
        s3_region=s3.region,
        s3_access_key=s3.access_key,  # type: ignore[arg-type]
        s3_secret_key=s3.secret_key,  # type: ignore[arg-type]
        s3_sources_bucket=s3.sources,
        s3_media_bucket=s3.media,
        cors_origins=(ORIGIN,),
        public_url="https://films.example.com/",
    )
    async with asyncio.timeout(60):
        await run(config)
        await run(config)
    answer = await asyncio.to_thread(s3.client().get_bucket_cors, Bucket=s3.sources)
    (rule,) = answer["CORSRules"]
    assert rule["AllowedOrigins"] == [ORIGIN, "https://films.example.com"]
    assert rule["AllowedMethods"] == ["PUT"]
    assert "ETag" in rule["ExposeHeaders"]
