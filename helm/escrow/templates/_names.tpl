{{/* The beginning of every object's name. Short enough for any of our suffixes. */}}
{{- define "escrow.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $chart .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $chart | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/*
What selects the pods of one program, and of no other. Takes (list $ "gateway"). Never changed:
a Deployment's selector cannot be.
*/}}
{{- define "escrow.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of an object. Takes (list $ "gateway"). */}}
{{- define "escrow.labels" -}}
{{- $root := index . 0 -}}
{{ include "escrow.selectorLabels" . }}
app.kubernetes.io/part-of: escrow
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Name and labels, which every object has. Takes (list $ "gateway"). */}}
{{- define "escrow.metadata" -}}
name: {{ include "escrow.fullname" (index . 0) }}-{{ index . 1 }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "escrow.labels" . | nindent 2 }}
{{- end -}}
