{{/* The pod of a component: takes root, component, spec and values (of the component). */}}
{{- define "cinelog.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $worker := eq .component "worker" -}}
{{- $image := include "cinelog.image" (dict "root" $root "service" .spec.image) -}}
{{- $environment := include "cinelog.environment" . | trim -}}
{{- $port := ternary "http" "metrics" (default false .spec.http) -}}
metadata:
  labels:
    {{- include "cinelog.podLabels" (dict "root" $root "component" .component) | nindent 4 }}
    cinelog.io/metrics: {{ ternary "metrics" "http" (default false .spec.metrics) }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $checksum := include "cinelog.secretChecksum" (dict "root" $root "env" $environment) | fromYaml }}
  {{- with merge $checksum $values.podAnnotations $root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "cinelog.pullSecrets" $root | nindent 2 }}
  serviceAccountName: {{ include "cinelog.fullname" $root }}-{{ .component }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "cinelog.podSecurity" (dict "root" $root "user" 10001 "hooks" $values) | nindent 4 }}
  # A worker drains; the others let endpoints forget them, then finish what is under way.
  terminationGracePeriodSeconds: {{ ternary (add $root.Values.worker.drainSeconds 30) 45 $worker }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  affinity:
    {{- if $values.affinity }}
    {{- toYaml $values.affinity | nindent 4 }}
    {{- else }}
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 50
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "cinelog.selectorLabels" (dict "root" $root "component" .component) | nindent 16 }}
    {{- end }}
  {{- with $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- $waits := and .spec.schemas (not (include "cinelog.setupIsHook" $root)) }}
  {{- if or $waits $values.initContainers }}
  initContainers:
    {{- with $values.initContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- if $waits }}
    - name: migrations
      image: {{ $image }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [python, -m, shared.database.wait]
      args: {{ toJson .spec.schemas }}
      env:
        {{- include "cinelog.variable.DATABASE_URL" . | trim | nindent 8 }}
      securityContext:
        {{- include "cinelog.containerSecurity" . | nindent 8 }}
      resources:
        {{- toYaml $root.Values.setup.resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- include "cinelog.caMount" $root | nindent 8 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ $image }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: {{ ternary (list "python" "/app/reload.py") (list "python" "-m") $root.Values.development | toJson }}
      args: {{ toJson .spec.command }}
      env:
        {{- $environment | nindent 8 }}
        {{- range $variable, $value := $values.extraEnv }}
        - name: {{ $variable }}
          value: {{ $value | toString | quote }}
        {{- end }}
      {{- with $values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- if .spec.http }}
        - {name: http, containerPort: 8000}
        {{- end }}
        {{- if .spec.metrics }}
        - {name: metrics, containerPort: 9000}
        {{- end }}
        {{- if .spec.rtmp }}
        - {name: rtmp, containerPort: 1935}
        {{- if $root.Values.settings.live.tlsSecret }}
        - {name: rtmps, containerPort: 1936}
        {{- end }}
        {{- end }}
      # Liveness never asks for a dependency: a restart would not bring it back.
      startupProbe:
        httpGet: {path: /health, port: {{ $port }}}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /health, port: {{ $port }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      {{- /* The gateway serves pages and media with Redis or a service away: its own /ready, which
      asks all of them, would take it out of service for nothing. */}}
      readinessProbe:
        httpGet: {path: {{ ternary "/health" "/ready" (eq .component "gateway") }}, port: {{ $port }}}
        periodSeconds: 5
        timeoutSeconds: 4
        failureThreshold: 2
      {{- if .spec.http }}
      lifecycle:
        preStop:
          sleep: {seconds: 8}
      {{- end }}
      securityContext:
        {{- include "cinelog.serviceSecurity" $root | nindent 8 }}
      resources:
        {{- include "cinelog.resources" . | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- if or $worker .spec.rtmp }}
        - {name: scratch, mountPath: /scratch}
        {{- end }}
        {{- if and .spec.rtmp $root.Values.settings.live.tlsSecret }}
        - {name: rtmps, mountPath: /etc/cinelog/rtmps, readOnly: true}
        {{- end }}
        {{- if .spec.role }}
        {{- include "cinelog.caMount" $root | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $values.sidecars }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 128Mi}
    {{- if or $worker .spec.rtmp }}
    - name: scratch
      emptyDir: {sizeLimit: {{ ternary $root.Values.worker.scratch.size "4Gi" $worker }}}
    {{- end }}
    {{- if and .spec.rtmp $root.Values.settings.live.tlsSecret }}
    - name: rtmps
      secret: {secretName: {{ $root.Values.settings.live.tlsSecret }}}
    {{- end }}
    {{- if .spec.role }}
    {{- include "cinelog.caVolume" $root | nindent 4 }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* A worker's scratch is part of what it asks of a node, so that it is not evicted for it. */}}
{{- define "cinelog.resources" -}}
{{- $resources := deepCopy .values.resources -}}
{{- if eq .component "worker" -}}
{{- $disk := .root.Values.worker.scratch.size -}}
{{- $_ := set $resources.requests "ephemeral-storage" $disk -}}
{{- $_ := set $resources.limits "ephemeral-storage" $disk -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- define "cinelog.caMount" -}}
{{- if and (eq .Values.postgresql.mode "external") .Values.postgresql.external.caSecret -}}
- {name: postgresql-ca, mountPath: /etc/cinelog/postgresql, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "cinelog.caVolume" -}}
{{- if and (eq .Values.postgresql.mode "external") .Values.postgresql.external.caSecret -}}
- name: postgresql-ca
  secret: {secretName: {{ .Values.postgresql.external.caSecret }}}
{{- end -}}
{{- end -}}
