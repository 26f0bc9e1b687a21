{{/* The one image of all programs; a digest wins over a tag. */}}
{{- define "escrow.image" -}}
{{- $repository := required "image.repository is required: where your registry has the image" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The program itself: image and rights of its container. Takes $. */}}
{{- define "escrow.container" -}}
image: {{ include "escrow.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
{{- end -}}

{{/*
What the pods of all programs have in common. Takes $.

Service links would be read as our own settings: a Service called escrow-gateway puts
ESCROW_GATEWAY_PORT=tcp://... into every pod of its namespace.
*/}}
{{- define "escrow.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{/* The labels and annotations of a program's pods. Takes (list $ "gateway" checksum). */}}
{{- define "escrow.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $program := index $root.Values (index . 1) -}}
labels:
  {{- include "escrow.labels" (list $root (index . 1)) | nindent 2 }}
  {{- with $program.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  # a changed list of tenants starts new pods
  checksum/tenants: {{ index . 2 }}
  {{- if and $root.Values.metrics.enabled $root.Values.metrics.podAnnotations }}
  prometheus.io/scrape: "true"
  prometheus.io/port: {{ $root.Values.metrics.port | quote }}
  {{- end }}
  {{- with $program.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Where a program's pods run. Takes (list $ "gateway"). */}}
{{- define "escrow.scheduling" -}}
{{- $root := index . 0 -}}
{{- $program := index $root.Values (index . 1) -}}
{{- with $program.priorityClassName -}}
priorityClassName: {{ . }}
{{ end -}}
{{- with $program.nodeSelector -}}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with $program.tolerations -}}
tolerations:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with $program.affinity -}}
affinity:
  {{- toYaml . | nindent 2 }}
{{ end -}}
topologySpreadConstraints:
  {{- $labels := include "escrow.selectorLabels" . }}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: {{ $root.Values.topologySpread }}
    labelSelector:
      matchLabels:
        {{- $labels | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end -}}
