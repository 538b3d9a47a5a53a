{{/* Pods that prepare what the services stand on. */}}

{{- define "cinelog.setup.security" }}
securityContext:
  {{- include "cinelog.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .Values.setup.resources | nindent 2 }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- define "cinelog.setup.pod" }}
{{- include "cinelog.pullSecrets" . }}
serviceAccountName: {{ include "cinelog.fullname" . }}-setup
automountServiceAccountToken: false
enableServiceLinks: false
restartPolicy: OnFailure
securityContext:
  {{- include "cinelog.podSecurity" (dict "root" . "user" 10001 "hooks" .Values.jobPods) | nindent 2 }}
{{- include "cinelog.placement" .Values.jobPods }}
{{- end }}

{{/* The environment of one of the table's tools: takes root and tool. */}}
{{- define "cinelog.setup.environment" -}}
{{- $needs := get (include "cinelog.table" .root | fromYaml).tools .tool -}}
{{- $spec := include "cinelog.needs" (dict "root" .root "needs" $needs) | fromYaml -}}
{{- include "cinelog.environment" (merge (dict "spec" $spec) .) | trim -}}
{{- end -}}

{{/* Takes root. */}}
{{- define "cinelog.setup.migrationsPod" }}
{{- $services := include "cinelog.migrated" .root | fromYamlArray }}
{{- $environment := include "cinelog.setup.environment" (merge (dict "tool" "migrations") .) }}
{{- include "cinelog.setup.pod" .root }}
initContainers:
  - name: database
    image: {{ include "cinelog.image" (dict "root" .root "service" "auth") }}
    command: [python, -m, shared.database.wait]
    env:
      {{- include "cinelog.variable.DATABASE_ADMIN_URL" . | trim | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "cinelog.caMount" .root | nindent 6 }}
    {{- include "cinelog.setup.security" .root | nindent 4 }}
{{- range $at, $service := $services }}
{{- if eq $at (sub (len $services) 1) }}
containers:
{{- end }}
  - name: {{ $service }}
    image: {{ include "cinelog.image" (dict "root" $.root "service" $service) }}
    command: [python, -m, shared.database.setup]
    args: [shared.event_store, services.{{ $service }}]
    env:
      {{- $environment | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "cinelog.caMount" $.root | nindent 6 }}
    {{- include "cinelog.setup.security" $.root | nindent 4 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  {{- include "cinelog.caVolume" .root | nindent 2 }}
{{- end }}

{{- define "cinelog.setup.bucketsPod" }}
{{- include "cinelog.setup.pod" . }}
containers:
  - name: buckets
    image: {{ include "cinelog.image" (dict "root" . "service" "ingest") }}
    command: [python, -m, shared.blobs.setup]
    env:
      {{- include "cinelog.setup.environment" (dict "root" . "tool" "buckets") | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
    {{- include "cinelog.setup.security" . | nindent 4 }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}
