{{/*
A component's environment: the variables that the table lists for it, and those of its options that
the values set. Takes root, component and spec.
*/}}
{{- define "cinelog.environment" -}}
{{- $of := . -}}
{{- $table := include "cinelog.table" .root | fromYaml -}}
{{- $secret := include "cinelog.secretName" .root -}}
{{- range $variable := concat $table.every.variables .spec.variables }}
{{- if hasKey $table.secrets $variable }}
{{ include "cinelog.fromSecret" (dict "name" $variable "secret" $secret "key" (get $table.secrets $variable)) }}
{{- else if hasPrefix "ROLE_PASSWORD_" $variable }}
{{ include "cinelog.fromSecret" (dict "name" $variable "secret" $secret "key" ($variable | lower | replace "_" "-")) }}
{{- else }}
{{ include (printf "cinelog.variable.%s" $variable) $of | trim }}
{{- end }}
{{- end }}
{{- $options := include "cinelog.options" .root | fromYaml }}
{{- range $option := concat $table.every.options (.spec.options | default list) }}
{{- with get $options $option }}
- name: {{ $option }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the values say about options; empty is not set. */}}
{{- define "cinelog.options" -}}
{{- $settings := .Values.settings -}}
{{- $worker := .Values.worker -}}
{{- $backup := .Values.backup -}}
{{- $options := dict
  "PUBLIC_URL" .Values.publicUrl
  "WEBHOOK_NETWORKS" (join "," $settings.webhookNetworks)
  "TRUSTED_PROXIES" ($settings.trustedProxies | toString)
  "CORS_ORIGINS" (join "," $settings.corsOrigins)
  "CSP_ORIGINS" (join "," $settings.cspOrigins)
  "EMBED_ORIGINS" $settings.embedOrigins
  "MEDIA_REDIRECT_BASE" $settings.mediaRedirectBase
  "MAX_UPLOAD_BYTES" ($settings.maxUploadBytes | int64 | toString)
  "MAX_UPLOADS_AT_ONCE" ($settings.maxUploadsAtOnce | toString)
  "MAX_UPLOADS_PER_USER" ($settings.maxUploadsPerUser | toString)
  "UPLOAD_MIN_BYTES_PER_SECOND" ($settings.uploadMinBytesPerSecond | toString)
  "UPLOAD_SLOW_SECONDS" ($settings.uploadSlowSeconds | toString)
  "UPLOAD_EXPIRY_HOURS" ($settings.uploadExpiryHours | toString)
  "QUOTA_BYTES" ($settings.quotas.bytes | int64 | toString)
  "QUOTA_VIDEOS" ($settings.quotas.videos | int64 | toString)
  "QUOTA_OPEN_UPLOADS" ($settings.quotas.openUploads | toString)
  "QUOTA_ENCODE_MINUTES" ($settings.quotas.encodeMinutes | int64 | toString)
  "QUOTA_TRUSTED_FACTOR" ($settings.quotas.trustedFactor | toString)
  "MAX_LIVE_STREAMS_PER_USER" ($settings.live.streamsPerUser | toString)
  "MAX_LIVES" ($settings.live.atOnce | toString)
  "RTMPS_URL" $settings.live.rtmpsUrl
  "RTMPS_CERTIFICATE" (ternary "/etc/cinelog/rtmps/tls.crt" "" (ne $settings.live.tlsSecret ""))
  "RTMPS_KEY" (ternary "/etc/cinelog/rtmps/tls.key" "" (ne $settings.live.tlsSecret ""))
  "LIVE_CORES" ($settings.live.cores | toString)
  "LIVE_SPOOL_BYTES" ($settings.live.spoolBytes | int64 | toString)
  "MAX_LIVE_HOURS" ($settings.live.hours | toString)
  "MAX_LIVE_BIT_RATE" ($settings.live.bitRate | int64 | toString)
  "MAX_LIVE_PIXELS" ($settings.live.pixels | int64 | toString)
  "MAX_LIVE_FRAME_RATE" ($settings.live.frameRate | toString)
  "LIVE_DVR_MINUTES" ($settings.live.dvrMinutes | toString)
  "LIVE_HEIGHTS" (join "," $settings.live.heights)
  "MAX_SIMULCAST_TARGETS" ($settings.live.targetsPerStream | toString)
  "MAX_SIMULCAST_TARGETS_PER_USER" ($settings.live.targetsPerUser | toString)
  "SIMULCAST_NETWORKS" (join "," $settings.live.simulcastNetworks)
  "MAX_PLANNED_LIVES_PER_USER" ($settings.live.plannedPerUser | toString)
  "MAX_CLIPS_PER_DAY" ($settings.live.clipsPerDay | toString)
  "MAX_LIVES_PER_USER" ($settings.live.atOncePerUser | toString)
  "S3_PUBLIC_ENDPOINT" .Values.s3.publicEndpoint
  "S3_SYNC_URL" (ternary (printf "http://%s-seaweedfs:8334/sync" (include "cinelog.fullname" .)) "" (eq .Values.s3.mode "bundled"))
  "RATE_LIMIT_GENERAL" $settings.rateLimits.general
  "RATE_LIMIT_AUTH" $settings.rateLimits.auth
  "RATE_LIMIT_MEDIA" $settings.rateLimits.media
  "RATE_LIMIT_MISSES" $settings.rateLimits.misses
  "RATE_LIMIT_HEALTH" $settings.rateLimits.health
  "MAX_STREAMS" ($settings.openRequests.streams | toString)
  "MAX_STREAMS_PER_USER" ($settings.openRequests.streamsPerUser | toString)
  "MAX_STREAMS_PER_ADDRESS" ($settings.openRequests.streamsPerAddress | toString)
  "MAX_MEDIA_PER_ADDRESS" ($settings.openRequests.mediaPerAddress | toString)
  "MAX_DOWNLOADS_PER_USER" ($settings.openRequests.downloadsPerUser | toString)
  "MAX_DOWNLOADS_PER_ADDRESS" ($settings.openRequests.downloadsPerAddress | toString)
  "MAX_REQUESTS_PER_ADDRESS" ($settings.openRequests.othersPerAddress | toString)
  "MAX_IDLE_CONNECTIONS_PER_ADDRESS" ($settings.openRequests.idlePerAddress | toString)
  "EDGE_CACHE_BYTES" ($settings.edgeCacheBytes | int64 | toString)
  "VIEWS_PER_ADDRESS" ($settings.viewsPerAddress | toString)
  "DOWNLOADS_DEFAULT" $settings.downloadsDefault
  "BIN_DAYS" ($settings.binDays | toString)
  "ACCESS_LOG" ($settings.accessLog | toString)
  "REFRESH_DAYS" ($settings.refreshDays | toString)
  "LOGIN_BURST" ($settings.loginBurst | toString)
  "LOGIN_REFILL_SECONDS" ($settings.loginRefillSeconds | toString)
  "SCRATCH_RESERVE_BYTES" ($worker.scratch.reserveBytes | int64 | toString)
  "WORKER_SLOTS" ($worker.slots | toString)
  "WORKER_THREADS" ($worker.threads | toString)
  "WORKER_MEMORY_BYTES" (ternary ($worker.memoryBytes | int64 | toString) "" (gt ($worker.memoryBytes | int64) 0))
  "DRAIN_SECONDS" ($worker.drainSeconds | toString)
  "X264_PRESET" $worker.preset
  "EXTRA_CODECS" (join "," $worker.extraCodecs)
  "HDR_CODECS" (join "," $worker.hdrCodecs)
  "HDR_ON_REQUEST" $worker.hdrOnRequest
  "BACKUP_MAX_AGE_HOURS" (ternary ($backup.maxAgeHours | toString) "" $backup.enabled)
  "RESTORE_TEST_MAX_AGE_HOURS" (ternary ($backup.restoreTest.maxAgeHours | toString) "" (and $backup.enabled $backup.restoreTest.enabled))
  "BACKUP_KEEP_DAYS" ($backup.keepDays | toString)
  "BACKUP_S3_ENDPOINT" $backup.endpoint
  "BACKUP_S3_REGION" $backup.region
-}}
{{- with include "cinelog.otlpEndpoint" . -}}
{{- $_ := set $options "OTEL_EXPORTER_OTLP_ENDPOINT" . -}}
{{- $_ := set $options "OTEL_TRACES_SAMPLER" "parentbased_traceidratio" -}}
{{- $_ := set $options "OTEL_TRACES_SAMPLER_ARG" (divf $.Values.observability.samplePercent 100 | toString) -}}
{{- end -}}
{{- $options | toYaml -}}
{{- end -}}

