{{/* Where services send spans and metrics; empty: nowhere. */}}
{{- define "cinelog.otlpEndpoint" -}}
{{- if .Values.observability.otlpEndpoint -}}
{{- .Values.observability.otlpEndpoint -}}
{{- else if .Values.observability.collector.enabled -}}
http://{{ include "cinelog.fullname" . }}-collector:4318
{{- end -}}
{{- end -}}

{{/* A NetworkPolicy's ports: takes a list of numbers. */}}
{{- define "cinelog.tcpPorts" -}}
[{{ range $i, $port := . }}{{ if $i }}, {{ end }}{protocol: TCP, port: {{ $port }}}{{ end }}]
{{- end -}}
