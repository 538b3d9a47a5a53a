{{/* What a schema cannot say, each with what to do. */}}
{{- define "cinelog.validate" -}}
{{- $hints := dict
  "replicaCount" "components.<name>.replicas"
  "autoscaling" "components.<name>.autoscaling, or worker.autoscaling"
  "resources" "components.<name>.resources"
  "extraEnv" "defaults.extraEnv, or components.<name>.extraEnv"
  "existingSecret" "secrets.existingSecret"
  "imagePullSecrets" "global.imagePullSecrets"
  "minio" "s3"
  "valkey" "redis"
  "postgres" "postgresql"
-}}
{{- range $key, $instead := $hints -}}
{{- if hasKey $.Values $key -}}
{{- fail (printf "the value %s is not used: set %s" $key $instead) -}}
{{- end -}}
{{- end -}}
{{- $required := list
  (list "postgresql" "host") (list "postgresql" "existingSecret")
  (list "rabbitmq" "existingSecret") (list "redis" "existingSecret")
  (list "s3" "endpoint")
-}}
{{- if not (include "cinelog.s3.identity" .) }}{{ $required = append $required (list "s3" "existingSecret") }}{{ end -}}
{{- range $required -}}
{{- $part := get $.Values (index . 0) -}}
{{- if and (eq $part.mode "external") (not (get $part.external (index . 1))) -}}
{{- fail (printf "%s.mode is external: set %s.external.%s" (index . 0) (index . 0) (index . 1)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.postgresql.mode "cloudnativepg") (not (.Capabilities.APIVersions.Has "postgresql.cnpg.io/v1")) -}}
{{- fail "postgresql.mode is cloudnativepg, but this cluster has no CloudNativePG: install the operator first" -}}
{{- end -}}
{{- if and (eq .Values.rabbitmq.mode "operator") (not (.Capabilities.APIVersions.Has "rabbitmq.com/v1beta1")) -}}
{{- fail "rabbitmq.mode is operator, but this cluster has no RabbitMQ cluster operator: install it first" -}}
{{- end -}}
{{- if and (eq .Values.worker.autoscaling.mode "keda") (not (.Capabilities.APIVersions.Has "keda.sh/v1alpha1")) -}}
{{- fail "worker.autoscaling.mode is keda, but this cluster has no KEDA: install it, or set auto or hpa" -}}
{{- end -}}
{{- if and (eq .Values.worker.autoscaling.mode "keda") (eq .Values.rabbitmq.mode "external") (not .Values.rabbitmq.external.managementUrlKey) -}}
{{- fail "KEDA counts messages through RabbitMQ's management API: set rabbitmq.external.managementUrlKey" -}}
{{- end -}}
{{- if and (eq .Values.rabbitmq.mode "bundled") (ge (int .Values.worker.drainSeconds) (mul 60 (int .Values.rabbitmq.bundled.consumerTimeoutMinutes) | int)) -}}
{{- fail "worker.drainSeconds must stay below rabbitmq.bundled.consumerTimeoutMinutes" -}}
{{- end -}}
{{- include "cinelog.validate.replicas" . -}}
{{- include "cinelog.validate.worker" . -}}
{{- include "cinelog.validate.secrets" . -}}
{{- if .Values.networkPolicy.enabled -}}
{{- range $part := list "postgresql" "rabbitmq" "redis" "s3" -}}
{{- if and (eq (get $.Values $part).mode "external") (not $.Values.networkPolicy.externalCidrs) -}}
{{- fail (printf "%s.mode is external: set networkPolicy.externalCidrs to the networks it is in" $part) -}}
{{- end -}}
{{- end -}}
{{- $identity := or (include "cinelog.s3.identity" .) (and .Values.backup.enabled (not .Values.backup.s3Keys)) -}}
{{- if and $identity (not .Values.networkPolicy.identityTo) -}}
{{- fail "S3's keys come from service accounts: set networkPolicy.identityTo to who gives them" -}}
{{- end -}}
{{- $observability := .Values.observability -}}
{{- if and (or $observability.otlpEndpoint $observability.collector.tracesTo $observability.collector.metricsTo) (not .Values.networkPolicy.otlpTo) -}}
{{- fail "traces or metrics are sent to an address outside of this chart: set networkPolicy.otlpTo" -}}
{{- end -}}
{{- end -}}
{{- with .Values.backup -}}
{{- if .enabled -}}
{{- if not (hasPrefix "s3://" .target) -}}
{{- fail "backup.enabled: set backup.target to s3://BUCKET/PREFIX, of another storage than the installation's" -}}
{{- end -}}
{{- if not .existingSecret -}}
{{- fail "backup.enabled: set backup.existingSecret to a Secret with key (openssl rand -base64 32), access-key and secret-key" -}}
{{- end -}}
{{- if and $.Values.networkPolicy.enabled (not .toCidrs) -}}
{{- fail "backup.enabled: set backup.toCidrs to the networks that backup.target is in" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled: set ingress.hosts" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled: set httpRoute.parentRefs" -}}
{{- end -}}
{{- end -}}