{{/* One definition for each variable of the table. */}}
{{- define "cinelog.variable.CINELOG_MODE" }}
- name: CINELOG_MODE
  value: production
{{- end -}}

{{- define "cinelog.variable.BIND" }}
- name: BIND
  value: 0.0.0.0:8000
{{- end -}}

{{- define "cinelog.variable.METRICS_BIND" }}
- name: METRICS_BIND
  value: 0.0.0.0:9000
{{- end -}}

{{/* The login of the component's own role: takes root and spec. */}}
{{- define "cinelog.variable.DATABASE_URL" }}
{{ include "cinelog.fromSecret" (dict "name" "ROLE_PASSWORD" "secret" (include "cinelog.secretName" .root) "key" (printf "role-password-%s" .spec.role)) }}
- name: DATABASE_URL
  value: postgresql://cinelog_{{ .spec.role }}:$(ROLE_PASSWORD)@{{ include "cinelog.postgresql.host" .root }}:{{ include "cinelog.postgresql.port" .root }}/{{ .root.Values.postgresql.database }}
{{- include "cinelog.postgresql.tls" .root }}
{{- end -}}

{{- define "cinelog.variable.DATABASE_ADMIN_URL" }}
{{ include "cinelog.postgresql.adminPassword" .root }}
- name: DATABASE_ADMIN_URL
  value: postgresql://{{ include "cinelog.postgresql.admin" .root }}:$(ADMIN_PASSWORD)@{{ include "cinelog.postgresql.host" .root }}:{{ include "cinelog.postgresql.port" .root }}/{{ .root.Values.postgresql.database }}
{{- include "cinelog.postgresql.tls" .root }}
{{- end -}}

