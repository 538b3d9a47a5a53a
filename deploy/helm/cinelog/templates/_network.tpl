{{- define "cinelog.peer" -}}
podSelector:
  matchLabels:
    {{- include "cinelog.selectorLabels" . | nindent 4 }}
{{- end -}}

{{/* To one of the dependencies: takes root, mode, component, port, external port and labels of an operator's pods. */}}
{{- define "cinelog.egress" }}
- ports: [{protocol: TCP, port: {{ ternary .externalPort .port (eq .mode "external") }}}]
  to:
  {{- if eq .mode "external" }}
    {{- range .root.Values.networkPolicy.externalCidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  {{- else if eq .mode "bundled" }}
    - {{- include "cinelog.peer" . | nindent 6 }}
  {{- else }}
    - podSelector:
        matchLabels: {{ toJson .labels }}
  {{- end }}
{{- end }}
