{{/*
The tenants files name the secrets' files and hold no secret. Each program gets a file of its own,
so that the gateway cannot read an API key, and the service cannot sign as Stripe.
*/}}
{{- define "escrow.serviceTenants" -}}
{{- if not .Values.tenants -}}
{{- fail "tenants is required: name at least one marketplace" -}}
{{- end -}}
{{- $tenants := dict -}}
{{- range $name, $tenant := .Values.tenants -}}
{{- $entry := dict "stripe_secret_key" (dict "file" (printf "%s/api-key" $name)) -}}
{{- with $tenant.apiBase -}}
{{- $_ := set $entry "stripe_api_base" . -}}
{{- end -}}
{{- with $tenant.ratePerSecond -}}
{{- $_ := set $entry "stripe_rate_per_s" . -}}
{{- end -}}
{{- with $tenant.settlementCurrencies -}}
{{- $_ := set $entry "settlement_currencies" . -}}
{{- end -}}
{{- with $tenant.conversion -}}
{{- $_ := set $entry "conversion" . -}}
{{- end -}}
{{- with $tenant.returnHosts -}}
{{- $_ := set $entry "return_hosts" . -}}
{{- end -}}
{{- $_ := set $tenants $name $entry -}}
{{- end -}}
{{- dict "tenants" $tenants | toPrettyJson -}}
{{- end -}}

{{- define "escrow.gatewayTenants" -}}
{{- if not .Values.tenants -}}
{{- fail "tenants is required: name at least one marketplace" -}}
{{- end -}}
{{- $tenants := dict -}}
{{- range $name, $tenant := .Values.tenants -}}
{{- $platform := dict "current" (dict "file" (printf "%s/platform" $name)) -}}
{{- if $tenant.webhookSecrets.platformPreviousKey -}}
{{- $_ := set $platform "previous" (dict "file" (printf "%s/platform-previous" $name)) -}}
{{- end -}}
{{- $connect := dict "current" (dict "file" (printf "%s/connect" $name)) -}}
{{- if $tenant.webhookSecrets.connectPreviousKey -}}
{{- $_ := set $connect "previous" (dict "file" (printf "%s/connect-previous" $name)) -}}
{{- end -}}
{{- $_ := set $tenants $name (dict "webhook_secrets" (dict "platform" $platform "connect" $connect)) -}}
{{- end -}}
{{- dict "tenants" $tenants | toPrettyJson -}}
{{- end -}}

{{/* The service's tenants file and, beside it, the API keys that it names. Takes $. */}}
{{- define "escrow.serviceTenantsVolume" -}}
- name: tenants
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "escrow.fullname" . }}-service
          items:
            - {key: tenants.json, path: tenants.json}
      {{- range $name, $tenant := .Values.tenants }}
      - secret:
          name: {{ $tenant.apiKey.existingSecret }}
          items:
            - {key: {{ default "secret-key" $tenant.apiKey.key | quote }}, path: {{ $name }}/api-key}
      {{- end }}
{{- end -}}

{{/* The gateway's tenants file and, beside it, the webhook secrets that it names. Takes $. */}}
{{- define "escrow.gatewayTenantsVolume" -}}
- name: tenants
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "escrow.fullname" . }}-gateway
      {{- range $name, $tenant := .Values.tenants }}
      {{- with $tenant.webhookSecrets }}
      - secret:
          name: {{ .existingSecret }}
          items:
            - {key: {{ default "platform" .platformKey | quote }}, path: {{ $name }}/platform}
            - {key: {{ default "connect" .connectKey | quote }}, path: {{ $name }}/connect}
            {{- with .platformPreviousKey }}
            - {key: {{ . | quote }}, path: {{ $name }}/platform-previous}
            {{- end }}
            {{- with .connectPreviousKey }}
            - {key: {{ . | quote }}, path: {{ $name }}/connect-previous}
            {{- end }}
      {{- end }}
      {{- end }}
{{- end -}}

{{- define "escrow.tenantsMount" -}}
- name: tenants
  mountPath: /etc/escrow/tenants
  readOnly: true
{{- end -}}
