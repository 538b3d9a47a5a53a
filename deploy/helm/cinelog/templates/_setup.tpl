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
  {{- include "cinelog.podSecurity" 10001 | nindent 2 }}
{{- end }}

{{- define "cinelog.setup.migrationsPod" }}
{{- include "cinelog.setup.pod" .root }}
initContainers:
  - name: database
    image: {{ include "cinelog.image" (dict "root" .root "service" "auth") }}
    command: [python, -m, shared.database.wait]
    env:
      {{- .environment | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "cinelog.caMount" .root | nindent 6 }}
    {{- include "cinelog.setup.security" .root | nindent 4 }}
{{- range $at, $service := .services }}
{{- if eq $at (sub (len $.services) 1) }}
containers:
{{- end }}
  - name: {{ $service }}
    image: {{ include "cinelog.image" (dict "root" $.root "service" $service) }}
    command: [python, -m, shared.database.setup]
    args: [shared.event_store, services.{{ $service }}]
    env:
      {{- $.environment | nindent 6 }}
      {{- join "\n" $.passwords | nindent 6 }}
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
      {{- include "cinelog.s3.environment" . | nindent 6 }}
      {{- with .Values.s3.archiveBucket }}
      - name: S3_ARCHIVE_BUCKET
        value: {{ . }}
      {{- end }}
      {{- $origins := .Values.settings.corsOrigins }}
      {{- with .Values.publicUrl }}{{ $origins = append $origins (trimSuffix "/" .) }}{{ end }}
      - name: CORS_ORIGINS
        value: {{ join "," (uniq $origins) | quote }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
    {{- include "cinelog.setup.security" . | nindent 4 }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}
