{{/* A component's environment, and nothing of another's: takes root, component and spec. */}}
{{- define "cinelog.environment" -}}
{{- $root := .root -}}
{{- $name := include "cinelog.fullname" $root -}}
{{- $secret := include "cinelog.secretName" $root -}}
{{- $settings := $root.Values.settings -}}
{{- $needs := .spec.needs -}}
- name: CINELOG_MODE
  value: production
{{- if .spec.http }}
- name: BIND
  value: 0.0.0.0:8000
{{- end }}
{{- if .spec.metrics }}
- name: METRICS_BIND
  value: 0.0.0.0:9000
{{- end }}
{{- with include "cinelog.otlpEndpoint" $root }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ divf $root.Values.observability.samplePercent 100 | quote }}
{{- end }}
{{- if .spec.role }}
{{ include "cinelog.environment.database" (dict "root" $root "role" .spec.role) }}
{{- end }}
{{- if has "rabbitmq" $needs }}
{{- include "cinelog.rabbitmq.environment" $root }}
{{- end }}
{{- if has "redis" $needs }}
{{- include "cinelog.redis.environment" $root }}
{{- end }}
{{- if has "s3" $needs }}
{{ include "cinelog.s3.environment" $root }}
{{- end }}
{{- if has "tokens" $needs }}
- name: JWKS_URL
  value: http://{{ $name }}-auth:8000/.well-known/jwks.json
{{- end }}
{{- if or (has "tokens" $needs) (eq .component "auth") }}
- name: JWT_ISSUER
  value: cinelog
- name: JWT_AUDIENCE
  value: cinelog
{{- end }}
{{- if has "grants" $needs }}
{{ include "cinelog.fromSecret" (dict "name" "MEDIA_GRANT_SECRET" "secret" $secret "key" "media-grant-secret") }}
{{- end }}
{{- if has "operator" $needs }}
{{ include "cinelog.fromSecret" (dict "name" "OPERATOR_SECRET" "secret" $secret "key" "operator-secret") }}
{{- end }}
{{- include (printf "cinelog.environment.%s" .component) (dict "root" $root "name" $name "secret" $secret "settings" $settings) }}
{{- end -}}

{{- define "cinelog.environment.gateway" }}
- name: UPSTREAM_AUTH
  value: http://{{ .name }}-auth:8000
- name: UPSTREAM_INGEST
  value: http://{{ .name }}-ingest:8000
- name: UPSTREAM_CATALOG
  value: http://{{ .name }}-catalog:8000
- name: UPSTREAM_TRANSCODER
  value: http://{{ .name }}-planner:8000
- name: WEB_ROOT
  value: /app/web
{{- include "cinelog.environment.publicUrl" . }}
- name: TRUSTED_PROXIES
  value: {{ .settings.trustedProxies | quote }}
{{- with .settings.corsOrigins }}
- name: CORS_ORIGINS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .settings.cspOrigins }}
- name: CSP_ORIGINS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .settings.mediaRedirectBase }}
- name: MEDIA_REDIRECT_BASE
  value: {{ . | quote }}
{{- end }}
- name: MAX_UPLOAD_BYTES
  value: {{ .settings.maxUploadBytes | int64 | quote }}
- name: RATE_LIMIT_GENERAL
  value: {{ .settings.rateLimits.general | quote }}
- name: RATE_LIMIT_AUTH
  value: {{ .settings.rateLimits.auth | quote }}
- name: RATE_LIMIT_MEDIA
  value: {{ .settings.rateLimits.media | quote }}
- name: RATE_LIMIT_HEALTH
  value: {{ .settings.rateLimits.health | quote }}
- name: ACCESS_LOG
  value: {{ .settings.accessLog | quote }}
{{- end -}}

{{- define "cinelog.environment.publicUrl" -}}
{{- with .root.Values.publicUrl }}
- name: PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "cinelog.environment.auth" }}
{{ include "cinelog.fromSecret" (dict "name" "SIGNING_KEY_SECRET" "secret" .secret "key" "signing-key-secret") }}
- name: REFRESH_DAYS
  value: {{ .settings.refreshDays | quote }}
- name: LOGIN_BURST
  value: {{ .settings.loginBurst | quote }}
- name: LOGIN_REFILL_SECONDS
  value: {{ .settings.loginRefillSeconds | quote }}
{{- end -}}

{{- define "cinelog.environment.ingest" }}
{{- with .root.Values.s3.publicEndpoint }}
- name: S3_PUBLIC_ENDPOINT
  value: {{ . | quote }}
{{- end }}
- name: MAX_UPLOAD_BYTES
  value: {{ .settings.maxUploadBytes | int64 | quote }}
- name: MAX_UPLOADS_AT_ONCE
  value: {{ .settings.maxUploadsAtOnce | quote }}
- name: UPLOAD_EXPIRY_HOURS
  value: {{ .settings.uploadExpiryHours | quote }}
{{- end -}}

{{- define "cinelog.environment.catalog" }}
- name: AUTH_URL
  value: http://{{ .name }}-auth:8000
{{- include "cinelog.environment.publicUrl" . }}
{{- end -}}

{{- define "cinelog.environment.worker" }}
{{- $worker := .root.Values.worker }}
- name: SCRATCH_DIR
  value: /scratch
- name: SCRATCH_RESERVE_BYTES
  value: {{ $worker.scratch.reserveBytes | int64 | quote }}
- name: WORKER_SLOTS
  value: {{ $worker.slots | quote }}
- name: WORKER_THREADS
  value: {{ $worker.threads | quote }}
- name: WORKER_MEMORY_BYTES
  value: {{ $worker.memoryBytes | int64 | quote }}
- name: DRAIN_SECONDS
  value: {{ $worker.drainSeconds | quote }}
- name: X264_PRESET
  value: {{ $worker.preset }}
{{- with $worker.extraCodecs }}
- name: EXTRA_CODECS
  value: {{ join "," . }}
{{- end }}
{{- end -}}

{{- define "cinelog.environment.projector" }}{{ end -}}
{{- define "cinelog.environment.planner" }}{{ end -}}

{{- define "cinelog.environment.relay" }}
{{- with .root.Values.s3.archiveBucket }}
- name: S3_ARCHIVE_BUCKET
  value: {{ . }}
{{- end }}
{{- end -}}

{{- define "cinelog.environment.reconciler" }}
- name: UPSTREAM_INGEST
  value: http://{{ .name }}-ingest:8000
- name: UPSTREAM_TRANSCODER
  value: http://{{ .name }}-planner:8000
{{- end -}}

{{/* A role's login: takes root and role. */}}
{{- define "cinelog.environment.database" -}}
{{- include "cinelog.fromSecret" (dict "name" "ROLE_PASSWORD" "secret" (include "cinelog.secretName" .root) "key" (printf "role-password-%s" .role)) }}
- name: DATABASE_URL
  value: postgresql://cinelog_{{ .role }}:$(ROLE_PASSWORD)@{{ include "cinelog.postgresql.host" .root }}:{{ include "cinelog.postgresql.port" .root }}/{{ .root.Values.postgresql.database }}
{{- include "cinelog.postgresql.tls" .root }}
{{- end -}}
