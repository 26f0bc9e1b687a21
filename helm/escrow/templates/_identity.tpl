{{/* How callers prove who they are, and that all that takes is said. Takes $. */}}
{{- define "escrow.auth" -}}
{{- $auth := required "auth is required: how callers prove who they are, \"mtls\" or \"jwt\"" .Values.auth -}}
{{- if eq $auth "development" -}}
{{- if not .Values.developmentAuthIsNotSafeAndIWantIt -}}
{{- fail "auth: development believes whoever connects; use mtls or jwt, or say developmentAuthIsNotSafeAndIWantIt: true" -}}
{{- end -}}
{{- else if not .Values.authDocument -}}
{{- fail (printf "authDocument is required with auth: %s: it says who may call" $auth) -}}
{{- end -}}
{{- if eq $auth "mtls" -}}
{{- $_ := required "tls.existingSecret is required with auth: mtls" .Values.tls.existingSecret -}}
{{- $_ := required "tls.clientCa.existingSecret is required with auth: mtls: whose clients are accepted" .Values.tls.clientCa.existingSecret -}}
{{- end -}}
{{- if and (eq $auth "jwt") (not .Values.tls.existingSecret) (not .Values.plainText) -}}
{{- fail "tls.existingSecret is required with auth: jwt, or tokens are sent in plain text; say plainText: true where a mesh ends TLS before the service" -}}
{{- end -}}
{{- $auth -}}
{{- end -}}

{{/* Where the service finds who may call, and its certificates. Takes $. */}}
{{- define "escrow.identityEnvironment" -}}
- name: ESCROW_DEVELOPMENT_AUTH_IS_NOT_SAFE_AND_I_WANT_IT
  value: {{ .Values.developmentAuthIsNotSafeAndIWantIt | quote }}
- name: ESCROW_PLAIN_TEXT
  value: {{ .Values.plainText | quote }}
{{- if ne .Values.auth "development" }}
- name: ESCROW_AUTH_FILE
  value: /etc/escrow/auth/auth.json
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: ESCROW_TLS_CERTIFICATE_FILE
  value: /etc/escrow/tls/tls.crt
- name: ESCROW_TLS_KEY_FILE
  value: /etc/escrow/tls/tls.key
{{- end }}
{{- if eq .Values.auth "mtls" }}
- name: ESCROW_TLS_CLIENT_CA_FILE
  value: /etc/escrow/tls/client-ca.crt
{{- end }}
{{- end -}}

{{/* Folders and not single files: the kubelet renews nothing else while a pod runs. Takes $. */}}
{{- define "escrow.identityMounts" -}}
{{- if ne .Values.auth "development" }}
- {name: auth, mountPath: /etc/escrow/auth, readOnly: true}
{{- end }}
{{- if .Values.tls.existingSecret }}
- {name: tls, mountPath: /etc/escrow/tls, readOnly: true}
{{- end }}
{{- end -}}

{{- define "escrow.identityVolumes" -}}
{{- $tls := .Values.tls -}}
{{- if ne .Values.auth "development" }}
- name: auth
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "escrow.fullname" . }}-service
          items:
            - {key: auth.json, path: auth.json}
            {{- range $name, $_ := .Values.authFiles }}
            - {key: {{ $name | quote }}, path: {{ $name | quote }}}
            {{- end }}
{{- end }}
{{- if $tls.existingSecret }}
- name: tls
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ $tls.existingSecret }}
          items:
            - {key: {{ $tls.certificateKey | quote }}, path: tls.crt}
            - {key: {{ $tls.keyKey | quote }}, path: tls.key}
      {{- if eq .Values.auth "mtls" }}
      - secret:
          name: {{ $tls.clientCa.existingSecret }}
          items:
            - {key: {{ $tls.clientCa.key | quote }}, path: client-ca.crt}
      {{- end }}
{{- end }}
{{- end -}}


{{/* How the gateway proves to the service who it is. Takes $. */}}
{{- define "escrow.gatewayIdentityEnvironment" -}}
{{- $given := .Values.gateway.credentials -}}
- name: ESCROW_PLAIN_TEXT
  value: {{ .Values.plainText | quote }}
{{- if .Values.tls.existingSecret }}
{{- $_ := required "gateway.credentials.ca.existingSecret is required with TLS: whose certificate the gateway accepts of the service" $given.ca.existingSecret }}
- name: ESCROW_SERVICE_CA_FILE
  value: /etc/escrow/service/ca.crt
{{- end }}
{{- if eq .Values.auth "mtls" }}
{{- $_ := required "gateway.credentials.certificate.existingSecret is required with auth: mtls" $given.certificate.existingSecret }}
- name: ESCROW_GATEWAY_CERTIFICATE_FILE
  value: /etc/escrow/service/tls.crt
- name: ESCROW_GATEWAY_KEY_FILE
  value: /etc/escrow/service/tls.key
{{- end }}
{{- if eq .Values.auth "jwt" }}
{{- $_ := required "gateway.credentials.token.existingSecret is required with auth: jwt" $given.token.existingSecret }}
{{- end }}
{{- if $given.token.existingSecret }}
- name: ESCROW_GATEWAY_TOKEN_FILE
  value: /etc/escrow/service/token
{{- end }}
{{- end -}}

{{- define "escrow.gatewayHasIdentity" -}}
{{- if or .Values.tls.existingSecret .Values.gateway.credentials.token.existingSecret -}}yes{{- end -}}
{{- end -}}

{{- define "escrow.gatewayIdentityMounts" -}}
{{- if include "escrow.gatewayHasIdentity" . }}
- {name: service-credentials, mountPath: /etc/escrow/service, readOnly: true}
{{- end }}
{{- end -}}

{{- define "escrow.gatewayIdentityVolumes" -}}
{{- $given := .Values.gateway.credentials -}}
{{- if include "escrow.gatewayHasIdentity" . }}
- name: service-credentials
  projected:
    defaultMode: 0440
    sources:
      {{- if .Values.tls.existingSecret }}
      - secret:
          name: {{ $given.ca.existingSecret }}
          items:
            - {key: {{ $given.ca.key | quote }}, path: ca.crt}
      {{- end }}
      {{- if eq .Values.auth "mtls" }}
      - secret:
          name: {{ $given.certificate.existingSecret }}
          items:
            - {key: {{ $given.certificate.certificateKey | quote }}, path: tls.crt}
            - {key: {{ $given.certificate.keyKey | quote }}, path: tls.key}
      {{- end }}
      {{- with $given.token.existingSecret }}
      - secret:
          name: {{ . }}
          items:
            - {key: {{ $given.token.key | quote }}, path: token}
      {{- end }}
{{- end }}
{{- end -}}
