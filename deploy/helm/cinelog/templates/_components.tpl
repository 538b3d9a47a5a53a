{{/* The table of what every process needs: files/processes.yaml. */}}
{{- define "cinelog.table" -}}
{{- .Files.Get "files/processes.yaml" -}}
{{- end -}}

{{/*
Every process that the release runs, as the table has it. What concerns the archive counts where
there is one; http, metrics and rtmp say which ports it serves.
*/}}
{{- define "cinelog.components" -}}
{{- $processes := (include "cinelog.table" . | fromYaml).processes -}}
{{- range $name, $process := $processes -}}
{{- $_ := set $processes $name (include "cinelog.needs" (dict "root" $ "needs" $process) | fromYaml) -}}
{{- end -}}
{{- $processes | toYaml -}}
{{- end -}}

{{/* The needs of a process or a tool: takes root and needs. */}}
{{- define "cinelog.needs" -}}
{{- $needs := .needs -}}
{{- if and $needs.archive .root.Values.s3.archiveBucket -}}
{{- range $list := list "variables" "reaches" "options" -}}
{{- $_ := set $needs $list (concat (get $needs $list | default list) (get $needs.archive $list | default list)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $needs "http" (has "BIND" $needs.variables) -}}
{{- $_ := set $needs "metrics" (has "METRICS_BIND" $needs.variables) -}}
{{- $_ := set $needs "rtmp" (has "RTMP_BIND" $needs.variables) -}}
{{- $needs | toYaml -}}
{{- end -}}

{{/* The services that own tables, in the order of their migrations. */}}
{{- define "cinelog.migrated" -}}
{{- $services := list -}}
{{- range (include "cinelog.table" . | fromYaml).processes -}}
{{- range .schemas -}}
{{- if hasPrefix "services." . }}{{ $services = append $services (trimPrefix "services." .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $services | uniq | sortAlpha | toYaml -}}
{{- end -}}

{{/* The logins of the services to the database. */}}
{{- define "cinelog.roles" -}}
{{- $roles := list -}}
{{- $table := include "cinelog.table" . | fromYaml -}}
{{- range concat (values $table.processes) (values $table.tools) -}}
{{- with .role }}{{ $roles = append $roles . }}{{ end -}}
{{- end -}}
{{- $roles | uniq | sortAlpha | toYaml -}}
{{- end -}}

{{/* A component's values over the defaults: takes root and component. */}}
{{- define "cinelog.componentValues" -}}
{{- $own := get .root.Values.components .component | default dict -}}
{{- mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy $own) | toYaml -}}
{{- end -}}

{{/* keda, hpa or none. */}}
{{- define "cinelog.workerScaling" -}}
{{- $mode := .Values.worker.autoscaling.mode -}}
{{- $asked := or (ne .Values.rabbitmq.mode "external") (ne .Values.rabbitmq.external.managementUrlKey "") -}}
{{- if .Values.stopped -}}
none
{{- else if ne $mode "auto" -}}
{{- $mode -}}
{{- else if and $asked (.Capabilities.APIVersions.Has "keda.sh/v1alpha1") -}}
keda
{{- else -}}
hpa
{{- end -}}
{{- end -}}

{{/* On one cluster-wide external database setup runs as a hook, else as a Job among the others. */}}
{{- define "cinelog.setupIsHook" -}}
{{- if eq .Values.postgresql.mode "external" }}true{{ end -}}
{{- end -}}
