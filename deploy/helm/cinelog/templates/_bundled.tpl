{{/* What the bundled dependencies have in common: one pod each, on a disk of its own. */}}

{{/* Takes root, component, name and ports. */}}
{{- define "cinelog.bundledService" }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "cinelog.metadata" . | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: v1
kind: Service
metadata:
  {{- include "cinelog.metadata" . | nindent 2 }}
spec:
  type: ClusterIP
  selector:
    {{- include "cinelog.selectorLabels" . | nindent 4 }}
  ports:
    {{- range $name, $port := .ports }}
    - {name: {{ $name }}, port: {{ $port }}, targetPort: {{ $name }}}
    {{- end }}
{{- end -}}

{{/* Takes root, component, name and storage. */}}
{{- define "cinelog.bundledSet" -}}
replicas: 1
serviceName: {{ .name }}
selector:
  matchLabels:
    {{- include "cinelog.selectorLabels" . | nindent 4 }}
{{- if .root.Values.persistence.enabled }}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ ternary "Delete" "Retain" .root.Values.persistence.deleteOnUninstall }}
  whenScaled: Retain
volumeClaimTemplates:
  - metadata:
      name: data
      labels:
        {{- include "cinelog.selectorLabels" . | nindent 8 }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .root.Values.persistence.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests: {storage: {{ .storage }}}
{{- end }}
{{- end -}}

{{/* A bundled part's values: takes root and component. */}}
{{- define "cinelog.bundledValues" -}}
{{- $values := .root.Values -}}
{{- $parts := dict
  "postgresql" $values.postgresql.bundled
  "rabbitmq" $values.rabbitmq.bundled
  "valkey" $values.redis.bundled
  "seaweedfs" $values.s3.bundled
  "collector" $values.observability.collector
  "tempo" $values.observability.tempo
-}}
{{- get $parts .component | toYaml -}}
{{- end -}}

{{/* The hooks of its pod: those of all bundled pods, and its own over them. Takes root and component. */}}
{{- define "cinelog.bundledHooks" -}}
{{- mergeOverwrite (deepCopy .root.Values.bundledPods) (include "cinelog.bundledValues" . | fromYaml).pod | toYaml -}}
{{- end -}}

{{/*
What its pod changes with beside its own settings. Takes root, component, config if it has a file,
and env, secrets that count at more than its first start.
*/}}
{{- define "cinelog.bundledMetadata" -}}
{{- $hooks := include "cinelog.bundledHooks" . | fromYaml -}}
labels:
  {{- include "cinelog.podLabels" . | nindent 2 }}
  {{- with $hooks.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := include "cinelog.secretChecksum" (merge (dict "env" (.env | default "[]")) .) | fromYaml }}
{{- with .config }}{{ $_ := set $annotations "checksum/config" (sha256sum .) }}{{ end -}}
{{- with merge $annotations ($hooks.podAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes root, component, name, user and storage. */}}
{{- define "cinelog.bundledPod" -}}
{{- $hooks := include "cinelog.bundledHooks" . | fromYaml -}}
{{- include "cinelog.pullSecrets" .root }}
serviceAccountName: {{ .name }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "cinelog.podSecurity" (merge (dict "hooks" $hooks) .) | nindent 2 }}
{{- include "cinelog.placement" $hooks }}
{{- with $hooks.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Further variables, mounts and arguments of its container. Each takes root and component. */}}
{{- define "cinelog.bundledEnv" -}}
{{- range $variable, $value := (include "cinelog.bundledValues" . | fromYaml).extraEnv }}
- name: {{ $variable }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end -}}

{{- define "cinelog.bundledMounts" -}}
{{- with (include "cinelog.bundledValues" . | fromYaml).extraVolumeMounts }}
{{- toYaml . }}
{{- end }}
{{- end -}}

{{- define "cinelog.bundledArguments" -}}
{{- range (include "cinelog.bundledValues" . | fromYaml).extraArgs }} {{ squote . }}{{ end -}}
{{- end -}}

{{- define "cinelog.bundledSidecars" -}}
{{- with (include "cinelog.bundledHooks" . | fromYaml).sidecars }}
{{- toYaml . }}
{{- end }}
{{- end -}}

{{/* The data volume where there is no claim, and further ones. */}}
{{- define "cinelog.bundledVolumes" -}}
{{- if and (not .root.Values.persistence.enabled) (ne .component "collector") }}
- name: data
  emptyDir: {}
{{- end }}
{{- with (include "cinelog.bundledHooks" . | fromYaml).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* For policies that want users beyond the host's. */}}
{{- define "cinelog.bundledExcuse" -}}
checkov.io/skip1: CKV_K8S_40=The official image's own user, whose folders these are
{{- end -}}
