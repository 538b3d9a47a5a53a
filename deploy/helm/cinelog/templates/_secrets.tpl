{{- define "cinelog.secretName" -}}
{{- .Values.secrets.existingSecret | default (printf "%s-secrets" (include "cinelog.fullname" .)) -}}
{{- end -}}

{{/* What the chart's own Secret has to hold. */}}
{{- define "cinelog.secretKeys" -}}
{{- $keys := values (include "cinelog.table" . | fromYaml).secrets | sortAlpha -}}
{{- range include "cinelog.roles" . | fromYamlArray }}{{ $keys = append $keys (printf "role-password-%s" .) }}{{ end -}}
{{- if eq .Values.postgresql.mode "bundled" }}{{ $keys = append $keys "postgresql-password" }}{{ end -}}
{{- if eq .Values.rabbitmq.mode "bundled" }}{{ $keys = append $keys "rabbitmq-password" }}{{ end -}}
{{- if eq .Values.redis.mode "bundled" }}{{ $keys = append $keys "redis-password" }}{{ end -}}
{{- if eq .Values.s3.mode "bundled" }}{{ $keys = concat $keys (list "s3-access-key" "s3-secret-key") }}{{ end -}}
{{- $keys | toYaml -}}
{{- end -}}

{{/*
The chart's own Secret, base64: what is in the cluster stays; what is missing is made, once in a
rendering, so that the hook and the release get the same. Remembered in .Values, which all of the
chart's templates share.
*/}}
{{- define "cinelog.secretData" -}}
{{- if not (hasKey .Values "madeSecrets") -}}
{{- $there := (lookup "v1" "Secret" .Release.Namespace (include "cinelog.secretName" .)).data | default dict -}}
{{- $data := dict -}}
{{- range include "cinelog.secretKeys" . | fromYamlArray -}}
{{- $_ := set $data . (get $there . | default (randAlphaNum 48 | b64enc)) -}}
{{- end -}}
{{- $_ := set .Values "madeSecrets" $data -}}
{{- end -}}
{{- .Values.madeSecrets | toYaml -}}
{{- end -}}

{{/* Rolls the pods when a secret changes; an existing one's content is not seen by `helm template`. */}}
{{- define "cinelog.secretChecksum" -}}
{{- $seen := list -}}
{{- if .Values.secrets.existingSecret -}}
{{- $seen = append $seen ((lookup "v1" "Secret" .Release.Namespace .Values.secrets.existingSecret).data | default dict) -}}
{{- else -}}
{{- $seen = append $seen (include "cinelog.secretData" .) -}}
{{- end -}}
{{- range list .Values.postgresql .Values.rabbitmq .Values.redis .Values.s3 -}}
{{- if eq .mode "external" -}}
{{- $seen = append $seen ((lookup "v1" "Secret" $.Release.Namespace .external.existingSecret).data | default dict) -}}
{{- end -}}
{{- end -}}
{{- $seen | toYaml | sha256sum -}}
{{- end -}}

{{/* A variable from a Secret: takes name, secret and key. */}}
{{- define "cinelog.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}