{{- define "cinelog.variable.AMQP_URL" }}
{{- include "cinelog.rabbitmq.environment" .root }}
{{- end -}}

{{- define "cinelog.variable.REDIS_URL" }}
{{- include "cinelog.redis.environment" .root }}
{{- end -}}

{{- define "cinelog.variable.S3_ENDPOINT" }}
{{- $s3 := .root.Values.s3 }}
- name: S3_ENDPOINT
  value: {{ ternary $s3.external.endpoint (printf "http://%s-seaweedfs:8333" (include "cinelog.fullname" .root)) (eq $s3.mode "external") }}
{{- end -}}

{{- define "cinelog.variable.S3_REGION" }}
- name: S3_REGION
  value: {{ .root.Values.s3.region }}
{{- end -}}

{{/* A backup may have keys of its own, which only read. */}}
{{- define "cinelog.ownKeys" -}}
{{- if and (eq (.tool | default "") "backup") .root.Values.backup.sourceKeys }}true{{ end -}}
{{- end -}}

{{- define "cinelog.variable.S3_ACCESS_KEY" }}
{{- if include "cinelog.ownKeys" . }}
{{ include "cinelog.fromSecret" (dict "name" "S3_ACCESS_KEY" "secret" .root.Values.backup.existingSecret "key" "source-access-key") }}
{{- else }}
{{- include "cinelog.s3.key" (dict "root" .root "name" "S3_ACCESS_KEY" "external" .root.Values.s3.external.accessKeyKey "bundled" "s3-access-key") }}
{{- end }}
{{- end -}}

{{- define "cinelog.variable.S3_SECRET_KEY" }}
{{- if include "cinelog.ownKeys" . }}
{{ include "cinelog.fromSecret" (dict "name" "S3_SECRET_KEY" "secret" .root.Values.backup.existingSecret "key" "source-secret-key") }}
{{- else }}
{{- include "cinelog.s3.key" (dict "root" .root "name" "S3_SECRET_KEY" "external" .root.Values.s3.external.secretKeyKey "bundled" "s3-secret-key") }}
{{- end }}
{{- end -}}

{{- define "cinelog.variable.S3_SOURCES_BUCKET" }}
- name: S3_SOURCES_BUCKET
  value: {{ .root.Values.s3.sourcesBucket }}
{{- end -}}

{{- define "cinelog.variable.S3_MEDIA_BUCKET" }}
- name: S3_MEDIA_BUCKET
  value: {{ .root.Values.s3.mediaBucket }}
{{- end -}}

{{- define "cinelog.variable.S3_ARCHIVE_BUCKET" }}
- name: S3_ARCHIVE_BUCKET
  value: {{ .root.Values.s3.archiveBucket }}
{{- end -}}

