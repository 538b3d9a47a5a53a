{{- define "cinelog.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 36 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for the longest suffix of ours. */}}
{{- define "cinelog.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 36 | trimSuffix "-" -}}
{{- else if contains (include "cinelog.name" .) .Release.Name -}}
{{- .Release.Name | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "cinelog.name" .) | trunc 36 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Never from values: a Deployment's selector cannot be changed. Takes root and component. */}}
{{- define "cinelog.selectorLabels" -}}
app.kubernetes.io/name: cinelog
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "cinelog.labels" -}}
{{- with .root.Values.commonLabels }}
{{- toYaml . }}
{{ end -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: cinelog
{{ include "cinelog.selectorLabels" . }}
{{- end -}}

{{/*
Of a pod's template, without versions: they change in every release, and the pods with them. Takes
root and component.
*/}}
{{- define "cinelog.podLabels" -}}
{{- with .root.Values.commonLabels }}
{{- toYaml . }}
{{ end -}}
app.kubernetes.io/part-of: cinelog
{{ include "cinelog.selectorLabels" . }}
{{- end -}}

{{/* Metadata of an object: takes root, component, name and, if it has any, annotations. */}}
{{- define "cinelog.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "cinelog.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes root, service and, unless they are the service's, tag and digest. */}}
{{- define "cinelog.image" -}}
{{- $image := .root.Values.image -}}
{{- $registry := default $image.registry .root.Values.global.imageRegistry -}}
{{- $digest := get $image.digests .service -}}
{{- if .tag }}{{ $digest = .digest }}{{ end -}}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository }}/{{ .service }}
{{- if $digest }}@{{ $digest }}{{ else }}:{{ .tag | default $image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* Of a bundled dependency: takes root and image. */}}
{{- define "cinelog.bundledImage" -}}
{{- $registry := default .image.registry .root.Values.global.imageRegistry -}}
{{- with $registry }}{{ . }}/{{ end }}{{ .image.repository }}:{{ .image.tag }}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "cinelog.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/*
What PodSecurity "restricted" asks of a pod; takes root, user, the user's number, and hooks, whose
podSecurityContext comes over it.
*/}}
{{- define "cinelog.podSecurity" -}}
{{- /* The mode only once: a database refuses a folder whose mode was widened at each start. */ -}}
{{- $asked := dict "runAsNonRoot" true "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- if not .root.Values.assignedUsers -}}
{{- $asked = merge $asked (dict "runAsUser" .user "runAsGroup" .user "fsGroup" .user) -}}
{{- end -}}
{{- mergeOverwrite $asked (deepCopy ((.hooks | default dict).podSecurityContext | default dict)) | toYaml -}}
{{- end -}}

{{/* Where a pod runs: takes the hooks. */}}
{{- define "cinelog.placement" -}}
{{- range $key := list "priorityClassName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with get $ $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "cinelog.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Of a service: Tilt has to write its code. */}}
{{- define "cinelog.serviceSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ not .Values.development }}
capabilities:
  drop: [ALL]
{{- end -}}
