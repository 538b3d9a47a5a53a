{{- define "cinelog.otlpEndpoint" -}}
{{- .Values.observability.otlpEndpoint -}}
{{- end -}}
