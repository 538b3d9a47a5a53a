{{- define "cinelog.peer" -}}
podSelector:
  matchLabels:
    {{- include "cinelog.selectorLabels" . | nindent 4 }}
{{- end -}}

{{/* To the cluster's DNS servers. */}}
{{- define "cinelog.dns" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  to:
    {{- toYaml .Values.networkPolicy.dnsTo | nindent 4 }}
{{- end -}}

{{/* Whom OTLP is sent to: takes root, and the bundled component, empty for what the operator names. */}}
{{- define "cinelog.otlpPeers" -}}
{{- if .bundled -}}
- {{- include "cinelog.peer" (dict "root" .root "component" .bundled) | nindent 2 }}
{{- else -}}
{{- toYaml .root.Values.networkPolicy.otlpTo -}}
{{- end -}}
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
