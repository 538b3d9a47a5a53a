{{/* Where the dependencies are: host and port by mode. */}}
{{- define "cinelog.postgresql.host" -}}
{{- if eq .Values.postgresql.mode "external" }}{{ .Values.postgresql.external.host }}
{{- else if eq .Values.postgresql.mode "cloudnativepg" }}{{ include "cinelog.fullname" . }}-postgresql-rw
{{- else }}{{ include "cinelog.fullname" . }}-postgresql{{ end -}}
{{- end -}}

{{- define "cinelog.postgresql.port" -}}
{{- if eq .Values.postgresql.mode "external" }}{{ .Values.postgresql.external.port }}{{ else }}5432{{ end -}}
{{- end -}}

{{- define "cinelog.postgresql.admin" -}}
{{- if eq .Values.postgresql.mode "external" }}{{ .Values.postgresql.external.adminUser }}
{{- else if eq .Values.postgresql.mode "cloudnativepg" }}postgres
{{- else }}cinelog_admin{{ end -}}
{{- end -}}

{{/* The admin's password, as a variable. */}}
{{- define "cinelog.postgresql.adminPassword" -}}
{{- $pg := .Values.postgresql -}}
{{- if eq $pg.mode "external" -}}
{{- include "cinelog.fromSecret" (dict "name" "ADMIN_PASSWORD" "secret" $pg.external.existingSecret "key" $pg.external.passwordKey) -}}
{{- else if eq $pg.mode "cloudnativepg" -}}
{{- include "cinelog.fromSecret" (dict "name" "ADMIN_PASSWORD" "secret" (printf "%s-postgresql-superuser" (include "cinelog.fullname" .)) "key" "password") -}}
{{- else -}}
{{- include "cinelog.fromSecret" (dict "name" "ADMIN_PASSWORD" "secret" (include "cinelog.secretName" .) "key" "postgresql-password") -}}
{{- end -}}
{{- end -}}

{{/* How to speak TLS to an external PostgreSQL: both of our drivers' paths read these. */}}
{{- define "cinelog.postgresql.tls" -}}
{{- if eq .Values.postgresql.mode "external" }}
- name: PGSSLMODE
  value: {{ .Values.postgresql.external.sslMode }}
{{- if .Values.postgresql.external.caSecret }}
- name: PGSSLROOTCERT
  value: /etc/cinelog/postgresql/ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{- define "cinelog.rabbitmq.name" -}}
{{ include "cinelog.fullname" . }}-rabbitmq
{{- end -}}

{{- define "cinelog.rabbitmq.environment" -}}
{{- $mq := .Values.rabbitmq -}}
{{- $name := include "cinelog.rabbitmq.name" . -}}
{{- if eq $mq.mode "external" }}
{{ include "cinelog.fromSecret" (dict "name" "AMQP_URL" "secret" $mq.external.existingSecret "key" $mq.external.urlKey) }}
{{- else if eq $mq.mode "operator" }}
{{ include "cinelog.fromSecret" (dict "name" "RABBITMQ_USER" "secret" (printf "%s-default-user" $name) "key" "username") }}
{{ include "cinelog.fromSecret" (dict "name" "RABBITMQ_PASSWORD" "secret" (printf "%s-default-user" $name) "key" "password") }}
- name: AMQP_URL
  value: amqp://$(RABBITMQ_USER):$(RABBITMQ_PASSWORD)@{{ $name }}:5672/
{{- else }}
{{ include "cinelog.fromSecret" (dict "name" "RABBITMQ_PASSWORD" "secret" (include "cinelog.secretName" .) "key" "rabbitmq-password") }}
- name: RABBITMQ_USER
  value: cinelog
- name: AMQP_URL
  value: amqp://$(RABBITMQ_USER):$(RABBITMQ_PASSWORD)@{{ $name }}:5672/
{{- end }}
{{- end -}}

{{- define "cinelog.redis.environment" -}}
{{- $redis := .Values.redis -}}
{{- if eq $redis.mode "external" }}
{{ include "cinelog.fromSecret" (dict "name" "REDIS_URL" "secret" $redis.external.existingSecret "key" $redis.external.urlKey) }}
{{- else }}
{{ include "cinelog.fromSecret" (dict "name" "REDIS_PASSWORD" "secret" (include "cinelog.secretName" .) "key" "redis-password") }}
- name: REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "cinelog.fullname" . }}-valkey:6379/0
{{- end }}
{{- end -}}

{{/* Whether the storage knows pods by their service accounts. */}}
{{- define "cinelog.s3.identity" -}}
{{- if and (eq .Values.s3.mode "external") (not .Values.s3.external.keys) }}true{{ end -}}
{{- end -}}

{{/* One of the two keys of S3, if there are any: takes root, name, and the key in an external or in the chart's Secret. */}}
{{- define "cinelog.s3.key" }}
{{- $s3 := .root.Values.s3 }}
{{- if include "cinelog.s3.identity" .root }}
{{- else if eq $s3.mode "external" }}
{{ include "cinelog.fromSecret" (dict "name" .name "secret" $s3.external.existingSecret "key" .external) }}
{{- else }}
{{ include "cinelog.fromSecret" (dict "name" .name "secret" (include "cinelog.secretName" .root) "key" .bundled) }}
{{- end }}
{{- end -}}