{{/* A variable that is another component's address: takes root, name, to and path. */}}
{{- define "cinelog.address" }}
- name: {{ .name }}
  value: http://{{ include "cinelog.fullname" .root }}-{{ .to }}:8000{{ .path }}
{{- end -}}

{{- define "cinelog.variable.UPSTREAM_AUTH" }}
{{- include "cinelog.address" (dict "root" .root "name" "UPSTREAM_AUTH" "to" "auth") }}
{{- end -}}

{{- define "cinelog.variable.UPSTREAM_INGEST" }}
{{- include "cinelog.address" (dict "root" .root "name" "UPSTREAM_INGEST" "to" "ingest") }}
{{- end -}}

{{- define "cinelog.variable.UPSTREAM_CATALOG" }}
{{- include "cinelog.address" (dict "root" .root "name" "UPSTREAM_CATALOG" "to" "catalog") }}
{{- end -}}

{{- define "cinelog.variable.UPSTREAM_TRANSCODER" }}
{{- include "cinelog.address" (dict "root" .root "name" "UPSTREAM_TRANSCODER" "to" "planner") }}
{{- end -}}

{{- define "cinelog.variable.UPSTREAM_LIVE" }}
{{- include "cinelog.address" (dict "root" .root "name" "UPSTREAM_LIVE" "to" "live") }}
{{- end -}}

{{- define "cinelog.variable.RTMP_BIND" }}
- name: RTMP_BIND
  value: 0.0.0.0:1935
{{- end -}}

{{- define "cinelog.variable.RTMP_URL" }}
- name: RTMP_URL
  value: {{ .root.Values.settings.live.rtmpUrl | default "rtmp://localhost:1935/live" }}
{{- end -}}

{{- define "cinelog.variable.WHIP" }}
- name: WHIP
  value: {{ .root.Values.settings.live.whip | quote }}
{{- end -}}

{{/* This pod and no other: the gateway fetches a session's newest segments from its owner. */}}
{{- define "cinelog.variable.INTERNAL_URL" }}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- name: INTERNAL_URL
  value: http://$(POD_IP):8000
{{- end -}}

{{- define "cinelog.variable.AUTH_URL" }}
{{- include "cinelog.address" (dict "root" .root "name" "AUTH_URL" "to" "auth") }}
{{- end -}}

{{- define "cinelog.variable.JWKS_URL" }}
{{- include "cinelog.address" (dict "root" .root "name" "JWKS_URL" "to" "auth" "path" "/.well-known/jwks.json") }}
{{- end -}}

{{- define "cinelog.variable.JWT_ISSUER" }}
- name: JWT_ISSUER
  value: cinelog
{{- end -}}

{{- define "cinelog.variable.JWT_AUDIENCE" }}
- name: JWT_AUDIENCE
  value: cinelog
{{- end -}}

{{- define "cinelog.variable.WEB_ROOT" }}
- name: WEB_ROOT
  value: /app/web
{{- end -}}

{{- define "cinelog.variable.SCRATCH_DIR" }}
- name: SCRATCH_DIR
  value: /scratch
{{- end -}}

{{- define "cinelog.variable.BACKUP_TARGET" }}
- name: BACKUP_TARGET
  value: {{ .root.Values.backup.target }}
{{- end -}}

{{- define "cinelog.variable.BACKUP_KEY" }}
{{- $secret := .root.Values.backup.existingSecret }}
{{ include "cinelog.fromSecret" (dict "name" "BACKUP_KEY" "secret" $secret "key" "key") }}
{{- if .root.Values.backup.s3Keys }}
{{ include "cinelog.fromSecret" (dict "name" "BACKUP_S3_ACCESS_KEY" "secret" $secret "key" "access-key") }}
{{ include "cinelog.fromSecret" (dict "name" "BACKUP_S3_SECRET_KEY" "secret" $secret "key" "secret-key") }}
{{- end }}
{{- end -}}

{{/* Beside the test, in its pod, which nobody else can reach. */}}
{{- define "cinelog.variable.SCRATCH_DATABASE_URL" }}
- name: SCRATCH_DATABASE_URL
  value: postgresql://cinelog_admin:of-a-scratch-database@127.0.0.1:5432/postgres?sslmode=disable
{{- end -}}
