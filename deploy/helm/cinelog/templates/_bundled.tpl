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

{{/*
What its pod changes with beside its own settings. Takes root, component, config if it has a file,
and env, secrets that count at more than its first start.
*/}}
{{- define "cinelog.bundledMetadata" -}}
labels:
  {{- include "cinelog.podLabels" . | nindent 2 }}
{{- $annotations := include "cinelog.secretChecksum" (merge (dict "env" (.env | default "[]")) .) | fromYaml }}
{{- with .config }}{{ $_ := set $annotations "checksum/config" (sha256sum .) }}{{ end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes root, component, name, user and storage. */}}
{{- define "cinelog.bundledPod" -}}
{{- include "cinelog.pullSecrets" .root }}
serviceAccountName: {{ .name }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "cinelog.podSecurity" . | nindent 2 }}
{{- with .root.Values.bundledPods }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The data volume where there is no claim. */}}
{{- define "cinelog.bundledScratch" -}}
{{- if not .Values.persistence.enabled -}}
- name: data
  emptyDir: {}
{{- end -}}
{{- end -}}

{{/* For policies that want users beyond the host's. */}}
{{- define "cinelog.bundledExcuse" -}}
checkov.io/skip1: CKV_K8S_40=The official image's own user, whose folders these are
{{- end -}}
