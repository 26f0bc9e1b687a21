{{/* One rule of egress: {to, ports}; no `to` is any address. */}}
{{- define "escrow.egressRule" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* What every program may reach: names, and the collector when there is one. Takes $. */}}
{{- define "escrow.commonEgress" -}}
{{- with .Values.networkPolicy.dns -}}
- ports:
    {{- range .ports }}
    - {protocol: UDP, port: {{ int . }}}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if .Values.tracing.endpoint }}
{{ include "escrow.egressRule" .Values.networkPolicy.collector }}
{{- end }}
{{- end -}}

{{/* Who may scrape metrics: the listed peers, or any pod. Takes $. */}}
{{- define "escrow.metricsIngress" -}}
- ports:
    - {protocol: TCP, port: {{ int .Values.metrics.port }}}
  from:
    {{- toYaml (default (list (dict "namespaceSelector" dict)) .Values.networkPolicy.metricsCallers) | nindent 4 }}
{{- end -}}
