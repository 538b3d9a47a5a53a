{{- define "cinelog.secretName" -}}
{{- .Values.secrets.existingSecret | default (printf "%s-secrets" (include "cinelog.fullname" .)) -}}
{{- end -}}

{{/* What the Secret has to hold. */}}
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
The annotation that rolls a pod when one of its own keys changes in a Secret that somebody else
made; empty where it has none, or none can be seen (`helm template`). What the chart made is rotated
by `cinelog secrets rotate`, which rolls the pods itself. Takes root and env, the container's.
*/}}
{{- define "cinelog.secretChecksum" -}}
{{- $root := .root -}}
{{- $made := printf "%s-secrets" (include "cinelog.fullname" $root) -}}
{{- $seen := dict -}}
{{- range .env | fromYamlArray -}}
{{- $reference := dig "valueFrom" "secretKeyRef" dict . -}}
{{- if and $reference (ne $reference.name $made) -}}
{{- $there := (lookup "v1" "Secret" $root.Release.Namespace $reference.name).data | default dict -}}
{{- with get $there $reference.key }}{{ $_ := set $seen (printf "%s/%s" $reference.name $reference.key) . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- with $seen }}checksum/secrets: {{ toYaml . | sha256sum }}{{ end -}}
{{- end -}}

{{/* A variable from a Secret: takes name, secret and key. */}}
{{- define "cinelog.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}

{{/* The pod that asks Kubernetes to make or delete the Secret: takes root and arguments. */}}
{{- define "cinelog.secrets.pod" }}
{{- include "cinelog.pullSecrets" .root }}
serviceAccountName: {{ include "cinelog.fullname" .root }}-secrets
automountServiceAccountToken: false
enableServiceLinks: false
restartPolicy: OnFailure
securityContext:
  {{- include "cinelog.podSecurity" (dict "root" .root "user" 10001 "hooks" .root.Values.jobPods) | nindent 2 }}
{{- include "cinelog.placement" .root.Values.jobPods }}
containers:
  - name: secrets
    image: {{ include "cinelog.image" (dict "root" .root "service" "operator") }}
    args: {{ concat (list "services.operator.main" "secrets") .arguments | toJson }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
    {{- include "cinelog.setup.security" .root | nindent 4 }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  # Only here, and only for as long as it takes.
  - name: token
    projected:
      sources:
        - serviceAccountToken: {path: token, expirationSeconds: 600}
        - configMap:
            name: kube-root-ca.crt
            items: [{key: ca.crt, path: ca.crt}]
{{- end }}
