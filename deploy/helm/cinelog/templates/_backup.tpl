{{/* The pod of a backup, a restore or its test: takes root, tool, name and command. */}}
{{- define "cinelog.backup.pod" -}}
{{- $backup := .root.Values.backup -}}
{{- include "cinelog.pullSecrets" .root }}
serviceAccountName: {{ .name }}
automountServiceAccountToken: false
enableServiceLinks: false
restartPolicy: Never
securityContext:
  {{- include "cinelog.podSecurity" (dict "root" .root "user" 10001 "hooks" .root.Values.jobPods) | nindent 2 }}
{{- include "cinelog.placement" .root.Values.jobPods }}
{{- $container := include "cinelog.backup.container" . }}
initContainers:
  # What lets the pod reach anything may count a moment after it has started; a restore is tried once.
  - name: database
    command: [python, -m, shared.database.wait]
    {{- $container | nindent 4 }}
  {{- if eq .tool "restore-test" }}
  {{- include "cinelog.backup.scratch" .root | nindent 2 }}
  {{- end }}
containers:
  - name: {{ .tool }}
    args: {{ toJson .command }}
    {{- $container | nindent 4 }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: {{ (index $backup.resources.limits "ephemeral-storage") }}}
  {{- if eq .tool "restore-test" }}
  - name: data
    emptyDir: {sizeLimit: {{ $backup.restoreTest.scratch }}}
  - name: run
    emptyDir: {sizeLimit: 16Mi}
  - name: shm
    emptyDir: {medium: Memory, sizeLimit: 256Mi}
  {{- end }}
  {{- include "cinelog.caVolume" .root | nindent 2 }}
{{- end -}}

{{/* What its containers have in common. */}}
{{- define "cinelog.backup.container" -}}
image: {{ include "cinelog.image" (dict "root" .root "service" "operator") }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  {{- include "cinelog.setup.environment" . | nindent 2 }}
securityContext:
  {{- include "cinelog.containerSecurity" .root | nindent 2 }}
resources:
  {{- toYaml .root.Values.backup.resources | nindent 2 }}
volumeMounts:
  # Lists of objects, some hundred bytes for each.
  - {name: tmp, mountPath: /tmp}
  {{- include "cinelog.caMount" .root | nindent 2 }}
{{- end -}}

{{/* PostgreSQL for as long as the test takes: it ends with the pod, and its data with it. */}}
{{- define "cinelog.backup.scratch" -}}
{{- $test := .Values.backup.restoreTest -}}
{{- $resources := deepCopy $test.resources -}}
{{- $_ := set $resources.requests "ephemeral-storage" $test.scratch -}}
{{- $_ := set $resources.limits "ephemeral-storage" $test.scratch -}}
- name: scratch
  restartPolicy: Always
  image: {{ include "cinelog.bundledImage" (dict "root" . "image" .Values.postgresql.bundled.image) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  # Nothing in it has to outlive the pod.
  args: [-c, listen_addresses=127.0.0.1, -c, fsync=off, -c, full_page_writes=off, -c, timezone=UTC]
  env:
    - {name: POSTGRES_USER, value: cinelog_admin}
    - {name: POSTGRES_DB, value: postgres}
    - {name: POSTGRES_HOST_AUTH_METHOD, value: trust}
    - {name: PGDATA, value: /var/lib/postgresql/18/docker}
    - name: POSTGRES_INITDB_ARGS
      value: --encoding=UTF8 --locale=C.UTF-8 --locale-provider=builtin --builtin-locale=C.UTF-8
  startupProbe:
    exec: {command: [pg_isready, -q, -h, 127.0.0.1, -U, cinelog_admin]}
    periodSeconds: 2
    timeoutSeconds: 5
    failureThreshold: 150
  securityContext:
    {{- if not .Values.assignedUsers }}
    runAsUser: 999
    runAsGroup: 999
    {{- end }}
    {{- include "cinelog.containerSecurity" . | nindent 4 }}
  resources:
    {{- toYaml $resources | nindent 4 }}
  volumeMounts:
    - {name: data, mountPath: /var/lib/postgresql}
    - {name: run, mountPath: /var/run/postgresql}
    - {name: shm, mountPath: /dev/shm}
{{- end -}}