{{/* Bounds in order, and no more connections than the bundled PostgreSQL takes. */}}
{{- define "cinelog.validate.replicas" -}}
{{- $scaling := .Values.worker.autoscaling -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "worker.autoscaling.minReplicas is %d, above maxReplicas, %d" (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- /* What one pod's pools may open. */ -}}
{{- $pools := dict "auth" 24 "catalog" 24 "ingest" 24 "planner" 24 "projector" 16 "worker" 16 "live" 16 "relay" 6 "reconciler" 2 -}}
{{- $opened := 0 -}}
{{- range $component, $spec := include "cinelog.components" . | fromYaml -}}
{{- $values := include "cinelog.componentValues" (dict "root" $ "component" $component) | fromYaml -}}
{{- $pods := int $values.replicas -}}
{{- if and (eq $component "worker") (ne (include "cinelog.workerScaling" $) "none") -}}
{{- $pods = int $scaling.maxReplicas -}}
{{- else if and (ne $component "worker") $values.autoscaling.enabled -}}
{{- $pods = int $values.autoscaling.maxReplicas -}}
{{- if gt (int $values.autoscaling.minReplicas) $pods -}}
{{- fail (printf "autoscaling.minReplicas of %s is %d, above maxReplicas, %d" $component (int $values.autoscaling.minReplicas) $pods) -}}
{{- end -}}
{{- end -}}
{{- if $spec.http }}{{ $pods = add $pods (ceil (divf $pods 4)) }}{{ end -}}
{{- $opened = add $opened (mul $pods (get $pools $component | default 0)) -}}
{{- end -}}
{{- $most := int .Values.postgresql.bundled.maxConnections -}}
{{- if and (eq .Values.postgresql.mode "bundled") (gt (int $opened) $most) -}}
{{- fail (printf "postgresql.bundled.maxConnections is %d, but as many pods as these values allow may open %d during an upgrade: set it to that, or fewer replicas" $most (int $opened)) -}}
{{- end -}}
{{- end -}}

{{/*
A worker's ffmpeg is bounded by what its pod has less 384 MiB, and by 512 MiB at least: with less than
both, the kernel ends the worker instead.
*/}}
{{- define "cinelog.validate.worker" -}}
{{- $values := include "cinelog.componentValues" (dict "root" . "component" "worker") | fromYaml -}}
{{- with dig "resources" "limits" "memory" "" $values -}}
{{- if lt (include "cinelog.mebibytes" . | int) 896 -}}
{{- fail (printf "components.worker.resources.limits.memory is %v: a worker needs 896Mi at least, for itself and ffmpeg" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A quantity of memory. */}}
{{- define "cinelog.mebibytes" -}}
{{- $units := dict "" 1 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{- divf (mulf $number (get $units (trimPrefix $number .))) 1048576 | floor -}}
{{- end -}}

{{/* Every key that pods read is in the Secrets that the values name, where they can be seen. */}}
{{- define "cinelog.validate.secrets" -}}
{{- $wanted := list -}}
{{- with .Values.secrets.existingSecret -}}
{{- $wanted = append $wanted (list . (include "cinelog.secretKeys" $ | fromYamlArray)) -}}
{{- end -}}
{{- range $part, $keys := dict "postgresql" (list "passwordKey") "rabbitmq" (list "urlKey") "redis" (list "urlKey") "s3" (list "accessKeyKey" "secretKeyKey") -}}
{{- $its := get $.Values $part -}}
{{- if and (eq $its.mode "external") (not (and (eq $part "s3") (include "cinelog.s3.identity" $))) -}}
{{- $names := list -}}
{{- range $keys }}{{ $names = append $names (get $its.external .) }}{{ end -}}
{{- $wanted = append $wanted (list $its.external.existingSecret $names) -}}
{{- end -}}
{{- end -}}
{{- with .Values.backup -}}
{{- if .enabled -}}
{{- $keys := list "key" -}}
{{- if .s3Keys }}{{ $keys = concat $keys (list "access-key" "secret-key") }}{{ end -}}
{{- if .sourceKeys }}{{ $keys = concat $keys (list "source-access-key" "source-secret-key") }}{{ end -}}
{{- $wanted = append $wanted (list .existingSecret $keys) -}}
{{- end -}}
{{- end -}}
{{- range $wanted -}}
{{- $name := first . -}}
{{- $keys := last . -}}
{{- with lookup "v1" "Secret" $.Release.Namespace $name -}}
{{- $there := .data | default dict -}}
{{- $missing := list -}}
{{- range $keys }}{{ if not (get $there .) }}{{ $missing = append $missing . }}{{ end }}{{ end -}}
{{- with $missing }}{{ fail (printf "the Secret %s has no %s" $name (join ", " .)) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
