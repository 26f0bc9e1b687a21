{{/* What every command of `escrow` asks for. Takes $. */}}
{{- define "escrow.environment" -}}
- name: ESCROW_AUTH
  value: {{ include "escrow.auth" . | quote }}
- name: ESCROW_LOG_LEVEL
  value: {{ .Values.log.level | quote }}
- name: ESCROW_LOG_FORMAT
  value: json
{{- end -}}

{{/* The settings that the service and the worker share. Takes (list $ "worker"). */}}
{{- define "escrow.processEnvironment" -}}
{{- $root := index . 0 -}}
{{- $program := index $root.Values (index . 1) -}}
{{- if le (int $program.shutdownLimitSeconds) (int $program.drainSeconds) -}}
{{- fail (printf "%s.shutdownLimitSeconds must be above %s.drainSeconds" (index . 1) (index . 1)) -}}
{{- end -}}
{{- if gt (int $program.databasePool.min) (int $program.databasePool.max) -}}
{{- fail (printf "%s.databasePool: min is above max" (index . 1)) -}}
{{- end -}}
{{ include "escrow.environment" $root }}
- name: ESCROW_ENVIRONMENT
  value: {{ $root.Values.environment | quote }}
- name: ESCROW_TENANTS_FILE
  value: /etc/escrow/tenants/tenants.json
{{ include "escrow.databaseLogin" . }}
{{ include "escrow.databaseEnvironment" $root }}
- name: ESCROW_DATABASE_POOL_MIN
  value: {{ $program.databasePool.min | quote }}
- name: ESCROW_DATABASE_POOL_MAX
  value: {{ $program.databasePool.max | quote }}
- name: ESCROW_DATABASE_COMMAND_TIMEOUT_S
  value: {{ $root.Values.database.commandTimeoutSeconds | quote }}
- name: ESCROW_DRAIN_S
  value: {{ $program.drainSeconds | quote }}
- name: ESCROW_SHUTDOWN_LIMIT_S
  value: {{ $program.shutdownLimitSeconds | quote }}
{{- end -}}

{{/* Where files are kept, and what looks into them. Takes $. */}}
{{- define "escrow.filesEnvironment" -}}
{{- $files := .Values.files -}}
{{- if and (not $files.bucket) (or $files.endpoint $files.region $files.credentials.existingSecret) -}}
{{- fail "files.endpoint, files.region and files.credentials are of a bucket: set files.bucket, or unset them" -}}
{{- end -}}
{{- range $name, $value := dict "BUCKET" $files.bucket "ENDPOINT" $files.endpoint "REGION" $files.region "SCANNER" $files.scanner }}
{{- with $value }}
- name: ESCROW_FILES_{{ $name }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- with $files.credentials }}
{{- if .existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .accessKeyIdKey }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .secretAccessKeyKey }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Metrics and traces, by OpenTelemetry's own variables. Takes $. */}}
{{- define "escrow.telemetryEnvironment" -}}
- name: OTEL_METRICS_EXPORTER
  value: {{ ternary "prometheus" "none" .Values.metrics.enabled }}
{{- if .Values.metrics.enabled }}
- name: OTEL_EXPORTER_PROMETHEUS_HOST
  value: 0.0.0.0
- name: OTEL_EXPORTER_PROMETHEUS_PORT
  value: {{ .Values.metrics.port | quote }}
{{- end }}
{{- with .Values.tracing.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ $.Values.tracing.ratio | quote }}
{{- end }}
{{- end -}}
